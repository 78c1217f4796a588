"""A read of a throttled thread that fails: what it has read is not read again."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb import ThrottledError
from langgraph_checkpoint_dynamodb.checkpoints import get, put
from langgraph_checkpoint_dynamodb.chunking.boundaries import digest_of
from langgraph_checkpoint_dynamodb.format import items, keys
from langgraph_checkpoint_dynamodb.format.body import Record
from langgraph_checkpoint_dynamodb.runtime.context import Context, ThreadNamespace
from langgraph_checkpoint_dynamodb.runtime.effects import Call
from langgraph_checkpoint_dynamodb.storage import chunk_reader

PLACE = ThreadNamespace("t", "")
VALUE = random.Random(1).randbytes(6 << 20)


@pytest.fixture
def table() -> FakeTable:
    table = FakeTable()
    checkpoint: Any = {**empty_checkpoint(), "id": "1", "channel_values": {"a": VALUE}}
    table.run(put.put(context(), put.Put(PLACE, checkpoint, {}, None, {"a": "1"})))
    table.calls.clear()
    return table


def read(table: FakeTable, reader: Context) -> Any:
    return table.run(get.get_tuple(reader, PLACE, "1")).checkpoint["channel_values"]["a"]


def chunks_in(table: FakeTable, bounds: tuple[str, str] = keys.ALL_CHUNKS) -> set[str]:
    return {key for _, key in table.items if bounds[0] <= key <= bounds[1]}


def range_of(call: Call) -> tuple[str, str] | None:
    """The bounds of a query for chunks."""
    values = call.params.get("ExpressionAttributeValues", {})
    low, high = (values.get(name, {}).get("S", "") for name in (":low", ":high"))
    return (low, high) if keys.is_chunk(low) else None


def keys_read(table: FakeTable) -> list[str]:
    return [
        key["SK"]["S"]
        for call in table.calls
        if call.method == "batch_get_item"
        for wanted in call.params["RequestItems"].values()
        for key in wanted["Keys"]
    ]


def throttling(choose: Callable[[Call], bool]) -> Callable[[Call], None]:
    def fault(call: Call) -> None:
        if choose(call):
            raise ThrottledError("too much")

    return fault


def test_ranges_that_were_read_are_not_read_again(table: FakeTable) -> None:
    reader = context()
    ranges: list[tuple[str, str]] = []

    def is_the_fifth(call: Call) -> bool:
        found = range_of(call)
        ranges.extend([found] if found else [])
        return found is not None and len(ranges) == 5

    table.fault = throttling(is_the_fifth)
    with pytest.raises(ThrottledError, match="too much"):
        read(table, reader)
    table.fault = lambda call: None
    table.calls.clear()
    assert read(table, reader) == VALUE
    assert sorted(keys_read(table)) == sorted(chunks_in(table, ranges[4]))
    assert not any(map(range_of, table.calls))


def test_rounds_that_were_read_by_key_are_not_read_again() -> None:
    table, reader = FakeTable(), context()
    chunks = {digest_of(data): data for data in (b"chunk %d" % number for number in range(1_000))}
    for digest, data in chunks.items():
        item = items.chunk(reader, "t", 0, digest, data)
        table.items["t", item["SK"]["S"]] = item
    record = Record("bytes", sum(map(len, chunks.values())), b"", (tuple(chunks),), b"")
    table.fault = throttling(lambda call: len(keys_read(table)) > 640)
    with pytest.raises(ThrottledError):
        table.run(chunk_reader.load(reader, "t", [(0, record)]))
    table.fault = lambda call: None
    table.calls.clear()
    assert table.run(chunk_reader.load(reader, "t", [(0, record)])).data == chunks
    assert len(keys_read(table)) == 360
