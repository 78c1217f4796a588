"""Operations that store the same large value at once write it once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from capacity import Costs
from either import Either
from langgraph_checkpoint_dynamodb.drivers import client_config
from langgraph_checkpoint_dynamodb.serialization.encode import store_value
from threads import config_of, put

SCOPE = ("thread", 0)


async def test_one_that_never_ends_is_not_waited_for_long(
    client: Either, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its event loop was stopped, or waits for this very call."""
    monkeypatch.setattr(client_config, "JOIN_SECONDS", 0.05)
    value = random.Random(6).randbytes(100_000)
    chunks = store_value(("bytes", value), 1024)[1]
    in_flight = client.target._in_flight
    with in_flight.operation(SCOPE, client.target.clock()):
        in_flight.claim(SCOPE, chunks)
        config = await put(client, config_of("thread"), {"a": value})
        assert (await client.get_tuple(config)).checkpoint["channel_values"] == {"a": value}
        _, others = in_flight.claim(SCOPE, chunks)
        assert len(others) == len(chunks)
        assert not any(future.done() for future in others.values())


async def test_who_is_cancelled_while_waiting_cancels_nobody(client: Either, mode: str) -> None:
    if mode == "sync":
        return
    value = random.Random(7).randbytes(100_000)
    chunks = store_value(("bytes", value), 1024)[1]
    in_flight = client.target._in_flight
    with in_flight.operation(SCOPE, client.target.clock()):
        in_flight.claim(SCOPE, chunks)
        waiting = asyncio.ensure_future(put(client, config_of("thread"), {"a": value}))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(waiting, 0.5)
        futures = in_flight.claim(SCOPE, chunks)[1].values()
        assert futures
        assert not any(future.cancelled() for future in futures)
        in_flight.settle(SCOPE, chunks, written=False)


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
