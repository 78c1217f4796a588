"""One bad thread of a source is a failure in the report, and the others are copied."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver

from fake_table import TABLE
from golden_table import GoldenTable
from langgraph_checkpoint_dynamodb import (
    CorruptCheckpointError,
    DynamoDBSaver,
    MigrationReport,
)
from migration_graph import THREADS
from migration_sources import Dump

ADA, GRACE = THREADS
GOOD = ("before", "later")


def config(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}


def with_threads(source: InMemorySaver, *thread_ids: str) -> InMemorySaver:
    for thread_id in thread_ids:
        source.put(config(thread_id), empty_checkpoint(), {"step": 1}, {})
    return source


def migrate(saver: DynamoDBSaver, source: Any) -> MigrationReport:
    """The report, which the dry run has as well."""
    would = saver.migrate(source, dry_run=True)
    report = saver.migrate(source)
    assert report == would
    return report


@pytest.mark.parametrize(
    ("bad", "message"),
    [("", "has 0 bytes"), ("é" * 1025, "has 2050 bytes"), ("\ud800", "lone surrogate")],
    ids=["empty", "long", "surrogate"],
)
def test_an_id_that_is_none_here(bad: str, message: str) -> None:
    table = GoldenTable()
    report = migrate(table.saver(), with_threads(InMemorySaver(), GOOD[0], bad, GOOD[1]))
    (failure,) = report.failures
    assert failure.thread_id == bad
    assert failure.error.startswith("InvalidInputError: ")
    assert message in failure.error
    assert report.checkpoints == len(GOOD)
    assert {key[0] for key in table.items} == set(GOOD)


@pytest.mark.parametrize(
    "error", [KeyError("S"), ValueError("MAC check failed"), TypeError("null"), AttributeError("x")]
)
def test_a_source_that_cannot_read_its_own_data(error: Exception) -> None:
    class Damaged(InMemorySaver):
        def get_tuple(self, config: Any) -> Any:
            if config["configurable"]["thread_id"] == "bad":
                raise error
            return super().get_tuple(config)

    table = GoldenTable()
    source = with_threads(Damaged(), GOOD[0], "bad", GOOD[1])
    (failure,) = migrate(table.saver(), source).failures
    assert failure.thread_id == "bad"
    assert f"{type(error).__name__}: {error}" in failure.error
    assert all(table.saver().get_tuple(config(thread_id)) for thread_id in GOOD)
    with pytest.raises(CorruptCheckpointError, match=type(error).__name__) as caught:
        table.saver(read_through=source).get_tuple(config("bad"))
    assert caught.value.__cause__ is error


def test_a_source_that_does_not_answer_is_an_error() -> None:
    class Down(InMemorySaver):
        def get_tuple(self, _: Any) -> Any:
            raise ConnectionError("down")

    with pytest.raises(ConnectionError, match="down"):
        GoldenTable().saver().migrate(with_threads(Down(), *GOOD))


WRONG: list[Any] = [{"S": "ä"}, {"N": "1"}, {"L": [{"S": "ä"}] * 2}]


@pytest.mark.parametrize("value", WRONG, ids=str)
@pytest.mark.parametrize("name", ["aws-gzip", "dynamodb-checkpoint", "0.1.3"])
def test_attributes_of_other_types(name: str, value: Any) -> None:
    dump = Dump(name)
    for attribute in sorted({one for item in dump.items for one in item} - {"PK", "SK"}):
        table = dump.in_memory()
        for key, item in table.items.items():
            if attribute in item:
                table.items[key] = {**item, attribute: value}
        report = table.saver().migrate(dump.source(TABLE), [ADA])
        assert {one.thread_id for one in report.failures} <= {ADA}


@pytest.mark.parametrize(
    ("name", "attribute"),
    [("aws", "parent_checkpoint_id"), ("0.1.3", "parent_checkpoint_id")],
)
def test_an_attribute_that_may_be_missing_is_not_ignored(name: str, attribute: str) -> None:
    dump = Dump(name)
    table = dump.in_memory()
    key = next(key for key, item in table.items.items() if attribute in item and ADA in key[0])
    table.items[key] = {**table.items[key], attribute: {"N": "1"}}
    (failure,) = migrate(table.saver(), dump.source(TABLE)).failures
    assert f"has no '{attribute}' of the kind" in failure.error
    table.items[key] = {**table.items[key], attribute: {"NULL": True}}
    assert migrate(table.saver(), dump.source(TABLE)).ok
