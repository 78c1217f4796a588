"""What a process remembers: for how long, of how much, and nothing that others can change."""

from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.base import empty_checkpoint

from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb.checkpoints import get, memory, put_writes
from langgraph_checkpoint_dynamodb.checkpoints import put as puts
from langgraph_checkpoint_dynamodb.checkpoints.memory import StoredCheckpoint
from langgraph_checkpoint_dynamodb.format.body import Record
from langgraph_checkpoint_dynamodb.format.expiry import NEVER, Lifetime
from langgraph_checkpoint_dynamodb.runtime.context import Context, ThreadNamespace
from langgraph_checkpoint_dynamodb.runtime.lru_cache import Cache
from langgraph_checkpoint_dynamodb.serialization.encode import StoredValue
from langgraph_checkpoint_dynamodb.serialization.message_memo import Memo
from langgraph_checkpoint_dynamodb.storage import chunk_cache

PLACE = ThreadNamespace("thread", "")
NOW = context().now
FOREVER = Lifetime(NEVER, float("inf"), float("inf"))


def digest(number: int) -> bytes:
    return bytes([number]) * 16


def stored(**changes: Any) -> StoredCheckpoint:
    values = {"a": StoredValue(Record("msgpack", 1, b"\x01"), frozenset({digest(1)}))}
    made = StoredCheckpoint(
        lifetime=FOREVER,
        versions={"a": "1"},
        values=values,
        refs=frozenset({digest(1)}),
        chunk_count=1,
        chain=None,
        newest=True,
        looked_at=NOW,
    )
    return replace(made, **changes)


def at(seconds: float, shared: Context) -> Context:
    return replace(shared, now=NOW + seconds)


@pytest.mark.parametrize(
    ("seconds", "found"), [(0, True), (1_799, True), (1_800, True), (1_801, False), (-1, False)]
)
def test_a_record_is_used_for_half_an_hour(seconds: float, found: bool) -> None:
    around = context()
    memory.remember(around, PLACE, "1", stored())
    assert (memory.remembered(at(seconds, around), PLACE, "1") == stored()) is found


def test_places_and_ids_do_not_mix() -> None:
    around = context()
    memory.remember(around, PLACE, "1", stored())
    for place, name in (
        (PLACE, "2"),
        (ThreadNamespace("thread", "ns"), "1"),
        (ThreadNamespace("other", ""), "1"),
    ):
        assert memory.remembered(around, place, name) is None


def test_nothing_is_left_of_what_is_forgotten() -> None:
    around = context()
    memory.remember(around, PLACE, "1", stored())
    memory.note_writes(around, PLACE, "1", frozenset({(0, digest(2))}))
    memory.forget(around, PLACE, "1")
    memory.forget(around, PLACE, "never known")
    assert memory.remembered(around, PLACE, "1") is None
    memory.remember(around, PLACE, "1", stored())
    found = memory.remembered(around, PLACE, "1")
    assert found is not None
    assert found.write_refs == frozenset()


def test_a_thread_is_forgotten_with_all_its_namespaces_and_no_other() -> None:
    around = context()
    places = [
        PLACE,
        ThreadNamespace("thread", "ns"),
        ThreadNamespace("thread 2", ""),
        ThreadNamespace("other", "thread"),
    ]
    for place in places:
        memory.remember(around, place, "1", stored())
        memory.note_writes(around, place, "1", frozenset({(0, digest(2))}))
        memory.note_lifetime(around, place, "2", Lifetime(7, 7, 7))
    chunk_cache.remember_chunk(around, "thread", digest(1), b"bytes")
    memory.forget_thread(around, "thread")
    known = [memory.remembered(around, place, "1") is not None for place in places]
    assert known == [False, False, True, True]
    assert [memory.lifetime_of(around, place, "2") is not None for place in places] == known
    for place in places[:2]:
        memory.remember(around, place, "1", stored())
        found = memory.remembered(around, place, "1")
        assert found is not None
        assert found.write_refs == frozenset()


def test_it_takes_no_more_memory_than_it_may() -> None:
    around = context(cache=Cache(20 * stored().size))
    for number in range(100):
        memory.remember(around, PLACE, str(number), stored())
    known = [number for number in range(100) if memory.remembered(around, PLACE, str(number))]
    assert known == list(range(80, 100))


def test_what_is_used_stays_and_what_is_not_goes() -> None:
    around = context(cache=Cache(20 * stored().size))
    memory.remember(around, PLACE, "kept", stored())
    for number in range(100):
        memory.remember(around, PLACE, str(number), stored())
        assert memory.remembered(around, PLACE, "kept")


def test_a_large_record_is_kept_without_memos_and_a_larger_one_not_at_all() -> None:
    memo = Memo([b"p" * 5_000], [5_000])
    value = StoredValue(Record("msgpack", 1, b"\x01"), frozenset(), memo)
    large = stored(values={"a": value})
    around = context(cache=Cache(20_000))
    memory.remember(around, PLACE, "1", large)
    assert memory.remembered(around, PLACE, "1") == large.without_memos()
    roomy = context(cache=Cache(100_000))
    memory.remember(roomy, PLACE, "1", large)
    assert memory.remembered(roomy, PLACE, "1") == large
    tight = context(cache=Cache(500))
    memory.remember(tight, PLACE, "1", large)
    assert memory.remembered(tight, PLACE, "1") is None


# Refs of pending writes


def write_refs(around: Context) -> set[tuple[int, bytes]]:
    memory.remember(around, PLACE, "1", stored())
    found = memory.remembered(around, PLACE, "1")
    assert found is not None
    return set(found.write_refs)


def test_refs_of_writes_of_several_tasks_gather() -> None:
    around = context()
    one, other, third = ((0, digest(n)) for n in (1, 2, 3))
    memory.add_writes(around, PLACE, "1", frozenset({one}))
    memory.add_writes(around, PLACE, "1", frozenset())
    memory.add_writes(around, PLACE, "1", frozenset({one, other}))
    memory.add_writes(around, PLACE, "2", frozenset({third}))
    assert write_refs(around) == {one, other}
    memory.note_writes(around, PLACE, "1", frozenset({third}))
    assert write_refs(around) == {third}
    memory.note_writes(around, PLACE, "1", frozenset())
    assert write_refs(around) == set()


def test_a_child_may_refer_to_chunks_of_its_own_generation_alone() -> None:
    made = stored(
        lifetime=Lifetime(7, 7, 7),
        refs=frozenset({digest(1)}),
        write_refs=frozenset({(7, digest(2)), (8, digest(3)), (0, digest(4))}),
    )
    assert made.known(7) == {digest(1), digest(2)}
    assert made.known(8) == {digest(3)}
    assert made.known(0) == {digest(4)}
    assert made.known(9) == frozenset()


# Lifetimes of what is being put


def test_the_lifetime_of_one_that_is_being_put_is_known_to_its_writes() -> None:
    around = context()
    being_put, put = Lifetime(10, 5, 6), Lifetime(20, 15, 16)
    memory.note_lifetime(around, PLACE, "1", being_put)
    assert memory.remembered(around, PLACE, "1") is None
    assert memory.lifetime_of(around, PLACE, "1") == being_put
    memory.remember(around, PLACE, "1", stored(lifetime=put))
    assert memory.lifetime_of(around, PLACE, "1") == put
    assert memory.lifetime_of(around, PLACE, "2") is None


# Nothing is shared


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        stored().newest = False  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        stored().values["a"].record = None  # type: ignore[misc, assignment]


def checkpoint(step: int, **values: Any) -> Any:
    made = empty_checkpoint()
    made["id"] = str(step)
    made["channel_values"] = values
    made["channel_versions"] = dict.fromkeys(values, str(step))
    return made


def put(
    table: FakeTable, around: Context, made: Any, parent: str | None, changed: dict[str, str]
) -> None:
    table.run(puts.put(around, puts.Put(PLACE, made, {"step": 1}, parent, changed)))


def spoil(value: Any) -> None:
    """Change all that can be changed in what a caller gave or got."""
    if isinstance(value, dict):
        for one in list(value.values()):
            spoil(one)
        value.clear()
        value["spoiled"] = 1
    elif isinstance(value, list):
        for one in value:
            spoil(one)
        value[:] = ["spoiled"]
    elif isinstance(value, set):
        value.clear()
    elif isinstance(value, AIMessage):
        value.content = "spoiled"
        spoil(value.additional_kwargs)


VALUES: dict[str, Any] = {
    "messages": [AIMessage("x" * 300, id=str(n), additional_kwargs={"n": [n]}) for n in range(9)],
    "inline": {"a": [1]},
    "large": [f"{n:04}" * 100 for n in range(20)],
}


def whole(found: Any) -> Any:
    return copy.deepcopy((found.checkpoint, found.metadata, found.pending_writes))


def test_nothing_that_a_reader_gets_is_remembered() -> None:
    table, around = FakeTable(), context()
    put(table, context(), checkpoint(1, **copy.deepcopy(VALUES)), None, {})
    writes = [("inline", {"b": [2]}), ("large", copy.deepcopy(VALUES["large"]))]
    table.run(put_writes.put_writes(context(), PLACE, "1", writes, "task", ""))
    expected = whole(table.run(get.get_tuple(context(), PLACE, None)))
    for _ in range(3):
        found = table.run(get.get_tuple(around, PLACE, None))
        assert whole(found) == expected
        for part in (found.checkpoint, found.metadata, found.config, found.pending_writes):
            spoil(part)
    remembered = memory.remembered(around, PLACE, "1")
    assert remembered is not None
    assert remembered.versions == dict.fromkeys(VALUES, "1")
    # A child takes over what is stored, whatever has become of what was read.
    child = checkpoint(2, **VALUES, own=1)
    child["channel_versions"].update(dict.fromkeys(VALUES, "1"))
    put(table, around, child, "1", {"own": "2"})
    found = table.run(get.get_tuple(context(), PLACE, "2"))
    assert found.checkpoint["channel_values"] == {**VALUES, "own": 1}


def test_nothing_that_a_writer_gave_is_remembered() -> None:
    table, around = FakeTable(), context()
    made = checkpoint(1, **copy.deepcopy(VALUES))
    put(table, around, made, None, dict(made["channel_versions"]))
    spoil(made)
    remembered = memory.remembered(around, PLACE, "1")
    assert remembered is not None
    assert remembered.versions == dict.fromkeys(VALUES, "1")
    child = checkpoint(2, **VALUES, own=1)
    child["channel_versions"].update(dict.fromkeys(VALUES, "1"))
    put(table, around, child, "1", {"own": "2"})
    for process in (around, context()):
        found = table.run(get.get_tuple(process, PLACE, "2"))
        assert found.checkpoint["channel_values"] == {**VALUES, "own": 1}


def test_what_is_remembered_decides_what_is_sent_and_not_what_is_stored() -> None:
    """With and without memory, and with one that forgets at once: the same items."""
    tables = []
    for size in (1 << 24, 0):
        table = FakeTable()
        around = context(cache=Cache(size))
        value = copy.deepcopy(VALUES)
        for step in range(1, 12):
            made = checkpoint(step, **value, own=step)
            made["channel_versions"].update(inline="1")
            parent = str(step - 1) if step > 1 else None
            changed = {name: str(step) for name in made["channel_values"] if name != "inline"}
            made["ts"] = "now"
            put(table, around, made, parent, changed if parent else made["channel_versions"])
            value = copy.deepcopy(value)
            value["messages"].append(AIMessage("y" * 300, id=f"more {step}"))
            value["large"].append("z" * 900)
        tables.append(table)
    ids = [str(step) for step in range(1, 12)]
    for name in ids:
        one, other = (table.run(get.get_tuple(context(), PLACE, name)) for table in tables)
        assert whole(one) == whole(other)
    one, other = ({key: item["B"] for key, item in table.items.items()} for table in tables)
    assert one == other
