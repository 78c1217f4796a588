"""Sessions whose clients answer by script, of every service, sync and async."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from either import Either
from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver
from langgraph_checkpoint_dynamodb.runtime.effects import Call, Operation

MODES = ["sync", pytest.param("async", marks=pytest.mark.aio), "threads"]

Answer = Callable[[Call], Any]

META = SimpleNamespace(events=SimpleNamespace(register=lambda *_, **__: None))
"""Of a client: it has no events."""


class FakeSession:
    """A session of boto3 or, `in_loop`, of aiobotocore; an answer that is an error is raised."""

    def __init__(self, answer: Answer, *, in_loop: bool = False) -> None:
        self.made: list[tuple[str, dict[str, Any]]] = []
        self.closed: list[str] = []
        self.calls: list[Call] = []
        self._answer = answer
        if in_loop:
            self.create_client = self._client_of_a_loop

    def client(self, name: str, **arguments: Any) -> Any:
        self.made.append((name, arguments))
        return FakeClient(self, name)

    @asynccontextmanager
    async def _client_of_a_loop(self, name: str, **arguments: Any) -> AsyncIterator[Any]:
        self.made.append((name, arguments))
        try:
            client: Any = Either(FakeClient(self, name), use_async=False)
            client.meta = META
            yield client
        finally:
            self.closed.append(name)

    def call(self, call: Call) -> Any:
        self.calls.append(call)
        answer = self._answer(call)
        if isinstance(answer, Exception):
            raise answer
        return with_request_id(answer)


def with_request_id(answer: Any) -> Any:
    """A reply with the metadata that botocore adds, of one that AWS sent."""
    return {"ResponseMetadata": {"RequestId": "1", "HTTPStatusCode": 200}, **answer}


class FakeClient:
    meta = META

    def __init__(self, session: FakeSession, service: str) -> None:
        self._session = session
        self._service = service

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return lambda **params: self._session.call(Call(method, params, self._service))

    def close(self) -> None:
        self._session.closed.append(self._service)


class Scripted:
    """Savers in one mode whose calls are answered by a script.

    Args:
        mode: `sync`, `async` on an async client, or `threads`.
    """

    def __init__(self, mode: str) -> None:
        self.is_async = mode != "sync"
        self.in_loop = mode == "async"
        self.session = FakeSession(lambda call: None)

    def config(self, answer: Answer, **overrides: Any) -> DynamoDBConfig:
        self.session = FakeSession(answer, in_loop=self.in_loop)
        kind = "async_session" if self.in_loop else "session"
        settings = {"initial_retry_delay": 0, "max_retry_delay": 0, "region_name": "eu-west-1"}
        return DynamoDBConfig(**{kind: self.session, **settings, **overrides})

    def saver(self, answer: Answer, **overrides: Any) -> DynamoDBSaver:
        return DynamoDBSaver(self.config(answer, **overrides))

    def run(self, saver: DynamoDBSaver, *operations: Operation[Any]) -> list[Any]:
        """Results of operations, one after another; the saver is closed then."""

        async def run_in_loop() -> list[Any]:
            async with saver:
                return [await saver._arun(operation) for operation in operations]

        if self.is_async:
            return asyncio.run(run_in_loop())
        with saver:
            return [saver._run(operation) for operation in operations]


def refusal(code: str, status: int = 400, message: str = "no") -> ClientError:
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "Work")  # type: ignore[arg-type]
