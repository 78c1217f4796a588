"""Entries that this package did not write: one clear error, which names the thread."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb import (
    CorruptCheckpointError,
    DeserializationError,
    UnsupportedFormatError,
)
from langgraph_checkpoint_dynamodb.checkpoints.new_checkpoint import Put
from langgraph_checkpoint_dynamodb.checkpoints.put import put
from langgraph_checkpoint_dynamodb.directory.listing import Page
from langgraph_checkpoint_dynamodb.format import keys
from langgraph_checkpoint_dynamodb.format.body import Body, pack_body, seal
from langgraph_checkpoint_dynamodb.runtime.context import ThreadNamespace

AROUND = context(thread_index=True)


def sealed(header: Any) -> dict[str, bytes]:
    return {"B": seal(pack_body(Body(0, AROUND.serde.dumps_typed(header), ())))}


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ({"A": {"N": "1e125"}}, CorruptCheckpointError),
        ({"C": {"N": "-1e30"}}, CorruptCheckpointError),
        ({"B": {"B": b""}}, UnsupportedFormatError),
        ({"B": {"B": b"\x09later"}}, UnsupportedFormatError),
        ({"B": {"B": b"\x01cut"}}, CorruptCheckpointError),
        ({"B": {"S": "text"}}, CorruptCheckpointError),
        ({"B": sealed("title")}, CorruptCheckpointError),
        ({"B": sealed([1, 2])}, CorruptCheckpointError),
        ({"B": {"B": seal(pack_body(Body(0, ("pickle", b"x"), ())))}}, DeserializationError),
    ],
)
def test_a_crafted_entry_raises_an_error_that_names_it(
    attributes: dict[str, Any], error: type[Exception]
) -> None:
    table = FakeTable()
    new = Put(ThreadNamespace("a thread", ""), empty_checkpoint(), {}, None, {})
    table.run(put(AROUND, new))
    table.items["a thread", keys.THREAD_ENTRY] |= attributes
    with pytest.raises(error, match="entry of thread 'a thread'"):
        table.run(Page(None, 20, True, None).read(AROUND))


def test_an_entry_of_a_later_release_is_read() -> None:
    table = FakeTable()
    new = Put(ThreadNamespace("a thread", ""), empty_checkpoint(), {}, None, {})
    table.run(put(AROUND, new))
    table.items["a thread", keys.THREAD_ENTRY] |= {
        "B": sealed(["title", None, "more"]),
        "X": {"S": "more"},
    }
    (found,) = table.run(Page(None, 20, True, None).read(AROUND)).threads
    assert (found.title, found.metadata) == ("title", {})
