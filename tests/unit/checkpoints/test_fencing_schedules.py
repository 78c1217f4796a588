"""Fencing under every schedule: writers stepped round by round, killed and paused anywhere."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb import ConflictError, StaleParentError
from langgraph_checkpoint_dynamodb.checkpoints import fencing as fence_module
from langgraph_checkpoint_dynamodb.checkpoints.fencing import Fence, requested_checkpoints
from langgraph_checkpoint_dynamodb.checkpoints.get import get_tuple
from langgraph_checkpoint_dynamodb.checkpoints.listing import Listing, Query
from langgraph_checkpoint_dynamodb.checkpoints.new_checkpoint import Put
from langgraph_checkpoint_dynamodb.checkpoints.put import put
from langgraph_checkpoint_dynamodb.errors import UnavailableError
from langgraph_checkpoint_dynamodb.format import items, keys, requests
from langgraph_checkpoint_dynamodb.maintenance import (
    copy,
    delete,
    garbage_collection,
    prune,
    retention,
)
from langgraph_checkpoint_dynamodb.maintenance.retention import RetentionPolicy
from langgraph_checkpoint_dynamodb.runtime.context import Context, ThreadNamespace
from langgraph_checkpoint_dynamodb.runtime.effects import Backoff, Call, Compute, Done, advance

PLACE = ThreadNamespace("t", "")
PARENT = "1"


def around() -> Context:
    """What one process has: nothing of it is shared with another."""
    return context(asked=requested_checkpoints())


def putting(checkpoint_id: str, parent_id: str | None, *, forks: bool = False) -> Any:
    checkpoint = {**empty_checkpoint(), "id": checkpoint_id}
    fence = Fence(PLACE, checkpoint_id, parent_id, forks)
    return put(around(), Put(PLACE, checkpoint, {"step": 1}, parent_id, {}, fence))


def begun(*, fenced: bool = True) -> FakeTable:
    """A thread with one checkpoint."""
    table = FakeTable()
    if fenced:
        table.run(putting(PARENT, None))
    else:
        checkpoint = {**empty_checkpoint(), "id": PARENT}
        table.run(put(around(), Put(PLACE, checkpoint, {}, None, {})))
    return table


def newest(table: FakeTable) -> str:
    return str(table.run(get_tuple(around(), PLACE, None)).checkpoint["id"])


def checkpoints(table: FakeTable) -> set[str]:
    return {
        key.rsplit("#", 1)[1]
        for (_, key), item in table.items.items()
        if key.startswith("C#") and not items.is_tombstone(item)
    }


class Writer:
    """A put that takes effect one round at a time; it has read its parent already."""

    def __init__(self, table: FakeTable, operation: Any) -> None:
        self._table = table
        self._operation = operation
        self._effect = advance(operation)
        self.error: Exception | None = None
        self._to_the_next_round()
        while not self.ended and all(call.method == "query" for call in self._effect):  # type: ignore[union-attr]
            self.step()

    @property
    def ended(self) -> bool:
        return self.error is not None or isinstance(self._effect, Done)

    @property
    def stored(self) -> bool:
        return self.ended and self.error is None

    def step(self) -> None:
        if self.ended:
            return
        answer = None
        if not isinstance(self._effect, Backoff):
            answer = [self._table.answer(call) for call in self._effect]  # type: ignore[union-attr]
        self._send(answer)
        self._to_the_next_round()

    def finish(self) -> None:
        while not self.ended:
            self.step()

    def kill(self) -> None:
        self.error = self.error or RuntimeError("killed")

    def _to_the_next_round(self) -> None:
        while not self.ended and isinstance(self._effect, Compute):
            self._send(self._effect.function())

    def _send(self, answer: Any) -> None:
        try:
            self._effect = advance(self._operation, answer)
        except Exception as error:
            self.error = error


def schedules(writers: int, steps: int) -> Iterator[tuple[int, ...]]:
    return itertools.product(range(writers), repeat=steps)


@pytest.mark.parametrize("waits", [0, 1])
@pytest.mark.parametrize("parent", [PARENT, None])
@pytest.mark.parametrize("fenced", [True, False], ids=["with a head", "without a head"])
def test_of_two_writers_exactly_one_is_stored_in_every_schedule(
    parent: str | None, fenced: bool, waits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fence_module, "_WAITS", waits)
    outcomes = set()
    for schedule in schedules(2, 10):
        table = begun(fenced=fenced) if parent else FakeTable()
        writers = [Writer(table, putting(name, parent)) for name in ("2", "3")]
        for turn in schedule:
            writers[turn].step()
        for writer in writers:
            writer.finish()
        won = [name for name, writer in zip("23", writers, strict=True) if writer.stored]
        outcomes.add(tuple(won))
        assert len(won) == 1, schedule
        assert checkpoints(table) - {PARENT} == set(won), schedule
        assert newest(table) == won[0]
        lost = next(writer.error for writer in writers if not writer.stored)
        assert isinstance(lost, StaleParentError)
    assert outcomes == {("2",), ("3",)}


def test_of_many_writers_one_is_stored_and_the_others_know() -> None:
    draw = random.Random(5)
    for _ in range(400):
        table = begun()
        writers = [Writer(table, putting(str(name), PARENT)) for name in range(2, 7)]
        while not all(writer.ended for writer in writers):
            draw.choice(writers).step()
        won = [writer for writer in writers if writer.stored]
        assert len(won) == 1
        assert len(checkpoints(table)) == 2
        assert all(isinstance(one.error, ConflictError) for one in writers if one not in won)


@pytest.mark.parametrize("steps", range(4))
def test_a_writer_that_was_killed_keeps_nobody_out(steps: int) -> None:
    table = begun()
    killed = Writer(table, putting("2", PARENT))
    for _ in range(steps):
        killed.step()
    parent = newest(table)
    assert parent == ("2" if steps >= 2 else PARENT)
    table.run(putting("3", parent))
    assert newest(table) == "3"
    # It was not dead but slow: what it stores now, or does not, is told to it.
    killed.finish()
    assert killed.stored == (steps >= 2)
    assert newest(table) == "3"
    assert checkpoints(table) == {PARENT, "3"} | ({"2"} if steps >= 2 else set())


def test_one_that_is_slow_is_waited_for() -> None:
    table = begun()
    slow, second = Writer(table, putting("2", PARENT)), Writer(table, putting("3", PARENT))
    slow.step()
    for _ in range(3):  # claim, look, wait
        second.step()
    slow.finish()
    second.finish()
    assert (slow.stored, second.stored) == (True, False)


@pytest.mark.parametrize("failing", range(3))
@pytest.mark.parametrize("arrives", [True, False], ids=["after", "before"])
def test_a_put_that_failed_can_be_put_again(failing: int, arrives: bool) -> None:
    """Before or after each of its requests took effect, the reading of its parent included."""
    table = begun()
    count = itertools.count()

    def fail(call: Call) -> None:
        if next(count) == failing:
            if arrives:
                table.fault = lambda call: None
                table.answer(call)
            raise UnavailableError("no answer")

    table.fault = fail
    with pytest.raises(UnavailableError):
        table.run(putting("2", PARENT))
    table.fault = lambda call: None
    table.run(putting("2", PARENT))
    assert checkpoints(table) == {PARENT, "2"}
    table.run(putting("3", "2"))


def test_a_fork_on_purpose_is_stored_in_every_schedule_beside_a_run() -> None:
    for schedule in schedules(2, 8):
        table = begun()
        table.run(putting("2", PARENT))
        fork = Writer(table, putting("4", PARENT, forks=True))
        run = Writer(table, putting("3", "2"))
        for turn in schedule:
            (fork, run)[turn].step()
        fork.finish()
        run.finish()
        assert fork.stored
        assert newest(table) == "4"
        assert run.stored or isinstance(run.error, StaleParentError)
        assert ("3" in checkpoints(table)) == run.stored
        table.run(putting("5", "4"))
        with pytest.raises(StaleParentError):
            table.run(putting("6", "3" if run.stored else "2"))


def held_by(table: FakeTable) -> Sequence[str]:
    return [items.named_by(item) for (_, key), item in table.items.items() if key == "H#"]


def test_a_fork_with_an_older_id_leaves_the_head() -> None:
    table = begun()
    table.run(putting("3", PARENT))
    table.run(putting("2", PARENT, forks=True))
    assert (newest(table), held_by(table)) == ("3", ["3"])
    table.run(putting("4", "3"))


def test_heads_that_are_changed_all_the_time_end_in_an_error() -> None:
    table = begun()
    names = itertools.count()

    def meddle(call: Call) -> None:
        if call.method == "put_item" and call.params["Item"]["SK"]["S"] == "H#":
            head = {**call.params["Item"], "B": {"B": f"0{next(names)}".encode()}}
            table.items["t", "H#"] = head

    table.fault = meddle
    with pytest.raises(ConflictError, match="12 times"):
        table.run(putting("2", PARENT))


ORPHAN = keys.chunk(0, bytes(16))


def test_a_tombstone_is_gone_from_every_reader_and_swept() -> None:
    table = begun()
    Writer(table, putting("2", PARENT)).step()
    table.run(putting("3", PARENT))
    assert [key for (_, key), item in table.items.items() if items.is_tombstone(item)] == ["C##2"]
    assert table.run(get_tuple(around(), PLACE, "2")) is None
    page = table.run(Listing(Query("t", "", None, None, {}), None).page(around()))
    assert [one.checkpoint["id"] for one in page] == ["3", PARENT]
    table.run(copy.copy_thread(around(), "t", "copy"))
    assert {key for thread, key in table.items if thread == "copy"} == {f"C##{PARENT}", "C##3"}
    orphan = requests.key("t", ORPHAN)
    table.items["t", ORPHAN] = {**orphan, "T": {"N": "0"}}
    table.run(garbage_collection.sweep(around(), "t"))
    assert ("t", ORPHAN) not in table.items
    table.run(prune.prune(around(), "t", RetentionPolicy(last=1)))
    assert {key for thread, key in table.items if thread == "t"} == {"C##2", "C##3", "H#"}
    after = replace(around(), now=around().now + retention.GRACE_SECONDS + 1)
    table.run(prune.prune(after, "t", RetentionPolicy(last=1)))
    assert {key for thread, key in table.items if thread == "t"} == {"C##3", "H#"}
    table.run(delete.delete_thread(around(), "t"))
    assert not any(thread == "t" for thread, _ in table.items)
