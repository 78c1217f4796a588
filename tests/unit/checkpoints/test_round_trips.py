"""Sequential round trips: how often an operation waits for DynamoDB."""

from __future__ import annotations

import functools
import random
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb.checkpoints import get, put, put_writes
from langgraph_checkpoint_dynamodb.checkpoints.listing import Listing, Query
from langgraph_checkpoint_dynamodb.checkpoints.new_checkpoint import Put
from langgraph_checkpoint_dynamodb.runtime.context import ThreadNamespace
from langgraph_checkpoint_dynamodb.runtime.effects import Operation

PLACE = ThreadNamespace("thread", "")


def message(turn: int) -> str:
    return random.Random(turn).randbytes(350).hex()


class Thread:
    """A thread whose state is a list that grows, or a window of it, on a `FakeTable`."""

    def __init__(self, window: int | None = None) -> None:
        self.table = FakeTable()
        self.around = context()
        self.window = window
        self.state: list[str] = []
        self.turns = 0

    def rounds(self, operation: Operation[Any]) -> int:
        before = self.table.rounds
        self.table.run(operation)
        return self.table.rounds - before

    def turn(self, news: Any = None, *, cold: bool = False) -> int:
        self.turns += 1
        self.state = [*self.state, news or message(self.turns)][-(self.window or 10**9) :]
        made = empty_checkpoint()
        made["id"] = f"{self.turns:08}"
        made["channel_values"] = {"messages": self.state}
        made["channel_versions"] = {"messages": f"a{self.turns}"}
        parent = f"{self.turns - 1:08}" if self.turns > 1 else None
        versions = dict(made["channel_versions"])
        around = context() if cold else self.around
        return self.rounds(put.put(around, Put(PLACE, made, {}, parent, versions)))

    def put_writes(self, value: Any) -> int:
        checkpoint_id = f"{self.turns:08}"
        return self.rounds(
            put_writes.put_writes(self.around, PLACE, checkpoint_id, [("a", value)], "task", "")
        )

    def load(self, *, cold: bool) -> int:
        around = context() if cold else self.around
        return self.rounds(get.get_tuple(around, PLACE, None))

    def list(self, namespace: str | None, limit: int) -> int:
        listing = Listing(Query("thread", namespace, None, None, {}), limit)
        before = self.table.rounds
        while self.table.run(listing.page(context())) is not None:
            pass
        return self.table.rounds - before


@pytest.mark.parametrize("window", [None, 20])
@pytest.mark.parametrize("turns", [1, 10, 100, 1_000])
def test_a_thread_of_any_age(turns: int, window: int | None) -> None:
    thread = Thread(window)
    took = [thread.turn() for _ in range(turns)]
    assert set(took) <= {1, 2}
    assert thread.load(cold=False) == 1
    assert thread.load(cold=True) <= 2
    assert thread.put_writes("small") == 1
    assert thread.load(cold=False) == 2
    assert thread.load(cold=True) <= 3


@functools.cache
def thread_of(turns: int) -> Thread:
    """A thread that is read only."""
    thread = Thread()
    for _ in range(turns):
        thread.turn()
    return thread


@pytest.mark.parametrize("turns", [10, 1_000])
@pytest.mark.parametrize("namespace", ["", None])
def test_the_newest_ten(turns: int, namespace: str | None) -> None:
    assert thread_of(turns).list(namespace, 10) <= 2


def test_a_large_value() -> None:
    thread = Thread()
    thread.turn()
    assert thread.turn(random.Random(1).randbytes(5_000_000)) == 4  # a hundred chunks each
    assert thread.load(cold=False) == 1
    assert thread.load(cold=True) <= 3
