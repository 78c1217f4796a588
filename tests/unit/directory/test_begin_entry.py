"""The entry of a thread that begins where another one left an entry, beside other writers."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb import ConflictError
from langgraph_checkpoint_dynamodb.checkpoints.new_checkpoint import Put
from langgraph_checkpoint_dynamodb.checkpoints.put import put
from langgraph_checkpoint_dynamodb.directory import entries
from langgraph_checkpoint_dynamodb.format import keys
from langgraph_checkpoint_dynamodb.format.thread_entries import Activity
from langgraph_checkpoint_dynamodb.runtime.context import ThreadNamespace
from langgraph_checkpoint_dynamodb.runtime.effects import Call

AROUND = context(thread_index=True)
ENTRY = "thread", keys.THREAD_ENTRY
OLD = {
    "PK": {"S": "thread"},
    "SK": {"S": keys.THREAD_ENTRY},
    "O": {"S": "ada"},
    "A": {"N": "1.000"},
    "C": {"N": "1.000"},
    "B": {"B": b"title"},
    "N": {"N": "3"},
}
NEW = Activity("thread", 2, "bob", 2, begins=True)


def table_with(entry: dict[str, Any], changes: Any = lambda call, table: None) -> FakeTable:
    table = FakeTable(lambda call: changes(call, table))
    table.items[ENTRY] = entry
    return table


@pytest.mark.parametrize("entry", [OLD, {name: OLD[name] for name in OLD if name != "N"}])
def test_all_attributes_are_replaced(entry: dict[str, Any]) -> None:
    table = table_with(entry)
    table.run(entries.write(AROUND, NEW))
    assert table.items[ENTRY] == {
        **{name: OLD[name] for name in ("PK", "SK")},
        "O": {"S": "bob"},
        "A": {"N": "2.000"},
        "C": {"N": "2.000"},
    }


def is_replacement(call: Call) -> bool:
    return ":a0" in call.params.get("ExpressionAttributeValues", {})


def test_a_thread_that_begins_elsewhere_just_before_the_replacement_is_kept() -> None:
    """Another process replaces the entry, stores a checkpoint and sets a title first."""

    def begin_first(call: Call, table: FakeTable) -> None:
        if is_replacement(call) and table.items[ENTRY] == OLD:
            table.items[ENTRY] = {**OLD, "O": {"S": "eve"}, "A": {"N": "1.500"}}
            checkpoint = Put(ThreadNamespace("thread", ""), empty_checkpoint(), {}, None, {})
            stored = FakeTable()
            stored.run(put(context(), checkpoint))
            table.items |= stored.items

    table = table_with(OLD, begin_first)
    table.run(entries.write(AROUND, NEW))
    assert table.items[ENTRY]["O"] == {"S": "eve"}
    assert table.items[ENTRY]["B"] == OLD["B"]
    assert table.items[ENTRY]["A"] == {"N": "2.000"}


def test_an_entry_that_is_deleted_just_before_the_replacement_is_created() -> None:
    def delete_first(call: Call, table: FakeTable) -> None:
        if is_replacement(call):
            table.items.pop(ENTRY, None)

    table = table_with(OLD, delete_first)
    table.run(entries.write(AROUND, NEW))
    assert table.items[ENTRY]["O"] == {"S": "bob"}


def test_an_entry_that_keeps_changing_is_an_error() -> None:
    def change(call: Call, table: FakeTable) -> None:
        if is_replacement(call):
            count = int(table.items[ENTRY]["N"]["N"])
            table.items[ENTRY] = {**OLD, "N": {"N": str(count + 1)}}

    with pytest.raises(ConflictError, match="changed its entry in the directory"):
        table_with(OLD, change).run(entries.write(AROUND, NEW))
