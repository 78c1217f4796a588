"""The endpoint of variables and profiles: `repr` shows it, and one that is no URL is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from aiobotocore.session import AioSession
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from langgraph_checkpoint_dynamodb import ConfigurationError, DynamoDBConfig, DynamoDBSaver
from langgraph_checkpoint_dynamodb.drivers.aws_errors import translate
from langgraph_checkpoint_dynamodb.drivers.client_config import client_arguments
from langgraph_checkpoint_dynamodb.drivers.places import session_endpoint
from langgraph_checkpoint_dynamodb.runtime.effects import (
    AUTOSCALING,
    CLOUDFORMATION,
    DYNAMODB,
    Call,
)
from sessions import refusal

THREAD: Any = {"configurable": {"thread_id": "1"}}
PROFILES = """
[profile plain]
region = eu-west-1
endpoint_url = http://plain:1

[profile services]
region = eu-west-1
endpoint_url = http://all:1
services = emulators

[services emulators]
dynamodb =
  endpoint_url = http://dynamodb:1
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(PROFILES)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    for name in ("", "_DYNAMODB", "_APPLICATION_AUTO_SCALING"):
        monkeypatch.delenv(f"AWS_ENDPOINT_URL{name}", raising=False)


def read(mode: str, config: DynamoDBConfig | None = None) -> None:
    saver = DynamoDBSaver(config)

    async def aget() -> None:
        try:
            await saver.aget_tuple(THREAD)
        finally:
            await saver.aclose()

    if mode == "async":
        asyncio.run(aget())
    else:
        with saver:
            saver.get_tuple(THREAD)


@pytest.mark.parametrize(
    ("profile", "variables", "endpoint"),
    [
        (None, {}, None),
        (None, {"AWS_ENDPOINT_URL": ""}, None),
        (None, {"AWS_ENDPOINT_URL": "http://all:1"}, "http://all:1"),
        (
            None,
            {"AWS_ENDPOINT_URL": "http://a:1", "AWS_ENDPOINT_URL_DYNAMODB": "http://b:1"},
            "http://b:1",
        ),
        ("plain", {}, "http://plain:1"),
        ("plain", {"AWS_ENDPOINT_URL": "http://all:1"}, "http://all:1"),
        ("services", {}, "http://dynamodb:1"),
        ("services", {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, None),
    ],
)
@pytest.mark.parametrize("of_profile", [None, boto3.Session, AioSession])
def test_the_repr_shows_the_endpoint_that_a_client_gets(
    monkeypatch: pytest.MonkeyPatch,
    of_profile: Callable[..., Any] | None,
    profile: str | None,
    variables: dict[str, str],
    endpoint: str | None,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if of_profile is None:
        if profile is not None:
            monkeypatch.setenv("AWS_PROFILE", profile)
        config = DynamoDBConfig()
    elif of_profile is boto3.Session:
        config = DynamoDBConfig(session=of_profile(profile_name=profile))
    else:
        config = DynamoDBConfig(async_session=of_profile(profile=profile))
    assert repr(DynamoDBSaver(config)).endswith(f"region='eu-west-1', endpoint={endpoint!r})")
    client = boto3.Session("a", "b", profile_name=profile).client("dynamodb")
    assert client.meta.endpoint_url == (endpoint or "https://dynamodb.eu-west-1.amazonaws.com")


def test_a_client_s_own_setting_ignores_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "no URL")
    config = DynamoDBConfig(botocore_config=Config(ignore_configured_endpoint_urls=True))
    assert repr(DynamoDBSaver(config)).endswith("endpoint=None)")
    assert client_arguments(config)["endpoint_url"] is None


def test_the_repr_shows_no_password_and_needs_no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://me:SHOWN@host:1")
    assert repr(DynamoDBSaver()).endswith("endpoint='host:1')")
    monkeypatch.setenv("AWS_PROFILE", "missing")
    assert repr(DynamoDBSaver()).endswith("endpoint=None)")


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"])
@pytest.mark.parametrize("url", ["localhost:8000", "http://", "http://me:SHOWN@localhost:8000"])
def test_a_variable_that_is_no_url(
    monkeypatch: pytest.MonkeyPatch, mode: str, name: str, url: str
) -> None:
    monkeypatch.setenv(name, url)
    with pytest.raises(ConfigurationError, match=rf"^{name}(=| \(not shown\))") as caught:
        read(mode)
    assert "SHOWN" not in str(caught.value)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_profile_s_endpoint_that_is_no_url(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str
) -> None:
    (tmp_path / "config").write_text("[default]\nendpoint_url = localhost:8000\n")
    with pytest.raises(ConfigurationError, match="endpoint_url of the profile='localhost:8000'"):
        read(mode)


def test_the_endpoint_of_another_service(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING"
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://dynamodb:1")
    monkeypatch.setenv(name, "http://scaling:1")
    assert session_endpoint(DynamoDBConfig(), AUTOSCALING) == (name, "http://scaling:1")
    client = boto3.Session().client(AUTOSCALING)
    assert client.meta.endpoint_url == "http://scaling:1"


@pytest.mark.parametrize("kind", [ConnectTimeoutError, EndpointConnectionError])
@pytest.mark.parametrize("service", [DYNAMODB, CLOUDFORMATION])
@pytest.mark.parametrize(
    ("settings", "variables", "setting"),
    [
        ({"endpoint_url": "http://b:1"}, {"AWS_ENDPOINT_URL": "http://a:1"}, "endpoint_url"),
        ({}, {"AWS_ENDPOINT_URL": "http://a:1"}, "AWS_ENDPOINT_URL"),
        ({}, {"AWS_PROFILE": "plain"}, "endpoint_url of the profile"),
    ],
)
def test_an_endpoint_that_is_not_reached_is_named_with_its_setting(
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Exception],
    service: str,
    settings: dict[str, Any],
    variables: dict[str, str],
    setting: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    config, call = DynamoDBConfig(**settings), Call("work", {}, service)
    told = str(translate(kind(endpoint_url="http://x:1"), config, call, "x:1"))
    assert f"; this endpoint is set by {setting}: correct it" in told
    late = ReadTimeoutError(endpoint_url="http://x:1")  # a server is there
    assert "is set by" not in str(translate(late, config, call, "x:1"))


@pytest.mark.parametrize(
    "error", [EndpointConnectionError(endpoint_url="https://aws"), refusal("InvalidClientTokenId")]
)
def test_a_stack_that_is_looked_for_beside_the_emulator(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def told(service: str, config: DynamoDBConfig | None = None) -> str:
        return str(translate(error, config or DynamoDBConfig(), Call("work", {}, service), "h"))

    hint = "AWS_ENDPOINT_URL_DYNAMODB sets the endpoint of DynamoDB alone: set AWS_ENDPOINT_URL"
    of_aws = "https://vpce-1.dynamodb.eu-west-1.vpce.amazonaws.com"
    assert hint not in told(CLOUDFORMATION)
    assert "endpoint_url" not in told(CLOUDFORMATION, DynamoDBConfig(endpoint_url=of_aws))
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://b:1")
    assert hint in told(CLOUDFORMATION)
    assert hint not in told(DYNAMODB)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", "http://c:1")
    assert hint not in told(CLOUDFORMATION)
