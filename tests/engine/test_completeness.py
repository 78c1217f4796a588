"""Deletion leaves nothing over: not of what is shared, appended to, cut or of many generations."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from conftest import MakeSaver

from clock import Clock
from either import Either
from langgraph_checkpoint_dynamodb import VerifyReport
from threads import COUNTERS, LARGE, chain, config_of, put

HOURS = 2 * 3600
TTL = 10 * HOURS
NOISE = random.Random(5).randbytes(1_500_000)


@pytest.fixture
def mode() -> str:
    """The operations are the same in all modes, and `test_maintenance.py` runs them in each."""
    return "sync"


Fill = Callable[[Either, Clock], Awaitable[None]]


async def shared(client: Either, clock: Clock) -> None:
    """Values that checkpoints, writes and namespaces have in common."""
    for ns in ("", "child:1"):
        await chain(client, "t", 3, ns=ns, run_id="run")
    await chain(client, "t", 2, run_id="other")


async def growing(client: Either, clock: Clock) -> None:
    """A list that grows, by two runs in turns."""
    parent = config_of("t")
    for size in range(1, 50):
        messages = [f"{n:04}" * 300 for n in range(size)]
        run = {"run_id": "run" if size % 20 < 10 else "other"}
        parent = await put(client, parent, {"messages": messages}, run)


async def lists_of_refs_and_cut_bodies(client: Either, clock: Clock) -> None:
    parent = config_of("t")
    for step, run_id in enumerate(("run", "run", "other")):
        small = {f"channel {n}": NOISE[n * 900 + step : n * 900 + 900] for n in range(60)}
        values = {"wide": NOISE[step * 50_000 :], **small}
        parent = await put(client, parent, values, {"run_id": run_id})
        await client.put_writes(parent, [("wide", NOISE[::-1][step:])], "task")
        await client.put_writes(parent, [("__resume__", NOISE[step:][:20_000])], "task")
        # Overwritten, as LangGraph does when a human answers once more.
        await client.put_writes(parent, [("__resume__", NOISE[step:][:30_000])], "task")


async def generations(client: Either, clock: Clock) -> None:
    """With TTL: chunks of several generations, and what has expired and is still there."""
    parent = config_of("t")
    for step in range(12):
        run = {"run_id": "run" if step % 2 else "other"}
        parent = await put(client, parent, {"document": LARGE, "step": step}, run)
        await client.put_writes(parent, [("document", LARGE[step:])], f"task {step}")
        clock.now += TTL / 4


async def deltas(client: Either, clock: Clock) -> None:
    parent = await put(client, config_of("t"), {"log": [LARGE]}, {"run_id": "run"})
    for step in range(4):
        await client.put_writes(parent, [("log", LARGE[step:])], "task")
        run = {"run_id": "other" if step == 3 else "run"}
        parent = await put(client, parent, {}, {**COUNTERS, **run}, log="a2.x")


async def keep_latest(client: Either) -> None:
    await client.prune(["t"])


async def keep_last(client: Either) -> None:
    await client.prune(["t"], keep_last=2)


async def delete_for_runs(client: Either) -> None:
    await client.delete_for_runs(["run"])


async def delete_thread(client: Either) -> None:
    await client.delete_thread("t")


@pytest.mark.parametrize("delete", [keep_latest, keep_last, delete_for_runs, delete_thread])
@pytest.mark.parametrize(
    "fill", [shared, growing, lists_of_refs_and_cut_bodies, generations, deltas]
)
@pytest.mark.parametrize("settings", [{}, {"enable_ttl": True, "ttl_seconds": TTL}])
async def test_nothing_is_left_over(
    make_saver: MakeSaver, mode: str, fill: Fill, delete: Any, settings: dict[str, Any]
) -> None:
    clock = Clock()
    saver = make_saver(mode=mode, **settings)
    saver.clock = clock  # type: ignore[method-assign]
    client = Either(saver, use_async=mode != "sync")
    await put(client, config_of("t"), {"of no use later": NOISE[:50_000]}, {"run_id": "run"})
    await fill(client, clock)
    clock.now += HOURS
    before = await client.verify()
    await delete(client)
    report = await client.verify()
    assert report.ok, report
    assert report.chunks < before.chunks
    assert (report.young, report.under_way) == (0, 0)
    if delete is delete_thread:
        assert report == VerifyReport()
    elif delete is not delete_for_runs:  # it leaves what other runs have stored and has expired
        assert report.expiring == 0
