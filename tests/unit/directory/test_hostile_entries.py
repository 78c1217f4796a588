"""Entries that this package did not write: one clear error, which names the thread."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb import (
    CorruptCheckpointError,
    DeserializationError,
    ProblemKind,
    UnsupportedFormatError,
)
from langgraph_checkpoint_dynamodb.checkpoints.new_checkpoint import Put
from langgraph_checkpoint_dynamodb.checkpoints.put import put
from langgraph_checkpoint_dynamodb.directory.entries import Description, set_thread
from langgraph_checkpoint_dynamodb.format import keys
from langgraph_checkpoint_dynamodb.format.body import Body, pack_body, seal
from langgraph_checkpoint_dynamodb.maintenance.verify import Verification
from langgraph_checkpoint_dynamodb.runtime.context import ThreadNamespace
from langgraph_checkpoint_dynamodb.saver import thread_arguments

AROUND = context(thread_index=True)
FIRST_PAGE = thread_arguments.page(None, False, 20, None, True)


def sealed(header: Any) -> dict[str, bytes]:
    return {"B": seal(pack_body(Body(0, AROUND.serde.dumps_typed(header), ())))}


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ({"A": {"N": "1e125"}}, CorruptCheckpointError),
        ({"C": {"N": "-1e30"}}, CorruptCheckpointError),
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
        table.run(FIRST_PAGE.read(AROUND))


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ({"B": {"B": b""}}, UnsupportedFormatError),
        ({"B": {"B": b"\x09later"}}, UnsupportedFormatError),
        ({"B": {"B": b"\x01cut"}}, CorruptCheckpointError),
        ({"B": {"S": "text"}}, CorruptCheckpointError),
        ({"B": sealed("title")}, CorruptCheckpointError),
        ({"B": sealed([1, 2])}, CorruptCheckpointError),
        ({"B": {"B": seal(pack_body(Body(0, ("pickle", b"x"), ())))}}, DeserializationError),
    ],
)
def test_an_unreadable_title_hides_no_thread_and_can_be_replaced(
    attributes: dict[str, Any], error: type[Exception]
) -> None:
    table = FakeTable()
    table.run(put(AROUND, Put(ThreadNamespace("a thread", ""), empty_checkpoint(), {}, None, {})))
    table.items["a thread", keys.THREAD_ENTRY] |= attributes
    (found,) = table.run(FIRST_PAGE.read(AROUND)).threads
    assert (found.thread_id, found.title, found.metadata) == ("a thread", None, {})
    assert "entry of thread 'a thread'" in (found.unreadable or "")
    verification = Verification("a thread")
    table.run(verification.next_thread(AROUND))
    (problem,) = verification.report.problems
    assert problem.kind is (
        ProblemKind.UNLOADABLE_VALUE
        if error is DeserializationError
        else ProblemKind.UNREADABLE_BODY
    )
    with pytest.raises(error, match="pass both title and metadata to replace them"):
        table.run(set_thread(AROUND, "a thread", Description(title="new")))
    table.run(set_thread(AROUND, "a thread", Description("new", {})))
    (found,) = table.run(FIRST_PAGE.read(AROUND)).threads
    assert (found.title, found.unreadable) == ("new", None)


def test_a_title_from_before_encryption_is_read_while_plaintext_is_allowed() -> None:
    table = FakeTable()
    table.run(put(AROUND, Put(ThreadNamespace("a thread", ""), empty_checkpoint(), {}, None, {})))
    table.run(set_thread(AROUND, "a thread", Description("old", {"n": 1})))
    for allowed, title in ((True, "old"), (False, None)):
        reading = replace(AROUND, encrypts=True, allow_plaintext=allowed)
        (found,) = table.run(FIRST_PAGE.read(reading)).threads
        assert (found.title, found.unreadable is None) == (title, allowed)


def test_an_entry_of_a_later_release_is_read() -> None:
    table = FakeTable()
    new = Put(ThreadNamespace("a thread", ""), empty_checkpoint(), {}, None, {})
    table.run(put(AROUND, new))
    table.items["a thread", keys.THREAD_ENTRY] |= {
        "B": sealed(["title", None, "more"]),
        "X": {"S": "more"},
    }
    (found,) = table.run(FIRST_PAGE.read(AROUND)).threads
    assert (found.title, found.metadata) == ("title", {})
