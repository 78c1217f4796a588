"""Settings that make every call fail: a `ConfigurationError` names them and shows no secret."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError, ReadTimeoutError, SSLError

from langgraph_checkpoint_dynamodb import (
    AccessDeniedError,
    ConfigurationError,
    DynamoDBConfig,
    DynamoDBSaver,
    UnavailableError,
)
from langgraph_checkpoint_dynamodb.drivers.aws_errors import translate
from langgraph_checkpoint_dynamodb.runtime.effects import Call

QUERY = Call("query", {"TableName": "chats"})
NO_ANSWER = HTTPClientError(error="no such file")
UNREACHABLE = "localhost:1"


def caught_from(mode: str, url: str) -> BaseException:
    """What a read raises; it fails before anything is sent."""
    config = DynamoDBConfig(endpoint_url=url, region_name="eu-west-1", max_retries=0)
    saver = DynamoDBSaver(config)
    thread: Any = {"configurable": {"thread_id": "1"}}

    async def aget() -> None:
        try:
            await saver.aget_tuple(thread)
        finally:
            await saver.aclose()

    with pytest.raises(ConfigurationError) as caught:
        asyncio.run(aget()) if mode == "async" else saver.get_tuple(thread)
    saver.close()
    return caught.value


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA-SHOWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET-SHOWN")


def test_a_line_end_in_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "TOKEN-SHOWN\nSHOWN")
    error = caught_from("sync", f"http://{UNREACHABLE}")
    assert "AWS_SESSION_TOKEN" in str(error)
    assert "SHOWN" not in "".join(traceback.format_exception(error))


def test_a_line_end_in_credentials_as_aiohttp_finds_it() -> None:
    for text in (
        "Forbidden control character detected in headers. Potential header injection attack.",
        "Newline or carriage return detected in headers. Potential header injection attack.",
    ):
        translated = translate(HTTPClientError(error=text), DynamoDBConfig(), QUERY, "h")
        assert isinstance(translated, ConfigurationError)
        assert "AWS_SESSION_TOKEN" in str(translated)


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("proxy", ["nonsense:::", "http://user:SHOWN@h:99999", "http://"])
def test_a_proxy_that_is_no_url(monkeypatch: pytest.MonkeyPatch, mode: str, proxy: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    error = caught_from(mode, f"http://{UNREACHABLE}")
    assert "HTTP_PROXY (not shown) is no URL of a proxy" in str(error)
    assert "SHOWN" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize("error", [NO_ANSWER, SSLError(endpoint_url="https://h", error="none")])
def test_certificates_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, error: Exception
) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for path in ("/missing.pem", str(empty)):
        monkeypatch.setenv(name, path)
        translated = translate(error, DynamoDBConfig(), QUERY, "h")
        assert isinstance(translated, ConfigurationError)
        assert f"{name}={path!r} cannot be read as certificates" in str(translated)


def test_a_failure_of_the_network_is_not_blamed_on_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/missing.pem")
    late = ReadTimeoutError(endpoint_url="https://h")
    assert isinstance(translate(late, DynamoDBConfig(), QUERY, "h"), UnavailableError)
    monkeypatch.delenv("AWS_CA_BUNDLE")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:password@my_proxy:3128")
    assert isinstance(translate(NO_ANSWER, DynamoDBConfig(), QUERY, "h"), UnavailableError)


def test_what_aws_quotes_of_a_wrong_signature_has_no_credentials() -> None:
    quoted = (
        "The Canonical String should have been 'POST\nx-amz-security-token:SHOWN\nhost:h'; "
        "Authorization header: 'AWS4-HMAC-SHA256 Credential=SHOWN/20260101/eu-west-1'"
    )
    error = ClientError(
        {"Error": {"Code": "InvalidSignatureException", "Message": quoted}}, "Query"
    )
    translated = translate(error, DynamoDBConfig(), QUERY, "h")
    assert isinstance(translated, AccessDeniedError)
    assert "Canonical String" in str(translated)
    assert "SHOWN" not in f"{translated} {error}"
