"""Two operations of one process that store the same chunks at the same moment."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from costs import Costs
from either import Either
from fake_table import TABLE, FakeTable, context
from langgraph_checkpoint_dynamodb import UnavailableError, sending, service
from langgraph_checkpoint_dynamodb.async_driver import _settled
from langgraph_checkpoint_dynamodb.bodies import store_value
from langgraph_checkpoint_dynamodb.operation import Compute, Done, Join, Operation, advance
from threads import config_of, put

DATA = {bytes([n]) * 16: bytes([n]) * 2_000 for n in range(30)}

PLACE = ("thread", 0)


def store(around: Any, data: dict[bytes, bytes] = DATA) -> Operation[None]:
    return sending.store(around, "thread", 0, data, frozenset())


def until_calls(operation: Operation[None], replies: Any = None) -> Any:
    """Run an operation up to its next calls, to where it waits for another, or to its end."""
    effect = advance(operation, replies)
    while isinstance(effect, Compute):
        effect = advance(operation, effect.function())
    return effect


def test_the_second_waits_and_sends_nothing() -> None:
    around = context()
    table = FakeTable()
    first, second = store(around), store(around)
    calls = until_calls(first)
    waiting = until_calls(second)
    assert isinstance(waiting, Join)
    assert not any(future.done() for future in waiting.futures)
    assert isinstance(until_calls(first, [table.answer(call) for call in calls]), Done)
    assert [future.result(0) for future in waiting.futures] == [True]
    assert isinstance(until_calls(second, [True]), Done)


def test_each_sends_its_own_before_it_waits_for_the_other() -> None:
    around = context()
    names = list(DATA)
    first = store(around, {name: DATA[name] for name in names[:20]})
    second = store(around, {name: DATA[name] for name in names[10:]})
    table = FakeTable()
    calls = until_calls(first)
    own = until_calls(second)
    assert len(own[0].params["RequestItems"][TABLE]) == 10
    waiting = until_calls(second, [table.answer(call) for call in own])
    assert isinstance(waiting, Join)
    until_calls(first, [table.answer(call) for call in calls])
    assert all(future.result(0) for future in waiting.futures)
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
    arrived = [future.result(0) for future in waiting.futures]
    assert arrived == [False]
    table = FakeTable()
    effect = until_calls(second, arrived)
    while not isinstance(effect, Done):
        effect = until_calls(second, [table.answer(call) for call in effect])
    assert len(table.items) == len(DATA)


def test_nothing_is_left_behind() -> None:
    around = context()
    FakeTable().run(store(around))
    mine, others = around.in_flight.claim(PLACE, DATA)
    assert len(mine) == len(DATA)
    assert not others


def test_who_claimed_nothing_may_settle_after_all_others() -> None:
    in_flight = context().in_flight
    mine, _ = in_flight.claim(PLACE, DATA)
    nothing, others = in_flight.claim(PLACE, DATA)
    in_flight.settle(PLACE, mine, written=True)
    in_flight.settle(PLACE, nothing, written=True)
    assert {future.result(0) for future in others.values()} == {True}
    assert in_flight.claim(PLACE, DATA) == (list(DATA), {})


async def test_one_that_never_ends_is_not_waited_for_long(
    client: Either, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its event loop was stopped, or waits for this very call."""
    monkeypatch.setattr(service, "JOIN_SECONDS", 0.05)
    value = random.Random(6).randbytes(100_000)
    claimed = store_value(("bytes", value), 1024, defer=True)[1]
    client.target._in_flight.claim(PLACE, claimed)
    config = await put(client, config_of("thread"), {"a": value})
    assert (await client.get_tuple(config)).checkpoint["channel_values"] == {"a": value}
    _, others = client.target._in_flight.claim(PLACE, claimed)
    assert not any(future.done() for future in others.values())


async def test_who_is_cancelled_while_waiting_cancels_nobody(client: Either, mode: str) -> None:
    if mode == "sync":
        return
    value = random.Random(7).randbytes(100_000)
    claimed = store_value(("bytes", value), 1024, defer=True)[1]
    in_flight = client.target._in_flight
    in_flight.claim(PLACE, claimed)
    waiting = asyncio.ensure_future(put(client, config_of("thread"), {"a": value}))
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(waiting, 0.5)
    futures = in_flight.claim(PLACE, claimed)[1].values()
    assert futures
    assert not any(future.cancelled() for future in futures)
    in_flight.settle(PLACE, claimed, written=False)


async def test_a_large_value_that_is_written_and_put_at_once_is_sent_once(
    make_saver: Callable[..., Any], mode: str
) -> None:
    costs = Costs()
    client = Either(make_saver(mode=mode, costs=costs), use_async=mode != "sync")
    value = random.Random(5).randbytes(1 << 20)
    parent = await put(client, config_of("thread"), {"b": "small"})
    costs.reset()
    saver = client.target
    writes = [("a", value)]
    if mode == "sync":
        with ThreadPoolExecutor(2) as pool:
            done = pool.submit(saver.put_writes, parent, writes, "task")
            await put(client, parent, {"a": value})
            done.result()
    else:
        await asyncio.gather(
            saver.aput_writes(parent, writes, "task"), put(client, parent, {"a": value})
        )
    assert costs.write_units < 1.1 * len(value) / 1024
    for reader in (parent, None):
        found = await client.get_tuple(reader or config_of("thread"))
        wanted = found.pending_writes[0][2] if reader else found.checkpoint["channel_values"]["a"]
        assert wanted == value


def test_who_gave_up_waiting_on_a_loop_that_is_closed_hears_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    future: Future[bool] = Future()

    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_settled([future, Future()], 60), 0.01)

    asyncio.run(give_up())
    future.set_result(True)
    assert not caplog.records


async def test_a_wait_ends_when_all_are_done_or_its_time_is_over() -> None:
    done: Future[bool] = Future()
    done.set_result(True)
    late: Future[bool] = Future()
    asyncio.get_running_loop().call_later(0.01, late.set_result, True)
    await _settled([done, late], 60)
    assert late.done()
    await _settled([done, Future()], 0.01)
