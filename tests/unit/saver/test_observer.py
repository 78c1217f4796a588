"""The event of an operation, on scripted replies; `tests/engine` has those of every method."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from either import Either
from langgraph_checkpoint_dynamodb import (
    ConfigurationError,
    DynamoDBConfig,
    DynamoDBSaver,
    DynamoDBTableConfig,
    InvalidInputError,
    OperationEvent,
    ThrottledError,
)
from langgraph_checkpoint_dynamodb.runtime.context import Context
from langgraph_checkpoint_dynamodb.runtime.effects import Call, Operation
from langgraph_checkpoint_dynamodb.saver import arguments
from sessions import MODES, Scripted, refusal
from threads import config_of

CHECKPOINT = {**empty_checkpoint(), "id": "1"}
OK = {"ConsumedCapacity": {"CapacityUnits": 2.0}}
NOTHING = {"Items": [], "ConsumedCapacity": {"CapacityUnits": 0.5}}


class Calls:
    """Calls methods of a saver in one mode; each time the saver is closed then."""

    def __init__(self, mode: str) -> None:
        self.scripted = Scripted(mode)
        self.events: list[OperationEvent] = []

    def saver(self, answer: Callable[[Call], Any], **settings: Any) -> DynamoDBSaver:
        return self.scripted.saver(answer, **{"observer": self.events.append, **settings})

    def call(self, saver: DynamoDBSaver, method: str, *args: Any, **options: Any) -> Any:
        client = Either(saver, use_async=self.scripted.is_async)

        async def run() -> Any:
            try:
                return await getattr(client, method)(*args, **options)
            finally:
                await saver.aclose()

        return asyncio.run(run())

    def put(self, saver: DynamoDBSaver) -> Any:
        return self.call(saver, "put", config_of("a thread"), CHECKPOINT, {}, {})


@pytest.fixture(params=MODES)
def calls(request: pytest.FixtureRequest) -> Calls:
    return Calls(request.param)


def test_an_event_says_what_a_put_took(calls: Calls) -> None:
    replies = iter([refusal("ThrottlingException"), refusal("InternalServerError", 500), OK])
    table = DynamoDBTableConfig(table_name="chats", enable_thread_index=False)
    before = time.time()
    calls.put(calls.saver(lambda call: next(replies), table_config=table))
    (event,) = calls.events
    assert before <= event.started <= time.time()
    assert 0 < event.duration < 60
    assert event == OperationEvent(
        name="put",
        table="chats",
        region="eu-west-1",
        started=event.started,
        duration=event.duration,
        requests=3,
        retries=2,
        throttles=1,
        write_units=2.0,
    )


def test_an_event_names_neither_thread_nor_content(calls: Calls) -> None:
    calls.put(calls.saver(lambda call: OK))
    assert "a thread" not in repr(calls.events)


def test_an_operation_that_fails_has_an_event_with_its_error(calls: Calls) -> None:
    saver = calls.saver(lambda call: refusal("ThrottlingException"), max_retries=1)
    with pytest.raises(ThrottledError):
        calls.put(saver)
    with pytest.raises(InvalidInputError):
        calls.call(saver, "put", {}, CHECKPOINT, {}, {})
    seen = [(event.error, event.requests) for event in calls.events]
    assert seen == [("ThrottledError", 2), ("InvalidInputError", 0)]


def test_an_operation_that_is_cancelled_has_an_event() -> None:
    calls = Calls("async")

    async def cancel() -> None:
        def stop(call: Call) -> Any:
            task.cancel()
            return refusal("InternalServerError", 500)

        saver = calls.saver(stop, initial_retry_delay=30, max_retry_delay=60)
        async with saver:
            task = asyncio.create_task(saver.aget_tuple(config_of("t")))
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancel())
    assert [(event.name, event.error) for event in calls.events] == [
        ("get_tuple", "CancelledError")
    ]


def test_an_observer_that_raises_is_logged_once_and_breaks_nothing(
    calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: OperationEvent) -> None:
        raise ZeroDivisionError("of the observer")

    saver = calls.saver(lambda call: OK, observer=broken)
    assert calls.put(saver)["configurable"]["checkpoint_id"] == "1"
    calls.put(saver)
    with pytest.raises(InvalidInputError):
        calls.call(saver, "get_tuple", {})
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "raised an exception" in record.message
    assert "ZeroDivisionError: of the observer" in caplog.text


def test_the_log_of_a_broken_observer_does_not_hold_the_operations_error(
    calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: OperationEvent) -> None:
        raise ZeroDivisionError

    saver = calls.saver(lambda call: OK, observer=broken)
    with pytest.raises(InvalidInputError):
        calls.call(saver, "put", config_of("a thread"), {"secret": 1}, {}, {})
    assert "ZeroDivisionError" in caplog.text
    assert "InvalidInputError" not in caplog.text


def test_a_list_has_an_event_when_it_has_been_read(calls: Calls) -> None:
    saver = calls.saver(lambda call: NOTHING)
    saver.list(config_of("t"))  # never read: it sends nothing
    calls.call(saver, "list", config_of("t"))
    (event,) = calls.events
    assert (event.name, event.error) == ("list", None)
    assert (event.requests, event.read_units) == (1, 0.5)


def test_a_list_that_is_left_is_no_error_and_its_callers_time_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Listing:
        def page(self, context: Context) -> Operation[list[str]]:
            yield [Call("query", {})]
            return ["one", "two"]

    calls = Calls("sync")
    saver = calls.saver(lambda call: NOTHING)
    monkeypatch.setattr(arguments, "listing", lambda *_: Listing())
    with closing(saver.list(config_of("t"))) as listing:  # type: ignore[type-var]
        next(listing)
        time.sleep(0.2)
    (event,) = calls.events
    assert (event.name, event.error, event.requests) == ("list", None, 1)
    assert event.duration < 0.2


class AsyncObserver:
    async def __call__(self, event: OperationEvent) -> None: ...


async def observe(event: OperationEvent) -> None: ...


@pytest.mark.parametrize("observer", ["a string", 1, observe, AsyncObserver()])
def test_what_cannot_observe_is_refused(observer: Any) -> None:
    with pytest.raises(ConfigurationError, match="observer is a "):
        DynamoDBConfig(observer=observer)


def test_the_repr_shows_where_the_table_is_and_no_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = DynamoDBConfig(
        table_config=DynamoDBTableConfig(table_name="chats"),
        region_name="eu-west-1",
        endpoint_url="http://localhost:8000",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
    )
    assert repr(DynamoDBSaver(config)) == (
        "DynamoDBSaver(table='chats', region='eu-west-1', endpoint='http://localhost:8000')"
    )
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert repr(DynamoDBSaver()) == (
        "DynamoDBSaver(table='langgraph-checkpoint', region='us-east-1', endpoint=None)"
    )
