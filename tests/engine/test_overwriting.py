"""A request that arrives late, after others were acknowledged, undoes none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME

from either import Either
from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb import ConflictError
from langgraph_checkpoint_dynamodb.checkpoints import put as puts
from langgraph_checkpoint_dynamodb.checkpoints import put_writes
from langgraph_checkpoint_dynamodb.runtime.context import ThreadNamespace
from langgraph_checkpoint_dynamodb.runtime.effects import Call, ConditionFailed, Operation
from one_thread import LARGE, PLACE, checkpoint, get, put
from threads import config_of

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


async def test_special_writes_and_checkpoints_are_replaced_on_the_engine(client: Either) -> None:
    made = checkpoint(1, a="old")
    config = await client.put(config_of("thread"), made, {}, {"a": "a1"})
    for value in ("yes", "no", "yes"):
        await client.put_writes(config, [(RESUME, value)], "task")
        found = await client.get_tuple(config_of("thread"))
        assert found.pending_writes == [("task", RESUME, value)]
    for value in ("new", "old"):
        changed = checkpoint(1, a=value)
        await client.put(config_of("thread"), changed, {}, {"a": "a1"})
        found = await client.get_tuple(config_of("thread"))
        assert found.checkpoint["channel_values"] == {"a": value}
        assert found.pending_writes == [("task", RESUME, "yes")]
