"""After `ExpiredToken`, other credentials are looked for once."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from either import Either
from langgraph_checkpoint_dynamodb import AccessDeniedError, DynamoDBConfig, DynamoDBSaver
from langgraph_checkpoint_dynamodb.drivers import aio_clients, sync
from langgraph_checkpoint_dynamodb.runtime.effects import Call
from sessions import FakeSession
from threads import config_of

EMPTY: dict[str, Any] = {"Items": []}


def refused(code: str = "ExpiredTokenException") -> ClientError:
    details = {"Code": code, "Message": "not these credentials"}
    return ClientError({"Error": details, "ResponseMetadata": {"HTTPStatusCode": 400}}, "Query")  # type: ignore[arg-type]


class Rotated:
    """Sessions made one after another; those before `good` have expired credentials."""

    def __init__(
        self, patch: pytest.MonkeyPatch, good: int, error: Exception | None = None
    ) -> None:
        self._error = error or refused()
        self.made: list[FakeSession] = []
        self._good = good
        patch.setattr(sync, "sync_session", lambda _: self._make(in_loop=False))
        patch.setattr(aio_clients, "async_session", lambda _: self._make(in_loop=True))

    def _make(self, *, in_loop: bool) -> Any:
        number = len(self.made)
        answer = EMPTY if number >= self._good else self._error
        self.made.append(FakeSession(lambda call: answer, in_loop=in_loop))
        return self.made[-1]

    @property
    def calls(self) -> list[Call]:
        return [call for session in self.made for call in session.calls]


@pytest.fixture(params=["sync", pytest.param("async", marks=pytest.mark.aio)])
def is_async(request: pytest.FixtureRequest) -> bool:
    return request.param == "async"


def client_of(is_async: bool, **settings: Any) -> Either:
    return Either(
        DynamoDBSaver(DynamoDBConfig(region_name="eu-west-1", **settings)), use_async=is_async
    )


async def test_files_that_were_rotated_are_read_again(
    is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotated = Rotated(monkeypatch, good=1)
    client = client_of(is_async)
    for _ in range(3):
        assert await client.get_tuple(config_of("t")) is None
    assert len(rotated.made) == 2
    assert len(rotated.calls) == 4


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "InvalidSignatureException"])
async def test_keys_that_were_rotated_are_read_again(
    is_async: bool, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    rotated = Rotated(monkeypatch, good=1, error=refused(code))
    assert await client_of(is_async).get_tuple(config_of("t")) is None
    assert len(rotated.made) == 2


async def test_credentials_that_are_missing_for_a_moment_are_looked_for_by_the_next_call(
    is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotated = Rotated(monkeypatch, good=1, error=NoCredentialsError())
    client = client_of(is_async)
    with pytest.raises(AccessDeniedError, match="no usable AWS credentials"):
        await client.get_tuple(config_of("t"))
    assert await client.get_tuple(config_of("t")) is None
    assert len(rotated.made) == 2


async def test_once_for_each_call(is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rotated = Rotated(monkeypatch, good=99)
    with pytest.raises(AccessDeniedError, match="ExpiredTokenException"):
        await client_of(is_async).get_tuple(config_of("t"))
    assert len(rotated.calls) == 2


async def test_keys_of_the_configuration_are_not_looked_for_again(
    is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotated = Rotated(monkeypatch, good=1)
    client = client_of(is_async, aws_access_key_id="a", aws_secret_access_key="b")
    with pytest.raises(AccessDeniedError, match="ExpiredTokenException"):
        await client.get_tuple(config_of("t"))
    assert len(rotated.calls) == 1
