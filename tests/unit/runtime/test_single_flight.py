"""Operations of one process that store the same chunks at about the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_table import TABLE, FakeTable, context
from langgraph_checkpoint_dynamodb import UnavailableError
from langgraph_checkpoint_dynamodb.checkpoints import memory
from langgraph_checkpoint_dynamodb.format.keys import chunk_digest
from langgraph_checkpoint_dynamodb.runtime.context import Context
from langgraph_checkpoint_dynamodb.runtime.effects import Compute, Done, Join, Operation, advance
from langgraph_checkpoint_dynamodb.runtime.single_flight import InFlight
from langgraph_checkpoint_dynamodb.storage import chunk_writer

DATA = {bytes([n]) * 16: bytes([n]) * 2_000 for n in range(30)}
NAMES = list(DATA)

SCOPE = ("thread", 0)
NOW = context().now


def store(around: Context, data: dict[bytes, bytes] = DATA) -> Operation[None]:
    """Write chunks as a put does: within an operation of its own."""
    with around.in_flight.operation(SCOPE, around.now):
        yield from chunk_writer.store(around, SCOPE, data, frozenset())


def until_calls(operation: Operation[None], replies: Any = None) -> Any:
    """Run an operation up to its next calls, to where it waits for another, or to its end."""
    effect = advance(operation, replies)
    while isinstance(effect, Compute):
        effect = advance(operation, effect.function())
    return effect


def claimed(in_flight: InFlight, names: Iterable[bytes] = NAMES) -> dict[bytes, Future[bool]]:
    """What others write or have written; whoever asks writes nothing."""
    mine, others = in_flight.claim(SCOPE, names)
    in_flight.settle(SCOPE, mine, written=False)
    return others


def known(in_flight: InFlight) -> set[bytes]:
    """What counts as written."""
    return {name for name, claim in claimed(in_flight).items() if claim.done()}


def test_the_second_waits_and_sends_nothing() -> None:
    around = context()
    table = FakeTable()
    first, second = store(around), store(around)
    calls = until_calls(first)
    waiting = until_calls(second)
    assert isinstance(waiting, Join)
    assert not waiting.future.done()
    assert isinstance(until_calls(first, [table.answer(call) for call in calls]), Done)
    assert waiting.future.result(0)
    assert isinstance(until_calls(second, True), Done)


def test_a_large_value_is_waited_for_part_by_part() -> None:
    """AWS takes 1 MB a second for a thread: no bound of seconds would fit every value."""
    many = {n.to_bytes(2, "big") * 8: b"x" for n in range(1000)}
    around, table = context(), FakeTable()
    first, second = store(around, many), store(around, many)
    calls = until_calls(first)
    waiting, rounds = until_calls(second), 0
    while not isinstance(calls, Done):
        assert isinstance(waiting, Join)
        calls = until_calls(first, [table.answer(call) for call in calls])
        waiting, rounds = until_calls(second, waiting.future.result(0)), rounds + 1
    assert isinstance(waiting, Done)
    assert rounds == 10


def test_who_stops_waiting_writes_what_is_not_written_by_then() -> None:
    many = {n.to_bytes(2, "big") * 8: b"x" for n in range(300)}
    around, table = context(), FakeTable()
    first, second = store(around, many), store(around, many)
    calls = until_calls(first)
    waiting = until_calls(second)
    until_calls(first, [table.answer(call) for call in calls])
    waiting = until_calls(second, True)
    assert isinstance(waiting, Join)
    calls = until_calls(second, False)  # no part was written in time
    sent = [one for call in calls for one in call.params["RequestItems"][TABLE]]
    assert len(sent) == 100
    effect = until_calls(second, [table.answer(call) for call in calls])
    assert isinstance(until_calls(second, [table.answer(call) for call in effect]), Done)
    assert len(table.items) == 300


def test_each_sends_its_own_before_it_waits_for_the_other() -> None:
    around = context()
    first = store(around, {name: DATA[name] for name in NAMES[:20]})
    second = store(around, {name: DATA[name] for name in NAMES[10:]})
    table = FakeTable()
    calls = until_calls(first)
    own = until_calls(second)
    assert len(own[0].params["RequestItems"][TABLE]) == 10
    waiting = until_calls(second, [table.answer(call) for call in own])
    assert isinstance(waiting, Join)
    until_calls(first, [table.answer(call) for call in calls])
    assert waiting.future.result(0)
    assert len(table.items) == len(DATA)


@pytest.mark.parametrize("ended_by", ["an error", "cancellation"])
def test_who_waited_for_one_that_failed_writes_itself(ended_by: str) -> None:
    around = context()
    first, second = store(around), store(around)
    until_calls(first)
    waiting = until_calls(second)
    if ended_by == "an error":
        with pytest.raises(UnavailableError):
            advance(first, error=UnavailableError("no answer"))
    else:
        first.close()
    arrived = waiting.future.result(0)
    assert not arrived
    table = FakeTable()
    effect = until_calls(second, arrived)
    while not isinstance(effect, Done):
        effect = until_calls(second, [table.answer(call) for call in effect])
    assert len(table.items) == len(DATA)


def test_what_failed_is_not_known_and_is_claimed_anew() -> None:
    around = context()
    failing = store(around)
    with around.in_flight.operation(SCOPE, NOW):
        until_calls(failing)
        with pytest.raises(UnavailableError):
            advance(failing, error=UnavailableError("no answer"))
        assert claimed(around.in_flight) == {}
        table = FakeTable()
        table.run(store(around))
        assert len(table.items) == len(DATA)


@pytest.mark.parametrize("ended_by", ["an error", "cancellation"])
def test_what_was_acknowledged_before_the_end_is_not_written_again(ended_by: str) -> None:
    """Each call counts by itself, also if the others of its round have no reply yet."""
    many = {n.to_bytes(2, "big") * 8: b"x" for n in range(300)}
    around, table = context(), FakeTable()
    ended, waiting = store(around, many), store(around, many)
    first = until_calls(ended)
    second = until_calls(ended, [table.answer(call) for call in first])
    effect = until_calls(waiting)
    table.answer(second[2])
    if ended_by == "an error":
        with pytest.raises(UnavailableError):
            advance(ended, error=UnavailableError("no answer"))
    else:
        ended.close()
    while not isinstance(effect, Done):
        waits = isinstance(effect, Join)
        replies = effect.future.result(0) if waits else [table.answer(call) for call in effect]
        effect = until_calls(waiting, replies)
    sent = [
        one["PutRequest"]["Item"]["SK"]["S"]
        for call in table.calls
        for one in call.params["RequestItems"][TABLE]
    ]
    assert len(sent) == len({*sent}) == 300


# How long what was written is known


def test_nothing_is_left_behind() -> None:
    around = context()
    FakeTable().run(store(around))
    assert around.in_flight._scopes == {}
    with around.in_flight.operation(SCOPE, NOW):
        mine, others = around.in_flight.claim(SCOPE, DATA)
    assert len(mine) == len(DATA)
    assert not others


def test_nothing_is_left_behind_by_one_that_fails_or_is_cancelled() -> None:
    around = context()
    failing, cancelled = store(around), store(around)
    until_calls(failing)
    until_calls(cancelled)
    with pytest.raises(UnavailableError):
        advance(failing, error=UnavailableError("no answer"))
    cancelled.close()
    assert around.in_flight._scopes == {}


def test_what_is_written_meanwhile_is_not_written_again() -> None:
    around = context()
    table = FakeTable()
    with around.in_flight.operation(SCOPE, NOW):  # it has not come to its chunks yet
        table.run(store(around))
        sent = len(table.calls)
        table.run(store(around))
        assert len(table.calls) == sent
        assert known(around.in_flight) == set(DATA)
    assert around.in_flight._scopes == {}
    table.run(store(around))
    assert len(table.calls) > sent


def test_it_is_known_until_the_last_that_overlaps_has_ended() -> None:
    in_flight = InFlight()
    first, second, third = (in_flight.operation(SCOPE, NOW) for _ in range(3))
    first.__enter__()
    mine, _ = in_flight.claim(SCOPE, NAMES[:1])
    in_flight.settle(SCOPE, mine, written=True)
    second.__enter__()
    first.__exit__(None, None, None)
    third.__enter__()
    second.__exit__(None, None, None)
    assert known(in_flight) == set(NAMES[:1])
    third.__exit__(None, None, None)
    with in_flight.operation(SCOPE, NOW):
        assert claimed(in_flight) == {}


@pytest.mark.parametrize("other", [("thread", 7), ("another", 0)])
def test_scopes_know_nothing_of_each_other(other: tuple[str, int]) -> None:
    in_flight = InFlight()
    with in_flight.operation(SCOPE, NOW), in_flight.operation(other, NOW):
        mine, _ = in_flight.claim(SCOPE, NAMES)
        in_flight.settle(SCOPE, mine, written=True)
        assert in_flight.claim(other, NAMES) == (NAMES, {})


@pytest.mark.parametrize("seconds", [601, 10**6, -1])
def test_it_is_not_known_for_longer_than_a_sweep_spares_it(seconds: float) -> None:
    in_flight = InFlight()
    with in_flight.operation(SCOPE, NOW):
        mine, _ = in_flight.claim(SCOPE, NAMES[:10])
        in_flight.settle(SCOPE, mine, written=True)
        writing, _ = in_flight.claim(SCOPE, NAMES[10:20])
        with in_flight.operation(SCOPE, NOW + 600):
            assert known(in_flight) == set(NAMES[:10])
        with in_flight.operation(SCOPE, NOW + seconds):
            assert set(claimed(in_flight)) == set(NAMES[10:20])  # what is under way stays
            in_flight.settle(SCOPE, writing, written=True)
            assert known(in_flight) == set(NAMES[10:20])
            with in_flight.operation(SCOPE, NOW + seconds + 600):
                assert known(in_flight) == set(NAMES[10:20])


def test_what_a_deletion_may_take_away_is_not_known_any_more() -> None:
    around = context()
    in_flight = around.in_flight
    other = ("other", 0)
    with in_flight.operation(SCOPE, NOW), in_flight.operation(other, NOW):
        for scope in (SCOPE, other):
            mine, _ = in_flight.claim(scope, NAMES[:10])
            in_flight.settle(scope, mine, written=True)
        writing, _ = in_flight.claim(SCOPE, NAMES[10:20])
        memory.forget_thread(around, "thread")
        assert set(claimed(in_flight)) == set(NAMES[10:20])
        assert in_flight.claim(other, NAMES[:10])[0] == []
        in_flight.settle(SCOPE, writing, written=True)
        assert known(in_flight) == set(NAMES[10:20])


def test_who_claimed_nothing_may_settle_after_all_others() -> None:
    in_flight = InFlight()
    with in_flight.operation(SCOPE, NOW):
        mine, _ = in_flight.claim(SCOPE, DATA)
        nothing, others = in_flight.claim(SCOPE, DATA)
        assert nothing == []
        in_flight.settle(SCOPE, mine, written=True)
        in_flight.settle(SCOPE, nothing, written=True)
        assert {future.result(0) for future in others.values()} == {True}
        assert in_flight.claim(SCOPE, DATA) == ([], others)


def test_a_child_process_waits_for_none_of_its_parents_threads() -> None:
    in_flight = InFlight()
    with in_flight.operation(SCOPE, NOW):
        mine, _ = in_flight.claim(SCOPE, NAMES)
        in_flight.after_fork()
        with in_flight.operation(SCOPE, NOW):
            assert in_flight.claim(SCOPE, NAMES) == (NAMES, {})
            in_flight.settle(SCOPE, NAMES, written=True)
            assert known(in_flight) == set(NAMES)
        in_flight.settle(SCOPE, mine, written=True)  # as the forked thread itself may
    assert in_flight._scopes == {}


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_chunk_counts_as_written_that_is_not(data: st.DataObject) -> None:
    """Operations in any order and overlap; some fail. At its end, each has all that it needs."""
    around = context()
    table = FakeTable()
    some = st.sets(st.sampled_from(NAMES[:6]))
    needs = data.draw(st.lists(some, min_size=1, max_size=5))
    operations = [store(around, {name: DATA[name] for name in need}) for need in needs]
    to_begin = list(range(len(operations)))
    waits_for: dict[int, Any] = {}
    while to_begin or waits_for:
        ready = [
            number
            for number, effect in waits_for.items()
            if not isinstance(effect, Join) or effect.future.done()
        ]
        if to_begin and (not ready or data.draw(st.booleans())):
            number, replies = to_begin.pop(), None
        else:
            number = data.draw(st.sampled_from(ready))
            effect = waits_for.pop(number)
            if isinstance(effect, Join):
                replies = effect.future.result(0)
            elif data.draw(st.integers(0, 3)) == 0:
                operations[number].close()
                continue
            else:
                replies = [table.answer(call) for call in effect]
        effect = until_calls(operations[number], replies)
        if isinstance(effect, Done):
            assert needs[number] <= {chunk_digest(sort_key) for _, sort_key in table.items}
        else:
            waits_for[number] = effect
    assert around.in_flight._scopes == {}


def test_threads_write_each_chunk_once_while_one_operation_lasts() -> None:
    in_flight = InFlight()
    wrote: list[bytes] = []
    lock = threading.Lock()

    def work(_: int) -> None:
        with in_flight.operation(SCOPE, NOW):
            mine, others = in_flight.claim(SCOPE, NAMES)
            with lock:
                wrote.extend(mine)
            in_flight.settle(SCOPE, mine, written=True)
            assert all(future.result(10) for future in set(others.values()))

    with in_flight.operation(SCOPE, NOW), ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(200)))
    assert sorted(wrote) == sorted(NAMES)
    assert in_flight._scopes == {}
