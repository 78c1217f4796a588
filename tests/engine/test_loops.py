"""Event loops, threads and lifetimes: one saver, used from anywhere, leaves nothing open."""

from __future__ import annotations

import asyncio
import gc
import random
import subprocess
import sys
import threading
import time
import uuid
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import uvloop
from botocore.loaders import JSONFileLoader
from conftest import MakeSaver

from capacity import Costs
from clients import KEYS, REGION
from langgraph_checkpoint_dynamodb import DynamoDBSaver
from langgraph_checkpoint_dynamodb.drivers import aio_clients, client_config, sessions
from play import thread
from threads import new_checkpoint

METADATA = {"step": 1}


@pytest.fixture(params=[pytest.param("async", marks=pytest.mark.aio), "threads"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def round_trip(saver: DynamoDBSaver, name: str) -> None:
    checkpoint = new_checkpoint(a=name * 3000)
    await saver.aput(thread(name), checkpoint, METADATA, {"a": "1"})
    found = await saver.aget_tuple(thread(name))
    assert found is not None
    assert found.checkpoint == checkpoint
    assert [one.checkpoint["id"] async for one in saver.alist(thread(name))] == [checkpoint["id"]]


def test_one_loop_after_another(saver: DynamoDBSaver) -> None:
    for n in range(3):
        asyncio.run(round_trip(saver, f"loop {n}"))
        assert saver.get_tuple(thread(f"loop {n}")) is not None


def test_two_loops_at_once(saver: DynamoDBSaver) -> None:
    # Both loops have to be open at the same time, whatever the threads' timing.
    both_open = threading.Barrier(2, timeout=30)

    async def work(name: str) -> None:
        await round_trip(saver, f"{name} first")
        await asyncio.to_thread(both_open.wait)
        await asyncio.gather(*(round_trip(saver, f"{name} {n}") for n in range(5)))
        await asyncio.to_thread(both_open.wait)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(asyncio.run, work(name)) for name in ("left", "right")]:
            done.result()


def test_sync_calls_from_many_threads(saver: DynamoDBSaver) -> None:
    def work(n: int) -> str:
        saver.put(thread(f"{n}"), new_checkpoint(a=n), METADATA, {"a": "1"})
        found = saver.get_tuple(thread(f"{n}"))
        assert found is not None
        return str(found.checkpoint["channel_values"]["a"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == [str(n) for n in range(40)]


def use_and_close(saver: DynamoDBSaver, new_loop: Any) -> None:
    loop = new_loop()
    loop.run_until_complete(saver.aget_tuple(thread("t")))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def use_in_a_thread(saver: DynamoDBSaver, new_loop: Any) -> None:
    one = threading.Thread(target=use_and_close, args=(saver, new_loop))
    one.start()
    one.join()


def use_and_forget(saver: DynamoDBSaver, new_loop: Any) -> None:
    new_loop().run_until_complete(saver.aget_tuple(thread("t")))


@pytest.mark.filterwarnings("ignore")  # of loops and connections that a user does not close
@pytest.mark.parametrize(
    ("use", "new_loop"),
    [
        (use_and_close, asyncio.new_event_loop),
        (use_and_close, uvloop.new_event_loop),
        (use_in_a_thread, asyncio.new_event_loop),
        (use_in_a_thread, uvloop.new_event_loop),
        (use_and_forget, asyncio.new_event_loop),  # uvloop keeps its own that are not closed
    ],
)
def test_a_loop_is_freed_with_its_clients(saver: DynamoDBSaver, use: Any, new_loop: Any) -> None:
    made: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    def noted() -> asyncio.AbstractEventLoop:
        loop = new_loop()
        made.append(weakref.ref(loop))
        return loop

    for _ in range(20):
        use(saver, noted)
    assert len(made) == 20
    deadline = time.monotonic() + 10  # a worker thread may be letting go of the last one
    while any(loop() is not None for loop in made) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert not [loop for loop in made if loop() is not None]
    assert saver.get_tuple(thread("t")) is None


def test_models_are_read_once_in_a_process(
    make_saver: MakeSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    load_file = JSONFileLoader.load_file

    def noted(self: Any, file_path: str) -> Any:
        found = load_file(self, file_path)
        if found is not None and "service-2" in file_path:
            read.append(file_path)
        return found

    monkeypatch.setattr(JSONFileLoader, "load_file", noted)
    sessions._loader.cache_clear()
    table_name = make_saver(mode="sync").config.table_config.table_name
    for _ in range(2):
        saver = make_saver(table_name=table_name, deploy=False)
        saver.get_tuple(thread("t"))
        for _ in range(2):
            asyncio.run(saver.aget_tuple(thread("t")))
    assert len(read) == 1


async def test_many_tasks_of_one_loop(saver: DynamoDBSaver) -> None:
    await asyncio.gather(*(round_trip(saver, f"{n}") for n in range(40)))


async def test_a_cancelled_call_leaves_the_saver_usable(saver: DynamoDBSaver) -> None:
    for delay in (0, 0.001, 0.005, 0.02):
        task = asyncio.create_task(round_trip(saver, "cancelled"))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await round_trip(saver, "after")


async def test_usable_again_after_closing(saver: DynamoDBSaver) -> None:
    async with saver as same:
        assert same is saver
        await round_trip(saver, "before")
    await round_trip(saver, "after")
    await saver.aclose()
    await saver.aclose()
    with saver as same:
        assert same is saver
        saver.put(thread("sync"), new_checkpoint(), METADATA, {})
    assert saver.get_tuple(thread("sync")) is not None
    saver.close()
    saver.close()


async def test_an_abandoned_listing_costs_no_more(make_saver: MakeSaver, mode: str) -> None:
    costs = Costs()
    saver = make_saver(mode=mode, costs=costs)
    for _ in range(3):
        await round_trip_step(saver)
    costs.reset()
    listing = saver.alist(thread())
    assert costs.requests == 0
    await anext(listing)
    asked = costs.requests
    await listing.aclose()  # type: ignore[attr-defined]
    assert costs.requests == asked


async def round_trip_step(saver: DynamoDBSaver) -> None:
    await saver.aput(thread(), new_checkpoint(), METADATA, {})


SCRIPT = """
import asyncio, sys
from langgraph.checkpoint.base import empty_checkpoint
from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig

endpoint_url, region_name, key, table_name, ending = sys.argv[1:]
saver = DynamoDBSaver(
    DynamoDBConfig(
        endpoint_url=endpoint_url, region_name=region_name,
        aws_access_key_id=key, aws_secret_access_key=key,
        table_config=DynamoDBTableConfig(table_name=table_name),
    ),
    deploy=True,
)
config = {"configurable": {"thread_id": "1", "checkpoint_ns": ""}}

async def work():
    await saver.aput(config, empty_checkpoint(), {"step": 1}, {})
    assert await saver.aget_tuple(config)
    if ending == "aclose":
        await saver.aclose()
    if ending == "destroy":
        await saver.adestroy()

if ending == "loop is left open":
    loop = asyncio.new_event_loop()
    loop.run_until_complete(work())
elif ending == "loop.close":
    loop = asyncio.new_event_loop()
    loop.run_until_complete(work())
    loop.close()
else:
    asyncio.run(work())
    if ending == "second loop":
        asyncio.run(work())
    if ending == "close":
        saver.close()
"""


@pytest.mark.aio
@pytest.mark.parametrize(
    "ending",
    [
        *("nothing", "aclose", "close", "second loop", "destroy"),
        *("loop.close", "loop is left open"),
    ],
)
def test_no_unclosed_warning_is_printed(endpoint_url: str, ending: str) -> None:
    ran = subprocess.run(
        [
            *(sys.executable, "-X", "dev", "-W", "default::ResourceWarning", "-c", SCRIPT),
            *(endpoint_url, REGION, KEYS["aws_access_key_id"]),
            *(f"test-{uuid.uuid4().hex}", ending),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    complaints = [line for line in ran.stderr.splitlines() if "nclosed" in line or "never" in line]
    # asyncio itself complains of a loop that its owner leaves open.
    own = [line for line in complaints if "unclosed event loop" not in line]
    assert own == []


@pytest.mark.aio
async def test_of_large_replies_one_is_parsed_in_a_round_of_the_loop(
    make_saver: MakeSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    saver = make_saver()
    checkpoint = new_checkpoint(a=random.Random(4).randbytes(4_000_000))
    await saver.aput(thread("large"), checkpoint, METADATA, {"a": "1"})
    rounds = 0
    parsed_in: list[int] = []

    async def count() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    take = aio_clients._Turns.take

    async def noted(self: Any, response_dict: Any, **event: Any) -> None:
        await take(self, response_dict, **event)
        if len(response_dict["body"]) > client_config.SMALL_COMPUTE_BYTES:
            parsed_in.append(rounds)

    monkeypatch.setattr(aio_clients._Turns, "take", noted)
    reader = make_saver(table_name=saver.config.table_config.table_name, deploy=False)
    counting = asyncio.create_task(count())
    found = await reader.aget_tuple(thread("large"))
    counting.cancel()
    assert found is not None
    assert found.checkpoint == checkpoint
    assert len(parsed_in) > 10
    assert len(set(parsed_in)) == len(parsed_in)
