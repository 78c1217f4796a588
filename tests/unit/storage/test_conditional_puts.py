"""Puts with a condition, alone or shared: a request that arrives late undoes no other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME

from fake_table import FakeTable, context, item
from langgraph_checkpoint_dynamodb import (
    AccessDeniedError,
    ConflictError,
    RequestRejectedError,
    ThrottledError,
    UnavailableError,
)
from langgraph_checkpoint_dynamodb.checkpoints import put as puts
from langgraph_checkpoint_dynamodb.checkpoints import put_writes
from langgraph_checkpoint_dynamodb.runtime.context import SharedPuts, ThreadNamespace
from langgraph_checkpoint_dynamodb.runtime.effects import Call, ConditionFailed, Failed, Operation
from langgraph_checkpoint_dynamodb.storage.conditional_puts import put_new
from one_thread import LARGE, PLACE, checkpoint, get, put

STEP = "00000001"


def write_of(channel: str, value: Any, task: str = "task") -> Operation[None]:
    return put_writes.put_writes(context(), PLACE, STEP, [(channel, value)], task, "")


def put_of(**values: Any) -> Operation[None]:
    made = {**checkpoint(1, **values), "ts": "now"}
    return puts.put(context(), puts.Put(PLACE, made, {}, None, dict(made["channel_versions"])))


SEQUENCES: dict[str, Callable[[], Iterator[Operation[None]]]] = {
    "a special write that comes back to its first value": lambda: (
        write_of(RESUME, value) for value in ("yes", "no", "yes", "no", "no", "yes")
    ),
    "special writes of three channels": lambda: (
        write_of(channel, value) for value in range(3) for channel in (INTERRUPT, RESUME, ERROR)
    ),
    "large special writes": lambda: (
        write_of(INTERRUPT, value) for value in (LARGE, "small", LARGE)
    ),
    "regular writes that are merged": lambda: (
        put_writes.put_writes(context(), PLACE, STEP, [("a", n) for n in range(count)], "task", "")
        for count in (1, 3, 2, 5)
    ),
    "a checkpoint put again with other values": lambda: (
        put_of(a=value) for value in (1, 2, 1, LARGE, 1)
    ),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_every_request_that_arrives_again_later_changes_nothing(name: str) -> None:
    table = FakeTable()
    for operation in SEQUENCES[name]():
        table.run(operation)
        acknowledged = dict(table.items)
        for call in list(table.calls):
            table.answer(call)
            assert table.items == acknowledged


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_first_try_that_did_arrive_is_not_taken_for_anothers(name: str) -> None:
    """The driver sends it again, and is told that the condition does not hold."""

    def sent_twice(call: Call) -> Any:
        return getattr(table, f"_{call.method}")(call.params) and None

    table, plain = FakeTable(), FakeTable()
    for once, twice in zip(SEQUENCES[name](), SEQUENCES[name](), strict=True):
        plain.run(once)
        table.fault = sent_twice
        table.run(twice)
        table.fault = lambda call: None
        assert bodies(table) == bodies(plain)


def bodies(table: FakeTable) -> dict[Any, Any]:
    return {key: item["B"] for key, item in table.items.items()}


@pytest.mark.parametrize("returned", [True, False])
def test_what_others_write_meanwhile_is_replaced_after_them(returned: bool) -> None:
    """Some engines do not return the item that made the condition fail."""
    table = FakeTable()
    put(table, context(), 1)
    table.run(write_of(RESUME, "first"))
    others = iter(["second", "third"])

    def meanwhile(call: Call) -> Any:
        if (value := next(others, None)) is not None:
            table.fault, fault = lambda call: None, table.fault
            table.run(write_of(RESUME, value))
            table.fault = fault
        reply = getattr(table, f"_{call.method}")(call.params)
        failed = isinstance(reply, ConditionFailed)
        return ConditionFailed(None) if failed and not returned else reply

    table.fault = meanwhile
    table.run(write_of(RESUME, "mine"))
    table.fault = lambda call: None
    assert get(table, context()).pending_writes == [("task", RESUME, "mine")]


def test_an_item_that_others_never_leave_alone_is_a_conflict() -> None:
    table = FakeTable()
    table.run(write_of(RESUME, "first"))
    (found,) = table.items.values()
    table.fault = lambda call: ConditionFailed(found)
    with pytest.raises(ConflictError, match=r"thread 'thread'.*changed by others 8 times"):
        table.run(write_of(RESUME, "mine"))


def test_an_expired_item_is_replaced_though_it_says_the_same() -> None:
    table = FakeTable()
    settings = {"ttl_attribute": "ttl", "ttl_seconds": 100}
    for now in (1_000.0, 2_000.0):
        around = context(now=now, **settings)
        table.run(
            put_writes.put_writes(around, ThreadNamespace("t", ""), STEP, [(RESUME, 1)], "task", "")
        )
    (item,) = table.items.values()
    assert item["ttl"] == {"N": "2200"}  # two periods: the graph may have delta channels


# Shared puts


def fails_if_shared(error: Exception) -> Callable[[Call], Any]:
    return lambda call: Failed(error) if call.shareable else None


@pytest.mark.parametrize(
    ("error", "backoffs", "goes_on"),
    [
        (ConflictError("there"), [], True),
        (ThrottledError("slow"), [0], True),
        (UnavailableError("no answer"), [0], True),
        (AccessDeniedError("no"), [], False),
        (RequestRejectedError("no"), [], False),
    ],
)
def test_what_failed_in_company_is_sent_alone(
    error: Exception, backoffs: list[int], goes_on: bool, caplog: pytest.LogCaptureFixture
) -> None:
    shared = SharedPuts()
    table = FakeTable(fails_if_shared(error))
    around = context(shared_puts=shared)
    with caplog.at_level(logging.WARNING):
        assert table.run(put_new(around, [item("a"), item("b")])) == [{}, {}]
        table.run(put_new(around, [item("c")]))
    assert [call.shareable for call in table.calls] == [
        *(True, True),
        *(False, False),
        *((True, False) if goes_on else (False,)),
    ]
    assert table.backoffs == backoffs * 2
    assert [record.name for record in caplog.records] == (
        [] if goes_on else ["langgraph_checkpoint_dynamodb"]
    )
    if not goes_on:
        assert "dynamodb:PartiQLInsert" in caplog.text
        assert "DynamoDB's answer: no" in caplog.text


def test_a_put_that_fails_alone_too_says_nothing_about_sharing() -> None:
    shared = SharedPuts()

    def refuse(call: Call) -> Any:
        if call.shareable:
            return Failed(AccessDeniedError("expired"))
        raise AccessDeniedError("expired")

    with pytest.raises(AccessDeniedError, match="expired"):
        FakeTable(refuse).run(put_new(context(shared_puts=shared), [item("a")]))
    assert shared.allowed


def test_the_reply_of_the_put_alone_counts() -> None:
    table = FakeTable(fails_if_shared(ConflictError("there")))
    table.items["thread", "a"] = item("a", b"older")
    (reply,) = table.run(put_new(context(shared_puts=SharedPuts()), [item("a")]))
    assert reply == ConditionFailed(item("a", b"older"))


@pytest.mark.parametrize(
    ("shared", "size", "expected"),
    [(None, 1, False), (SharedPuts(), 4096, True), (SharedPuts(), 4097, False)],
)
def test_small_puts_are_shared_where_that_is_allowed(
    shared: SharedPuts | None, size: int, expected: bool
) -> None:
    table = FakeTable()
    table.run(put_new(context(shared_puts=shared), [item("a", bytes(size))]))
    assert table.calls[0].shareable is expected
