"""`migrate`, called again: after an interruption, and after both tables have changed."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from fake_table import TABLE
from golden_table import GoldenTable
from langgraph_checkpoint_dynamodb import MigrationReport, UnavailableError
from langgraph_checkpoint_dynamodb.runtime.effects import Call
from migration_graph import THREADS, answer, ask, converse, make_graph
from migration_sources import Dump

ADA, GRACE = THREADS
DUMP = Dump("0.1.3")
SOURCE = DUMP.source(TABLE)
CHECKPOINTS = len(DUMP.put)


def copies(table: GoldenTable) -> dict[Any, Any]:
    """The items of the copy, which has the table of 0.1.3."""
    return {key: item for key, item in table.items.items() if key[1].startswith(("C#", "S#", "M#"))}


def listed(saver: Any) -> list[Any]:
    """All that a saver returns of the threads."""
    return [
        (one.config, one.checkpoint, one.metadata, one.parent_config, one.pending_writes)
        for thread in THREADS.values()
        for one in sorted(saver.list(thread), key=lambda one: str(one.config["configurable"]))
    ]


class Interruption:
    """Makes a write of a table fail."""

    def __init__(self, table: GoldenTable, at: int) -> None:
        self.left = at
        table.fault = self.see

    def see(self, call: Call) -> None:
        if call.method in {"put_item", "batch_write_item"}:
            self.left -= 1
            if self.left == 0:
                raise UnavailableError("no answer")


def test_a_copy_that_was_interrupted_is_completed() -> None:
    whole = DUMP.in_memory()
    assert whole.saver().migrate(SOURCE).checkpoints == CHECKPOINTS
    for at in (1, 2, 3, 20, 60):
        table = DUMP.in_memory()
        Interruption(table, at)
        with pytest.raises(UnavailableError):
            table.saver().migrate(SOURCE)
        rest = table.saver().migrate(SOURCE)
        assert rest.checkpoints + rest.present == CHECKPOINTS
        assert copies(table) == copies(whole)


def test_a_copy_that_is_complete_writes_nothing() -> None:
    table = DUMP.in_memory()
    table.saver().migrate(SOURCE)
    table.calls.clear()
    report = table.saver().migrate(SOURCE)
    assert report == MigrationReport(threads=2, present=CHECKPOINTS)
    assert {call.method for call in table.calls} == {"scan", "query"}


def test_nothing_is_written_to_the_source() -> None:
    table = DUMP.in_memory()
    table.saver().migrate(SOURCE)
    assert table.items.keys() - copies(table).keys() == {
        (item["PK"]["S"], item["SK"]["S"]) for item in DUMP.items
    }
    assert all(table.items[item["PK"]["S"], item["SK"]["S"]] is item for item in DUMP.items)


def test_what_the_source_got_since_is_copied() -> None:
    memory, table = InMemorySaver(), GoldenTable()
    converse(memory)
    first = table.saver().migrate(memory)
    answer(make_graph(memory), THREADS[ADA], "later")
    ask(make_graph(memory), THREADS[ADA], 3)
    second = table.saver().migrate(memory)
    assert (second.present, second.failures) == (first.checkpoints, ())
    assert 0 < second.checkpoints < first.checkpoints
    assert listed(table.saver()) == listed(memory)


def test_a_thread_that_continues_here_is_not_changed() -> None:
    table = DUMP.in_memory()
    table.saver().migrate(SOURCE)
    answer(make_graph(table.saver()), THREADS[ADA], "here")
    table.saver().prune([ADA])
    before = copies(table)
    assert table.saver().migrate(SOURCE).ok
    assert copies(table) == before


def test_a_thread_that_continues_in_both_is_a_failure() -> None:
    memory, table = InMemorySaver(), GoldenTable()
    converse(memory)
    table.saver().migrate(memory)
    for saver in (memory, table.saver()):
        answer(make_graph(saver), THREADS[ADA], "in both")
    ask(make_graph(memory), THREADS[GRACE], 5)
    before = listed(table.saver())
    report = table.saver().migrate(memory)
    (failure,) = report.failures
    assert failure.thread_id == ADA
    assert failure.error.startswith(
        "ConflictError: thread 'ada' has checkpoints or writes that were put here"
    )
    assert report.checkpoints  # of the other thread
    assert listed(table.saver())[: len(before) // 2] == before[: len(before) // 2]


def test_another_thread_of_the_same_id_is_a_failure() -> None:
    table = DUMP.in_memory()
    own = GoldenTable()
    ask(make_graph(own.saver()), THREADS[ADA], 1)
    table.items.update(own.items)
    report = table.saver().migrate(SOURCE, dry_run=True)
    assert [failure.thread_id for failure in report.failures] == [ADA]
    assert report == table.saver().migrate(SOURCE)
    assert "1 failure" in str(report)


def test_only_the_threads_that_are_named() -> None:
    table, seen = DUMP.in_memory(), []
    report = table.saver().migrate(SOURCE, [GRACE, "unknown"], progress=seen.append)
    assert seen[-1] == report
    assert len(seen) == 2
    assert (report.threads, report.missing, report.ok) == (1, ("unknown",), False)
    assert "1 thread, " in str(report)
    assert "\n  missing: the source has no thread 'unknown'" in str(report)
    assert {thread_id for thread_id, _ in copies(table)} == {GRACE}
    typo = table.saver().migrate(InMemorySaver(), ["typo"])
    assert (typo.missing, typo.ok) == (("typo",), False)
