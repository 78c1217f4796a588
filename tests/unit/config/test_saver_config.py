"""`DynamoDBConfig`: what it refuses, and what the message says."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config
from conftest import async_session

from langgraph_checkpoint_dynamodb import (
    ConfigurationError,
    DynamoDBConfig,
    DynamoDBTableConfig,
)

OF_ANOTHER_ACCOUNT = DynamoDBTableConfig(
    table_name="arn:aws:dynamodb:eu-west-1:111122223333:table/chats"
)

BAD_CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "negative retries": ("max_retries=-1", {"max_retries": -1}),
    "retries that are no number": ("max_retries", {"max_retries": "3"}),
    "negative delay": ("initial_retry_delay=-0.1", {"initial_retry_delay": -0.1}),
    "delay that is no number": ("max_retry_delay=nan", {"max_retry_delay": float("nan")}),
    "delay over a day": ("from 0 to 86400", {"max_retry_delay": 10**400}),
    "delay without an end": ("max_retry_delay=inf", {"max_retry_delay": float("inf")}),
    "session as a class": (
        "session is the class or module 'Session': pass a boto3.Session",
        {"session": boto3.Session},
    ),
    "session as a module": ("module 'boto3'", {"session": boto3}),
    "settings as a class": ("'Config': pass a botocore.config.Config", {"botocore_config": Config}),
    **{
        f"{name}={value!r}": (
            f"botocore_config has {name}={value!r}: use seconds, more than 0",
            {"botocore_config": Config(**{name: value})},
        )
        for name, value in (("connect_timeout", 0), ("read_timeout", -1), ("read_timeout", "5"))
    },
    "first delay over the last": ("max_retry_delay", {"initial_retry_delay": 2}),
    "half of the credentials": ("aws_secret_access_key", {"aws_access_key_id": "AKIA"}),
    "table as a string": ("DynamoDBTableConfig", {"table_config": "table"}),
    "negative cache": ("cache_bytes=-1", {"cache_bytes": -1}),
    "region of another place than the table": (
        "the table is in eu-west-1; leave region_name out",
        {"table_config": OF_ANOTHER_ACCOUNT, "region_name": "eu-central-1"},
    ),
    "shared puts in another account": (
        "no PartiQL for a table of another account; leave share_puts out",
        {"table_config": OF_ANOTHER_ACCOUNT, "share_puts": True},
    ),
    "empty region": ("region_name=''", {"region_name": ""}),
    "region with a space": ("region_name=' us-east-1'", {"region_name": " us-east-1"}),
    "region with a line end": ("eu-central-1", {"region_name": "us-east-1\n"}),
    "session of no library": ("session is a int: pass a boto3.Session", {"session": 5}),
    "async session of none": ("async_session is a str", {"async_session": "default"}),
    "settings of no library": ("botocore_config is a dict", {"botocore_config": {"retries": 1}}),
    "empty endpoint": ("endpoint_url=''", {"endpoint_url": ""}),
    **{
        f"endpoint {url}": (f"endpoint_url={url!r}: use a URL", {"endpoint_url": url})
        for url in (
            *("http://[::1", "http://[zz]:1", "http://:80", "http://h:99999", "http://h:port"),
            *("http://a b", "http://a_b", "http://a..b", "ftp://h", "h:8000", 5),
        )
    },
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_bad_config(case: str) -> None:
    fact, arguments = BAD_CONFIGS[case]
    with pytest.raises(ConfigurationError) as caught:
        DynamoDBConfig(**arguments)
    assert fact in str(caught.value)


def test_credentials_beside_a_session() -> None:
    import boto3

    with pytest.raises(ConfigurationError, match="session") as caught:
        DynamoDBConfig(
            session=boto3.Session(region_name="us-east-1"),
            aws_access_key_id="AKIA-SHOWN",
            aws_secret_access_key="SECRET-SHOWN",
        )
    assert "SHOWN" not in str(caught.value)


def test_share_puts_is_true_or_false() -> None:
    with pytest.raises(ConfigurationError, match="share_puts='yes': use True or False"):
        DynamoDBConfig(share_puts="yes")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_fence_is_true_or_false(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="fence="):
        DynamoDBConfig(fence=value)


def test_allow_plaintext_is_true_or_false() -> None:
    with pytest.raises(ConfigurationError, match="allow_plaintext=1"):
        DynamoDBConfig(allow_plaintext=1)  # type: ignore[arg-type]


def test_a_session_of_the_other_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="async_session is a session of boto3"):
        DynamoDBConfig(async_session=boto3.Session())
    with pytest.raises(ConfigurationError, match="session is a session of aio"):
        DynamoDBConfig(session=async_session())


def test_a_second_layer_of_retries_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_retries"):
        DynamoDBConfig(botocore_config=Config(retries={"total_max_attempts": 5}))


@pytest.mark.parametrize(
    "url",
    [
        *("http://user:SHOWN@h:8000", "http://user:SHOWN@[::1", "http://user:SH/SHOWN@h"),
        *("https://SHOWN@h", "user:SHOWN@h"),
    ],
)
def test_a_password_in_an_endpoint_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="remove all up to the '@'") as caught:
        DynamoDBConfig(endpoint_url=url)
    assert "SHOWN" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000/",
        "https://vpce-1.dynamodb.eu-west-1.vpce.amazonaws.com",
        "http://[::1]:8000",
    ],
)
def test_an_endpoint_that_botocore_takes_is_kept(url: str) -> None:
    assert DynamoDBConfig(endpoint_url=url).endpoint_url == url


@pytest.mark.parametrize(
    "name", ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"]
)
@pytest.mark.parametrize(
    "value", ["SHOWN\n", "SHOWN SHOWN", "\x00SHOWN", "SHOWN€", b"SHOWN", 5, ""]
)
def test_what_no_credential_can_be_is_refused_and_not_shown(name: str, value: Any) -> None:
    keys: dict[str, Any] = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "s", name: value}
    with pytest.raises(ConfigurationError, match=name) as caught:
        DynamoDBConfig(**keys)
    assert "SHOWN" not in str(caught.value)


def test_a_botocore_config_may_wait_without_a_bound() -> None:
    config = Config(connect_timeout=None, read_timeout=0.5)
    assert DynamoDBConfig(botocore_config=config).botocore_config is config


@pytest.mark.parametrize("region_name", [None, "eu-west-1"])
def test_the_region_is_that_of_the_table_s_arn(region_name: str | None) -> None:
    config = DynamoDBConfig(table_config=OF_ANOTHER_ACCOUNT, region_name=region_name)
    assert config.region_name == "eu-west-1"
