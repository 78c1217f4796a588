"""Maintenance in the middle of other operations: the interleavings that once did harm, and
those that are known to.

Operations are stepped round by round on one fake table. `soak/races.py` draws many more.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.types import INTERRUPT

from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb import ConflictError, CorruptCheckpointError, UnavailableError
from langgraph_checkpoint_dynamodb.checkpoints import get as gets
from langgraph_checkpoint_dynamodb.checkpoints import put as puts
from langgraph_checkpoint_dynamodb.checkpoints import put_writes
from langgraph_checkpoint_dynamodb.maintenance import copy, garbage_collection, prune
from langgraph_checkpoint_dynamodb.maintenance import delete as deletions
from langgraph_checkpoint_dynamodb.maintenance.retention import GRACE_SECONDS, RetentionPolicy
from langgraph_checkpoint_dynamodb.maintenance.verify import Verification
from langgraph_checkpoint_dynamodb.runtime.context import Context, ThreadNamespace
from langgraph_checkpoint_dynamodb.runtime.effects import Call, Operation

PLACE = ThreadNamespace("thread", "")
LARGE = random.Random(3).randbytes(60_000)
OTHER = random.Random(4).randbytes(60_000)
NOW = context().now


def at(hours: float, cache: Context | None = None) -> Context:
    """The context of a call so many hours later, of a new process unless `cache` is given."""
    shared = {} if cache is None else {"cache": cache.cache, "in_flight": cache.in_flight}
    return context(now=NOW + hours * GRACE_SECONDS, **shared)


def put(step: int, value: Any, around: Context, parent: int | None = None) -> Operation[None]:
    made = empty_checkpoint()
    made["id"] = f"{step:08}"
    made["channel_values"] = {"value": value}
    made["channel_versions"] = {"value": f"a{step}"}
    parent_id = None if parent is None else f"{parent:08}"
    new = puts.Put(PLACE, made, {}, parent_id, dict(made["channel_versions"]))
    return puts.put(around, new)


def get(step: int, around: Context) -> Operation[Any]:
    return gets.get_tuple(around, PLACE, f"{step:08}")


def value_of(table: FakeTable, step: int, place: ThreadNamespace = PLACE) -> Any:
    found = table.run(gets.get_tuple(context(), place, f"{step:08}"))
    return found and found.checkpoint["channel_values"]["value"]


def problems(table: FakeTable, around: Context, thread_id: str = "thread") -> list[str]:
    verification = Verification(thread_id)
    while table.run(verification.next_thread(around)):
        pass
    return [problem.kind.value for problem in verification.report.problems]


class Interrupting(FakeTable):
    """Does something else before a call that is chosen."""

    def __init__(self) -> None:
        super().__init__(self._before)
        self._chosen: Callable[[Call], bool] = lambda call: False
        self._action: Callable[[], None] = lambda: None

    def before(self, chosen: Callable[[Call], bool], *operations: Operation[Any]) -> None:
        self._chosen = chosen
        self._action = lambda: [self.run(one) for one in operations] and None

    def _before(self, call: Call) -> None:
        if self._chosen(call):
            self._chosen = lambda call: False
            self._action()


def deletes(call: Call) -> bool:
    return call.method == "delete_item"


def test_a_sweep_spares_a_chunk_that_is_written_again_before_it_deletes_it() -> None:
    table = Interrupting()
    table.run(put(1, LARGE, at(0)))
    table.run(put(2, b"small", at(0), parent=1))
    # LARGE is no longer referred to; between the sweep's last read and its first deletion it
    # is stored again, and the item that refers to it comes later still.
    coming = put(3, LARGE, at(5), parent=2)
    first_chunks = _until_it_writes(table, coming)
    table.before(deletes, _chunks_of(first_chunks))
    table.run(prune.prune(at(5), "thread", RetentionPolicy(last=1)))
    _finish(table, coming, first_chunks)
    assert value_of(table, 3) == LARGE
    assert problems(table, at(5)) == []


def _until_it_writes(table: FakeTable, operation: Operation[Any]) -> Any:
    """Run an operation up to its first round that writes chunks, which it returns."""
    answer: Any = None
    while True:
        effect = operation.send(answer)
        if isinstance(effect, list) and effect[0].method == "batch_write_item":
            return effect
        answer = table.perform(effect)


def _chunks_of(sent: Any) -> Operation[None]:
    yield sent


def _finish(table: FakeTable, operation: Any, sent: Any) -> None:
    """Go on after a round that has been performed."""
    answer: Any = [{} for _ in sent]
    try:
        while True:
            effect = operation.send(answer)
            answer = table.perform(effect)
    except StopIteration:
        pass


def test_a_copy_begins_anew_if_a_prune_deletes_something_meanwhile() -> None:
    table = Interrupting()
    table.run(put(1, LARGE, at(0)))
    table.run(put(2, OTHER, at(0), parent=1))
    table.before(
        lambda call: call.method == "query" and _low(call).startswith("S"),
        prune.prune(at(5), "thread", RetentionPolicy(last=1)),
    )
    table.run(copy.copy_thread(at(5), "thread", "copy"))
    assert value_of(table, 2, ThreadNamespace("copy", "")) == OTHER
    assert value_of(table, 1, ThreadNamespace("copy", "")) is None
    assert problems(table, at(5), "copy") == []


def test_a_copy_takes_what_a_run_has_put_while_a_prune_deleted_all_else() -> None:
    table = Interrupting()
    table.run(put(1, LARGE, at(0)))
    table.before(
        lambda call: call.method == "query" and _low(call).startswith("S"),
        put(2, OTHER, at(5), parent=1),
        prune.prune(at(5), "thread", RetentionPolicy(last=1)),
    )
    table.run(copy.copy_thread(at(5), "thread", "copy"))
    assert value_of(table, 2, ThreadNamespace("copy", "")) == OTHER


def test_a_copy_of_what_is_deleted_without_end_gives_up() -> None:
    table = FakeTable()
    steps = iter(range(1, 100))
    table.run(put(next(steps), LARGE, at(0)))

    def delete(call: Call) -> None:
        if call.method == "query" and _low(call).startswith("S"):
            table.items.pop(("thread", max(key for _, key in table.items if key[0] == "C")))
            table.run(put(next(steps), LARGE, at(0)))

    table.fault = delete
    with pytest.raises(ConflictError, match="source_thread_id='thread'"):
        table.run(copy.copy_thread(at(5), "thread", "copy"))
    assert not [key for name, key in table.items if name == "copy" and key.startswith("C#")]


def _low(call: Call) -> str:
    return str(call.params["ExpressionAttributeValues"][":low"]["S"])


def test_a_prune_of_the_target_spares_the_chunks_of_a_copy_under_way() -> None:
    table = Interrupting()
    table.run(put(1, LARGE, at(0)))
    table.before(
        lambda call: call.method == "batch_write_item" and "'C#" in str(call.params),
        prune.prune(at(5), "copy", RetentionPolicy(last=1)),
    )
    table.run(copy.copy_thread(at(5), "thread", "copy"))
    assert value_of(table, 1, ThreadNamespace("copy", "")) == LARGE


@pytest.mark.parametrize("cause", ["failed", "stored by another process before"])
def test_chunks_of_writes_that_were_not_stored_are_not_relied_on(cause: str) -> None:
    table, mine = FakeTable(), at(0)
    table.run(put(1, b"small", mine))
    writes = [("value", LARGE)]
    if cause == "failed":

        def fail(call: Call) -> None:
            if call.method == "put_item":
                raise UnavailableError("no answer")

        table.fault = fail
        with pytest.raises(UnavailableError):
            table.run(put_writes.put_writes(mine, PLACE, f"{1:08}", writes, "task", ""))
        table.fault = lambda call: None
    else:
        table.run(put_writes.put_writes(at(0), PLACE, f"{1:08}", [("value", OTHER)], "task", ""))
        table.run(put_writes.put_writes(mine, PLACE, f"{1:08}", writes, "task", ""))
    table.run(garbage_collection.sweep(at(5), "thread"))  # hours later, in another process
    table.run(put(2, LARGE, at(5, mine), parent=1))
    assert value_of(table, 2) == LARGE


@pytest.mark.parametrize("replaces", ["this process", "another process"])
def test_chunks_of_a_write_that_was_replaced_are_not_relied_on(replaces: str) -> None:
    """A question waited for hours, was asked anew, and its text came back as state."""
    table, mine = FakeTable(), at(5)
    table.run(put(1, b"small", at(0)))
    asked = put_writes.put_writes(at(0), PLACE, f"{1:08}", [(INTERRUPT, LARGE)], "task", "")
    table.run(asked)
    assert table.run(get(1, mine))
    other = mine if replaces == "this process" else at(5)
    anew = put_writes.put_writes(other, PLACE, f"{1:08}", [(INTERRUPT, OTHER)], "task", "")
    table.run(anew)
    table.run(prune.prune(at(5.01), "thread", RetentionPolicy(last=1)))
    if replaces == "another process":  # LangGraph reads before it runs
        assert table.run(get(1, at(5.02, mine)))
    table.run(put(2, LARGE, at(5.02, mine), parent=1))
    assert value_of(table, 2) == LARGE
    assert problems(table, at(5.03)) == []


def test_what_was_read_before_is_not_relied_on_once_it_is_found_gone() -> None:
    table, mine = FakeTable(), at(0)
    table.run(put(1, LARGE, at(0)))
    table.run(put(2, OTHER, at(0), parent=1))
    assert table.run(get(1, mine))
    table.run(prune.prune(at(5), "thread", RetentionPolicy(last=1)))  # by another process
    assert table.run(get(1, at(5, mine))) is None
    table.run(put(3, LARGE, at(5, mine), parent=1))
    assert value_of(table, 3) == LARGE


def test_a_node_that_runs_for_hours_keeps_what_it_builds_on() -> None:
    table, mine = FakeTable(), at(0)
    table.run(put(1, LARGE, at(0)))
    table.run(put(2, LARGE + OTHER, mine, parent=1))
    for hours in range(2, 9, 2):
        table.run(prune.prune(at(hours), "thread", RetentionPolicy(last=1)))
    table.run(put_writes.put_writes(at(9, mine), PLACE, f"{2:08}", [("value", OTHER)], "task", ""))
    table.run(prune.prune(at(11), "thread", RetentionPolicy(last=1)))
    table.run(put(3, LARGE + OTHER, at(11, mine), parent=2))
    assert value_of(table, 3) == LARGE + OTHER
    assert problems(table, at(11)) == []


def deleting(deletion: str, around: Context) -> Operation[Any]:
    if deletion == "delete_thread":
        return deletions.delete_thread(around, "thread")
    return prune.prune(around, "thread", RetentionPolicy(last=1))


@pytest.mark.parametrize("deletion", ["delete_thread", "prune"])
def test_a_run_whose_checkpoint_is_deleted_under_it_is_cut_off(deletion: str) -> None:
    """Known, and told by the docs: nothing tells the run, but nothing wrong is ever returned."""
    table, mine = FakeTable(), at(5)
    table.run(put(1, LARGE, at(0)))
    assert table.run(get(1, mine))
    table.run(put(2, OTHER, at(1), parent=1))  # another run of the same thread
    table.run(deleting(deletion, at(5.1)))
    table.run(put(3, LARGE, at(5.2, mine), parent=1))
    with pytest.raises(CorruptCheckpointError):
        value_of(table, 3)
    assert problems(table, at(5.2)) == ["missing-chunk"]


@pytest.mark.parametrize("deletion", ["delete_thread", "prune"])
@pytest.mark.parametrize("hours", [0.6, 5])
def test_a_run_that_is_slow_reads_what_it_builds_on_again(deletion: str, hours: float) -> None:
    """What a process remembers counts for half an hour."""
    table, mine = FakeTable(), at(5)
    table.run(put(1, LARGE, at(0)))
    assert table.run(get(1, mine))
    table.run(put(2, OTHER, at(1), parent=1))
    table.run(deleting(deletion, at(5.1)))
    table.run(put(3, LARGE, at(5 + hours, mine), parent=1))
    assert value_of(table, 3) == LARGE
    assert problems(table, at(5 + hours)) == []


def test_chunks_too_young_for_a_sweep_are_there_for_a_run_that_relies_on_them() -> None:
    table, mine = FakeTable(), at(0)
    table.run(put(1, LARGE, mine))
    table.run(put(2, OTHER, at(0.1), parent=1))
    table.run(prune.prune(at(0.4), "thread", RetentionPolicy(last=1)))
    table.run(put(3, LARGE, at(0.45, mine), parent=1))
    assert value_of(table, 3) == LARGE
    assert problems(table, at(5)) == []
