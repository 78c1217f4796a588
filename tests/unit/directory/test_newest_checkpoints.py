"""What the newest keys of a thread say of it, in whatever order they are."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fake_table import FakeTable, context, item
from langgraph_checkpoint_dynamodb import ThreadStatus
from langgraph_checkpoint_dynamodb.directory import newest_checkpoints
from langgraph_checkpoint_dynamodb.directory.newest_checkpoints import NewestCheckpoint
from langgraph_checkpoint_dynamodb.format import items, keys

FAILED, WAITS, RESUMED = "__error__", "__interrupt__", "__resume__"
OLD, NEW = keys.checkpoint("", "1"), keys.checkpoint("", "2")


def table_of(*sort_keys: str, **more: Any) -> FakeTable:
    table = FakeTable()
    table.items = {("thread", name): item(name, **more) for name in sort_keys}
    return table


def found_in(table: FakeTable) -> NewestCheckpoint | None:
    found: dict[str, NewestCheckpoint] = table.run(newest_checkpoints.find(context(), ["thread"]))
    return found.get("thread")


@pytest.mark.parametrize(
    ("tasks", "status"),
    [
        ([[FAILED], [WAITS]], ThreadStatus.ERROR),
        ([[FAILED, None], [WAITS]], ThreadStatus.INTERRUPTED),
        ([[FAILED], [WAITS, None]], ThreadStatus.ERROR),
        ([[FAILED, None], [WAITS, RESUMED, None]], ThreadStatus.IDLE),
        ([[RESUMED, WAITS], [None]], ThreadStatus.INTERRUPTED),
        ([[FAILED], [None]], ThreadStatus.ERROR),
        ([[None], [None]], ThreadStatus.IDLE),
        ([[WAITS], *[[None]] * 40], ThreadStatus.INTERRUPTED),
    ],
)
def test_the_status_does_not_depend_on_the_ids_of_tasks(
    tasks: list[list[str | None]], status: ThreadStatus
) -> None:
    for order in itertools.islice(itertools.permutations(range(len(tasks))), 4):
        writes = [
            keys.writes(NEW, f"task {place:02}", channel)
            for place, channels in zip(order, tasks, strict=True)
            for channel in channels
        ]
        table = table_of(OLD, keys.writes(OLD, "z", FAILED), NEW, *writes)
        assert found_in(table) == NewestCheckpoint("2", status)


@pytest.mark.parametrize(
    ("writes", "queries"), [([], 1), ([WAITS], 1), ([None], 1), ([WAITS] * 2, 2)]
)
def test_a_checkpoint_with_one_write_takes_one_query(
    writes: list[str | None], queries: int
) -> None:
    names = [keys.writes(NEW, f"task {place}", name) for place, name in enumerate(writes)]
    table = table_of(OLD, NEW, *names)
    assert found_in(table) is not None
    assert len(table.calls) == queries


def test_writes_whose_checkpoint_is_not_stored_yet_say_nothing() -> None:
    writes = [keys.writes(NEW, f"task {place}", WAITS) for place in range(20)]
    assert found_in(table_of(OLD, *writes)) == NewestCheckpoint("1", ThreadStatus.IDLE)
    assert found_in(table_of(*writes)) is None


def test_a_tombstone_hides_nothing() -> None:
    table = table_of(OLD, keys.writes(OLD, "task", WAITS))
    for name in (NEW, keys.writes(NEW, "a"), keys.writes(NEW, "b")):
        table.items["thread", name] = item(name, items.TOMBSTONE)
    assert found_in(table) == NewestCheckpoint("1", ThreadStatus.INTERRUPTED)


def test_if_the_newest_has_expired_all_have() -> None:
    assert found_in(table_of(OLD, NEW, ttl={"N": "1799999999"})) is None


def test_a_thread_of_subgraphs_alone_has_a_newest_checkpoint_too() -> None:
    inner = keys.checkpoint(keys.namespace("inner:1"), "3")
    table = table_of(inner, keys.writes(inner, "task", WAITS))
    assert found_in(table) == NewestCheckpoint("3", ThreadStatus.INTERRUPTED)
