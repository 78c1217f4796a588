"""Round trips of a prune of many subgraph calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb.checkpoints import put as puts
from langgraph_checkpoint_dynamodb.format import items, keys
from langgraph_checkpoint_dynamodb.maintenance import prune
from langgraph_checkpoint_dynamodb.maintenance.retention import GRACE_SECONDS, RetentionPolicy
from langgraph_checkpoint_dynamodb.runtime.context import ThreadNamespace


def many_calls(count: int, *, fenced: bool = False, values: Any = None) -> FakeTable:
    """Turns of a graph that calls a subgraph: both take two steps."""
    table, parent = FakeTable(), None
    made = iter(range(10**8))

    def step(ns: str, parent: str | None, parents: Any) -> str:
        checkpoint = {**empty_checkpoint(), "id": f"{next(made):08}"}
        checkpoint["channel_values"] = values or {}
        checkpoint["channel_versions"] = dict.fromkeys(values or {}, "1")
        around, place = context(), ThreadNamespace("t", ns)
        operation = puts.put(around, puts.Put(place, checkpoint, {"parents": parents}, parent, {}))  # type: ignore[arg-type]
        table.run(operation)
        if fenced:
            head = items.head(around, "t", keys.namespace(ns), checkpoint["id"])
            table.items["t", head["SK"]["S"]] = head
        return str(checkpoint["id"])

    for turn in range(count):
        parent = step("", parent, {})
        within = step(f"sub:{turn:032x}", None, {"": parent})
        step(f"sub:{turn:032x}", within, {"": parent})
        parent = step("", parent, {})
    return table


def rounds(table: FakeTable, operation: Iterable[Any]) -> int:
    before = table.rounds
    table.run(operation)  # type: ignore[arg-type]
    return table.rounds - before


@pytest.mark.parametrize("fenced", [False, True])
def test_a_prune_of_300_calls_takes_few_round_trips(fenced: bool) -> None:
    table = many_calls(300, fenced=fenced)
    found = len(table.items)
    deletions = -(-(found - (2 if fenced else 1) - (300 if fenced else 0)) // 400)
    # The thread, its heads and their deletion, the deletions, the chunks.
    expected = 1 + (1 + (3 if fenced else 0)) + deletions + 1
    assert rounds(table, prune.prune(context(), "t", RetentionPolicy(last=1))) == expected <= 20
    assert sorted(key for _, key in table.items) == ["C##00001199", *(["H#"] if fenced else [])]
    assert rounds(table, prune.prune(context(), "t", RetentionPolicy(last=1))) == 2


def test_a_prune_that_also_sweeps_takes_few_round_trips() -> None:
    table = many_calls(300, values={"a": bytes(range(256)) * 40})
    after = context(now=context().now + GRACE_SECONDS + 60)
    assert rounds(table, prune.prune(after, "t", RetentionPolicy(last=1))) <= 20
    assert len([key for _, key in table.items if key.startswith("C#")]) == 1
