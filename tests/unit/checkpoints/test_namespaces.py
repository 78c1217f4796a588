"""Threads with many subgraph namespaces: all are found and listed in order, in few round trips."""

from __future__ import annotations

import random
import uuid
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb.checkpoints import put, put_writes
from langgraph_checkpoint_dynamodb.checkpoints.listing import Listing, Query
from langgraph_checkpoint_dynamodb.checkpoints.new_checkpoint import Put
from langgraph_checkpoint_dynamodb.format import keys
from langgraph_checkpoint_dynamodb.runtime.context import ThreadNamespace
from langgraph_checkpoint_dynamodb.storage import subgraph_namespaces


class Thread:
    """Checkpoints of several namespaces on a `FakeTable`, by the ids that they were given."""

    def __init__(self) -> None:
        self.table = FakeTable()
        self.stored: list[tuple[str, str]] = []

    def put(self, ns: str, made: int, metadata: Any = None) -> None:
        checkpoint_id = f"{made:08}"
        checkpoint = {**empty_checkpoint(), "id": checkpoint_id}
        place = ThreadNamespace("t", ns)
        new = Put(place, checkpoint, metadata or {}, None, {})
        self.table.run(put.put(context(), new))
        self.stored.append((checkpoint_id, ns))

    def plant(self, ns: str, made: int) -> None:
        """The key of a checkpoint, without one."""
        key = {"PK": {"S": "t"}, "SK": {"S": keys.checkpoint(keys.namespace(ns), f"{made:08}")}}
        self.table.items["t", key["SK"]["S"]] = key
        self.stored.append((f"{made:08}", ns))

    def put_writes(self, ns: str, made: int) -> None:
        place, checkpoint_id = ThreadNamespace("t", ns), f"{made:08}"
        operation = put_writes.put_writes(context(), place, checkpoint_id, [("a", 1)], "task", "")
        self.table.run(operation)

    def list(self, limit: int | None = None, **query: Any) -> tuple[list[tuple[str, str]], int]:
        """The checkpoints that are listed, and how many round trips that took."""
        names: dict[str, Any] = {"checkpoint_id": None, "before_id": None, "filter": {}, **query}
        listing = Listing(Query("t", None, **names), limit)
        before = self.table.rounds
        found: list[tuple[str, str]] = []
        while (page := self.table.run(listing.page(context()))) is not None:
            configs = [one.config["configurable"] for one in page]
            found += [(one["checkpoint_id"], one["checkpoint_ns"]) for one in configs]
        return found, self.table.rounds - before

    def newest_first(self) -> list[tuple[str, str]]:
        return sorted(self.stored, reverse=True)

    def found(self) -> tuple[dict[str, str], int]:
        """The namespaces that are found, and how many round trips that took."""
        before = self.table.rounds
        (first,) = self.table.perform([subgraph_namespaces.first_page(context(), "t")])
        found = self.table.run(subgraph_namespaces.find(context(), "t", first))
        return found, self.table.rounds - before


def calls_of(name: str, count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [f"{name}:{uuid.UUID(int=draw.getrandbits(128), version=5)}" for _ in range(count)]


SHAPES: dict[str, list[str]] = {
    "none": [],
    "one call": calls_of("sub", 1, 0),
    "a few calls": calls_of("sub", 5, 1),
    "many calls": calls_of("sub", 300, 2),
    "calls of two subgraphs": [*calls_of("a", 60, 3), *calls_of("b", 60, 4)],
    "nested calls": [f"{one}|{two}" for one in calls_of("a", 3, 5) for two in calls_of("b", 40, 6)],
    "persistent": [f"sub{index}" for index in range(40)],
    "a call again": [f"{one}|{index}" for one in calls_of("a", 40, 7) for index in (1, 2)],
    "hashed": ["x" * 500 + str(index) for index in range(40)],
    "odd": ["a:zz", "a:", ":", "::0", "a|b:", "é:1", "\U0010ffff", "a#b", "a:0", "a:00", "a:f"],
}


def most_rounds(shape: str, items: int) -> int:
    if items <= 60:
        return 9
    # Large namespaces that no task ids tell apart are skipped one by one.
    return len(SHAPES[shape]) + 2 if shape in {"persistent", "hashed", "odd"} else 25


@pytest.mark.parametrize("items", [1, 7, 20, 60, 100])
@pytest.mark.parametrize("shape", SHAPES)
def test_all_namespaces_are_found_with_their_newest_ids(shape: str, items: int) -> None:
    thread = Thread()
    for ns in ["", *SHAPES[shape]]:
        for _ in range(items if ns else 50):
            thread.plant(ns, len(thread.stored))
    found, rounds = thread.found()
    newest = {keys.namespace(ns): checkpoint_id for checkpoint_id, ns in sorted(thread.stored)}
    del newest[""]
    assert found == newest
    assert rounds <= most_rounds(shape, items)


@pytest.mark.parametrize("items", [1, 7])
def test_the_newest_of_300_calls_takes_few_round_trips(items: int) -> None:
    thread = Thread()
    for made, ns in enumerate(SHAPES["many calls"] * items):
        thread.put("", 2 * made)
        thread.put(ns, 2 * made + 1)
    for limit in (1, 10):
        found, rounds = thread.list(limit)
        assert found == thread.newest_first()[:limit]
        assert rounds <= 9
    found, rounds = thread.list()
    assert found == thread.newest_first()
    assert rounds <= 12


def test_only_namespaces_are_read_that_may_hold_the_newest() -> None:
    thread = Thread()
    for made, ns in enumerate(SHAPES["many calls"]):
        thread.put(ns, made)
    calls = len(thread.table.calls)
    thread.list(1)
    assert len(thread.table.calls) - calls <= 8


@pytest.mark.parametrize("seed", range(20))
def test_a_listing_is_in_order_whatever_is_asked(seed: int) -> None:
    draw = random.Random(seed)
    thread = Thread()
    namespaces = ["", *draw.sample(SHAPES["many calls"], draw.randrange(1, 40)), "a", "b:1"]
    for made in range(200):
        ns = draw.choice(namespaces)
        thread.put(ns, made, {"even": made % 2 == 0, "rare": made == 3})
        if draw.random() < 0.5:
            thread.put_writes(ns, made)
    for ns in namespaces:  # writes that are newer than every checkpoint
        if draw.random() < 0.3:
            thread.put_writes(ns, draw.randrange(200, 300))
    expected = thread.newest_first()
    for limit in (None, 1, 7, 1_000):
        assert thread.list(limit)[0] == expected[:limit]
        before = f"{draw.randrange(200):08}"
        older = [one for one in expected if one[0] < before]
        assert thread.list(limit, before_id=before)[0] == older[:limit]
        even = [one for one in expected if int(one[0]) % 2 == 0]
        assert thread.list(limit, filter={"even": True})[0] == even[:limit]
        one = draw.choice(expected)
        assert thread.list(limit, checkpoint_id=one[0])[0] == [one]
        found, rounds = thread.list(limit, filter={"rare": True})
        assert [int(one[0]) for one in found] == [3]
        assert rounds <= 15
