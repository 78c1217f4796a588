"""Cancellation, event loops, threads, dropped savers and forks: nothing may be left behind.

An operation is cancelled at its k-th await, for every k, counted over all tasks that it
starts. Then a reader must find the state before or after it, the same operation must succeed, and
no task, claim, thread, socket or client may be left. The same counts are taken after two event
loops on one saver, a pool of threads, savers that are dropped without being closed, and forks.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import resource
import signal
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3
from botocore.client import BaseClient
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6

from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig

TITLE = "Operations cancelled at every await; two loops, threads, dropped savers, forks"
SHORT = {"rounds": 1, "steps": 8, "savers": 3, "forks": 2}
LONG = {"rounds": 12, "steps": 400, "savers": 40, "forks": 40}

_KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
_REGION = "eu-central-1"
_MODES = ("async", "threads")
_PATIENCE = 20.0
"""How long what was cancelled may take to come to an end, in seconds."""

_BIG = random.Random(1).randbytes(60_000)


def run(
    endpoint: str, seed: int, *, rounds: int, steps: int, savers: int, forks: int
) -> dict[str, int | float]:
    """Run all parts on a new table; raises `AssertionError` at the first thing left behind.

    Args:
        endpoint: DynamoDB Local's URL.
        seed: Decides what the random parts do.
        rounds: How often every await of every operation is cancelled.
        steps: Operations of each loop and of the pool of threads.
        savers: How many are made and dropped.
        forks: How many children are forked.
    """
    site = _Site(endpoint, seed)
    figures: dict[str, int | float] = {"cancelled": 0, "operations": 0}
    with _complaints() as complaints:
        for part in (
            lambda: _cancel_everywhere(site, rounds),
            lambda: _two_loops(site, steps),
            lambda: _threads(site, steps),
            lambda: _dropped(site, savers),
            lambda: _forks(site, forks),
        ):
            before = _open_things()
            for name, count in part().items():
                figures[name] = figures.get(name, 0) + count
            site.nothing_left(before)
            assert complaints == [], f"seed {seed}: {complaints[:3]}"
    site.drop_table()
    return {**figures, "left behind": 0}


class _Site:
    """A table, and savers on it."""

    def __init__(self, endpoint: str, seed: int) -> None:
        self.endpoint = endpoint
        self.seed = seed
        self.random = random.Random(seed)
        self.table = f"lifecycle-{uuid.uuid4().hex}"
        with self.saver("sync", deploy=True):
            pass

    def saver(self, mode: str, *, deploy: bool = False, fence: bool = False) -> DynamoDBSaver:
        # A session of boto3 alone takes the async client away.
        keys: dict[str, Any] = {"region_name": _REGION, **_KEYS}
        if mode == "threads":
            keys = {"session": boto3.Session(region_name=_REGION, **_KEYS)}
        table = DynamoDBTableConfig(table_name=self.table)
        config = DynamoDBConfig(table_config=table, endpoint_url=self.endpoint, fence=fence, **keys)
        return DynamoDBSaver(config, deploy=deploy)

    def drop_table(self) -> None:
        with self.saver("sync") as saver:
            saver.destroy()

    def nothing_left(self, before: dict[str, int]) -> None:
        """Compare what is open with what was, once what was cancelled has had its time."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            gc.collect()
            after = _open_things()
            more = {name: after[name] - before[name] for name in after}
            if all(count <= 0 for count in more.values()):
                return
            assert time.monotonic() < deadline, f"seed {self.seed}: left behind: {more}"
            time.sleep(0.05)


def _open_things() -> dict[str, int]:
    found = {"sockets": 0, "threads": 0, "clients": 0}
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found["sockets"] += str(descriptor.readlink()).startswith("socket:")
    found["threads"] = sum(
        one.name.startswith(("dynamodb-saver", "asyncio_")) for one in threading.enumerate()
    )
    found["clients"] = sum(isinstance(one, BaseClient) for one in gc.get_objects())
    return found


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What asyncio, warnings and finalizers say of things that were left."""
    found: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    handler = Handler(logging.WARNING)
    loggers = [logging.getLogger(name) for name in ("asyncio", "concurrent.futures")]
    unraisable = sys.unraisablehook
    with warnings.catch_warnings():
        for category in (ResourceWarning, RuntimeWarning):
            warnings.simplefilter("always", category)
        warnings.showwarning = lambda message, *_: found.append(str(message))
        sys.unraisablehook = lambda problem: found.append(repr(problem.exc_value))
        for logger in loggers:
            logger.addHandler(handler)
        try:
            yield found
            gc.collect()
        finally:
            sys.unraisablehook = unraisable
            for logger in loggers:
                logger.removeHandler(handler)


# One operation, cancelled


class _Counted:
    """A coroutine whose awaits are counted."""

    def __init__(self, coroutine: Any, passed: Callable[[], None]) -> None:
        self._coroutine = coroutine
        self._passed = passed

    def __await__(self) -> Any:
        value: Any = None
        error: BaseException | None = None
        try:
            while True:
                try:
                    waiting = (
                        self._coroutine.send(value)
                        if error is None
                        else self._coroutine.throw(error)
                    )
                except StopIteration as stop:
                    return stop.value
                self._passed()
                value = error = None
                try:
                    value = yield waiting
                except GeneratorExit:
                    raise
                except BaseException as thrown:
                    error = thrown
        finally:
            self._coroutine.close()


async def _cancelled_at(number: int, work: Awaitable[Any]) -> bool:
    """Cancel `work` once it and the tasks that it starts have awaited so often.

    Returns whether it was cancelled: it may have had fewer awaits.
    """
    loop = asyncio.get_running_loop()
    awaits = 0
    main: asyncio.Task[Any] | None = None

    def passed() -> None:
        nonlocal awaits
        awaits += 1
        if awaits == number and main is not None:
            loop.call_soon(main.cancel)

    async def counted(coroutine: Any) -> Any:
        return await _Counted(coroutine, passed)

    loop.set_task_factory(
        lambda loop, coroutine, **more: asyncio.Task(counted(coroutine), loop=loop, **more)
    )
    try:
        main = asyncio.ensure_future(work)
        await asyncio.wait([main])
    finally:
        loop.set_task_factory(None)
    if main.cancelled():
        return True
    main.result()
    return awaits >= number


class _Thread:
    """A thread of two checkpoints, and what may be done to it.

    Attributes:
        first, last: The values of the two.
    """

    def __init__(self, saver: DynamoDBSaver, name: str) -> None:
        self.saver = saver
        self.name = name
        self.config: Any = {"configurable": {"thread_id": name, "checkpoint_ns": ""}}
        self.first = {"text": name, "document": _BIG}
        self.last = {"text": f"{name} more", "document": _BIG[500:] + name.encode()}
        self.child = self._checkpoint(self.last)

    def _checkpoint(self, values: dict[str, Any]) -> Any:
        version = self.saver.get_next_version(None, None)
        versions = dict.fromkeys(values, version)
        return {
            **empty_checkpoint(),
            "id": str(uuid6()),
            "channel_values": values,
            "channel_versions": versions,
        }

    async def begin(self) -> None:
        begun = self._checkpoint(self.first)
        self.child["id"] = str(uuid6())  # after its parent's
        versions = begun["channel_versions"]
        self.parent: Any = await self.saver.aput(self.config, begun, {"step": 0}, versions)

    async def put(self) -> None:
        versions = self.child["channel_versions"]
        await self.saver.aput(self.parent, self.child, {"step": 1}, versions)

    async def put_writes(self) -> None:
        writes = [("text", "write"), ("document", _BIG[: len(_BIG) // 2])]
        await self.saver.aput_writes(self.parent, writes, "task")

    async def read(self) -> None:
        self.saver._cache.clear()
        assert await self.values() in (self.first, self.last)

    async def listed(self) -> None:
        self.saver._cache.clear()
        assert [found async for found in self.saver.alist(self.config)]

    async def copy(self) -> None:
        await self.saver.acopy_thread(self.name, f"{self.name} copy")

    async def prune(self) -> None:
        await self.saver.aprune([self.name])

    async def delete(self) -> None:
        await self.saver.adelete_thread(self.name)

    async def values(self, name: str | None = None) -> Any:
        config: Any = {"configurable": {"thread_id": name or self.name, "checkpoint_ns": ""}}
        found = await self.saver.aget_tuple(config)
        return None if found is None else found.checkpoint["channel_values"]

    async def writes(self) -> int:
        found = await self.saver.aget_tuple(self.parent)
        return len(found.pending_writes or []) if found else 0

    async def copied(self) -> Any:
        return await self.values(f"{self.name} copy")


# What is cancelled, what is done before it, and what is looked at: before or after, nothing else.
_OPERATIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "put": (("begin",), "values"),
    "put_writes": (("begin",), "writes"),
    "read": (("begin", "put", "put_writes"), "values"),
    "listed": (("begin", "put", "put_writes"), "values"),
    "copy": (("begin", "put"), "copied"),
    "prune": (("begin", "put"), "values"),
    "delete": (("begin", "put"), "values"),
}


_CHANGE_NOTHING = ("read", "listed", "prune")


def _cancel_everywhere(site: _Site, rounds: int) -> dict[str, int]:
    figures = {"cancelled": 0, "operations": 0}
    for mode in _MODES:
        for _ in range(rounds):
            # A new one, so that the first await is the opening of a client.
            for fence, names in ((False, _OPERATIONS), (True, ("put",))):
                saver = site.saver(mode, fence=fence)
                for name in names:
                    cancelled = _in_a_loop(saver, _each_await(site, saver, name))
                    figures["cancelled"] += cancelled
                    figures["operations"] += cancelled + 1
    return figures


def _in_a_loop(saver: DynamoDBSaver, work: Awaitable[int]) -> int:
    loop = asyncio.new_event_loop()
    try:
        found = loop.run_until_complete(work)
        loop.run_until_complete(saver.aclose())
    finally:
        loop.close()
    return found


async def _each_await(site: _Site, saver: DynamoDBSaver, name: str) -> int:
    """Cancel an operation at its first await, then at its second, until it has no more."""
    before, look = _OPERATIONS[name]
    for number in range(1, 10_000):
        thread = _Thread(saver, f"{name} {uuid.UUID(int=site.random.getrandbits(128))}")
        for step in before:
            await getattr(thread, step)()
        old = await getattr(thread, look)()
        where = f"seed {site.seed}: {name} cancelled at await {number}"
        cancelled = await _cancelled_at(number, getattr(thread, name)())
        await _quiet(saver, where)
        found = await getattr(thread, look)()
        await getattr(thread, name)()
        new = await getattr(thread, look)()
        # A batch is not one step: the target may have the older checkpoint first.
        states = (old, new, thread.first) if name == "copy" else (old, new)
        assert found in states, f"{where}: {str(found)[:200]}"
        assert (new == old) == (name in _CHANGE_NOTHING), where
        if not cancelled:
            return number - 1
    raise AssertionError(f"seed {site.seed}: {name} never ends")


async def _quiet(saver: DynamoDBSaver, where: str) -> None:
    """No task may be left, and no claim on a chunk."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=_PATIENCE)
    left = [task for task in others if not task.done()]
    assert left == [], f"{where}: tasks left: {left}"
    assert saver._in_flight._scopes == {}, f"{where}: claims left"


# Loops and threads


def _two_loops(site: _Site, steps: int) -> dict[str, int]:
    """Two event loops at once on one saver, with operations cancelled at random moments."""
    operations = cancelled = 0
    for mode in _MODES:
        saver = site.saver(mode)
        both_open = threading.Barrier(2, timeout=60)

        async def work(
            seed: int, saver: DynamoDBSaver = saver, gate: threading.Barrier = both_open
        ) -> int:
            draw = random.Random(seed)
            await asyncio.to_thread(gate.wait)
            stopped = 0
            for step in range(0, steps, 8):
                threads = [_Thread(saver, f"loop {seed} {step} {n}") for n in range(8)]
                tasks = [asyncio.ensure_future(_steps_of(one)) for one in threads]
                for task in draw.sample(tasks, 3):
                    await asyncio.sleep(draw.random() * 0.01)
                    task.cancel()
                ends = await asyncio.gather(*tasks, return_exceptions=True)
                stopped += sum(isinstance(end, asyncio.CancelledError) for end in ends)
                wrong = [end for end in ends if isinstance(end, Exception)]
                assert wrong == [], f"seed {site.seed}: {wrong[0]!r}"
                for one in threads:
                    assert await one.values() in (None, one.first, one.last), site.seed
            await asyncio.to_thread(gate.wait)
            await saver.aclose()
            return stopped

        with ThreadPoolExecutor(2) as pool:
            seeds = [site.random.randrange(1 << 30) for _ in range(2)]
            for done in [pool.submit(asyncio.run, work(seed)) for seed in seeds]:
                cancelled += done.result()
        assert saver._in_flight._scopes == {}, f"seed {site.seed}: claims left"
        saver.close()
        operations += 2 * steps
    return {"operations": operations, "cancelled": cancelled}


async def _steps_of(thread: _Thread) -> None:
    await thread.begin()
    await asyncio.gather(thread.put_writes(), thread.put())
    await thread.read()


def _threads(site: _Site, steps: int) -> dict[str, int]:
    """Threads on one saver, sync and each with a loop of its own; the saver is closed meanwhile."""
    saver = site.saver("async")

    def work(number: int) -> None:
        thread = _Thread(saver, f"pool {site.seed} {number}")
        if number % 4 == 0:
            saver.close()
        begun = thread._checkpoint(thread.first)
        saver.put(thread.config, begun, {"step": 0}, begun["channel_versions"])
        found = saver.get_tuple(thread.config)
        assert found is not None, site.seed
        assert found.checkpoint["channel_values"] == thread.first, site.seed

    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(work, range(steps)):
            pass
    saver.close()
    return {"operations": 2 * steps}


def _dropped(site: _Site, count: int) -> dict[str, int]:
    """Savers that nobody closes, on loops that are closed in every way."""
    largest = 0
    for number in range(count):
        saver: DynamoDBSaver | None = site.saver(_MODES[number % 2])
        thread: _Thread | None = _Thread(saver, f"dropped {site.seed} {number}")  # type: ignore[arg-type]
        assert saver is not None
        assert thread is not None
        if number % 3 == 0:
            asyncio.run(_steps_of(thread))
        else:
            loop = asyncio.new_event_loop()
            loop.run_until_complete(_steps_of(thread))
            if number % 3 == 1:
                saver.close()
            loop.close()
            del loop
        saver.get_tuple(thread.config)
        saver = thread = None
        gc.collect()
        if number == count // 2:
            largest = _memory()
    grown = _memory() - largest
    assert count < 20 or grown < 64, f"seed {site.seed}: {grown} MB more after half of the savers"
    return {"savers dropped": count}


def _memory() -> int:
    """The most memory that the process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _forks(site: _Site, count: int) -> dict[str, int]:
    """Children forked from a process whose saver is in use: both go on."""
    saver = site.saver("sync")
    stop = threading.Event()

    def hammer(number: int) -> None:
        step = 0
        while not stop.is_set():
            _put_and_read(saver, f"parent {site.seed} {number} {step}")
            step += 1

    with ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(hammer, number) for number in range(3)]
        try:
            for number in range(count):
                time.sleep(site.random.random() * 0.05)
                _in_child(lambda number=number: _put_and_read(saver, f"child {number}"), site.seed)  # type: ignore[misc]
        finally:
            stop.set()
        for worker in workers:
            worker.result()
    saver.close()
    return {"forks": count}


def _put_and_read(saver: DynamoDBSaver, name: str) -> None:
    thread = _Thread(saver, f"{name} {uuid.uuid4()}")
    begun = thread._checkpoint(thread.first)
    saver.put(thread.config, begun, {"step": 0}, begun["channel_versions"])
    found = saver.get_tuple(thread.config)
    assert found is not None, name
    assert found.checkpoint["channel_values"] == thread.first, name


def _in_child(work: Callable[[], None], seed: int) -> None:
    child = _fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    deadline = time.monotonic() + 30
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0, f"seed {seed}: a forked child ended with status {status}"
            return
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError(f"seed {seed}: a forked child hangs")
        time.sleep(0.01)


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which is the point
        return os.fork()
