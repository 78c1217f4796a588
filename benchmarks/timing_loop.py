"""How long an event loop stands still while a saver works with a large state."""

import asyncio
import gc
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from langchain_core.messages import AIMessage
from langgraph.checkpoint.base import empty_checkpoint

from scripts import Author

TICK = 0.001
LONG = 0.005
"""A gap of which it is noted who ran in it."""


class Ticker:
    """Sleeps a millisecond again and again, and notes the longest time until it was woken."""

    def __init__(self) -> None:
        self.gap = 0.0
        self.culprits: Counter[str] = Counter()
        self._last = time.perf_counter()
        self._ended = False

    async def tick(self) -> None:
        self._last = time.perf_counter()
        while not self._ended:
            await asyncio.sleep(TICK)
            now = time.perf_counter()
            self.gap = max(self.gap, now - self._last - TICK)
            self._last = now

    def watch(self) -> None:
        """In a thread: who runs when the loop has stood still for long."""
        own = threading.get_ident()
        while not self._ended:
            time.sleep(TICK)
            late = time.perf_counter() - self._last - TICK
            if late < LONG:
                continue
            for thread, frame in sys._current_frames().items():
                if thread != own and (told := whereabouts(frame)):
                    self.culprits[told] += 1

    def end(self) -> None:
        self._ended = True


def whereabouts(frame: Any) -> str:
    """The innermost function, and the saver's own that called it; nothing for an idle thread."""
    inner = f"{frame.f_code.co_name} ({frame.f_globals.get('__name__', '?')})"
    if frame.f_code.co_name in ("wait", "_worker", "select", "watch"):
        return ""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("langgraph_checkpoint_dynamodb"):
            place = f"{module.rpartition('.')[2]}.{frame.f_code.co_name}"
            return inner if place in inner else f"{inner} in {place}"
        frame = frame.f_back
    return inner


@asynccontextmanager
async def ticking() -> AsyncIterator[Ticker]:
    ticker = Ticker()
    task = asyncio.create_task(ticker.tick())
    watcher = threading.Thread(target=ticker.watch)
    watcher.start()
    try:
        yield ticker
    finally:
        ticker.end()
        await task
        watcher.join()


def large_states(size: int) -> dict[str, Any]:
    """One value of so many bytes, and so many bytes of chat messages."""
    author = Author()
    text = author.say(size)
    messages = [
        AIMessage(text[start : start + 1000], id=author.identity())
        for start in range(0, size, 1000)
    ]
    return {"bytes": author.mixed(size), "messages": messages}


async def gaps(reopen: Callable[[], Any], size: int, collects: bool) -> dict[str, Any]:
    """The longest gap of each call with each state, in ms, and who ran in the long ones.

    Args:
        reopen: A fresh saver.
        size: Bytes of a state.
        collects: Whether Python's garbage collector runs: with this many objects alive, one
            collection stops the process for hundreds of milliseconds, whoever made them.
    """
    gc.collect()
    if not collects:
        gc.disable()
    try:
        return await _gaps(reopen, size)
    finally:
        gc.enable()


async def _gaps(reopen: Callable[[], Any], size: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    culprits: dict[str, list[tuple[str, int]]] = {}
    saver, fresh = reopen(), reopen()
    try:
        for each in (saver, fresh):  # a client's making is set apart
            await each.aget_tuple({"configurable": {"thread_id": "nobody"}})
        async with ticking() as ticker:
            await asyncio.sleep(0.5)
        figures["idle_ms"] = ticker.gap * 1000
        for name, value in large_states(size).items():
            await _calls(figures, culprits, saver, fresh, name, value)
    finally:
        await saver.aclose()
        await fresh.aclose()
    return figures | {"culprits": culprits}


async def _calls(
    figures: dict[str, Any],
    culprits: dict[str, list[tuple[str, int]]],
    saver: Any,
    fresh: Any,
    name: str,
    value: Any,
) -> None:
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"] = {"state": value}
    checkpoint["channel_versions"] = {"state": "1"}
    place: Any = {"configurable": {"thread_id": f"{name}-{checkpoint['id']}", "checkpoint_ns": ""}}
    made: Any = {"configurable": {**place["configurable"], "checkpoint_id": checkpoint["id"]}}
    other = value + value[:1]
    calls = {
        "put": lambda: saver.aput(place, checkpoint, {}, {"state": "1"}),
        "put_writes": lambda: saver.aput_writes(made, [("state", other)], "task"),
        "get_warm": lambda: saver.aget_tuple(made),
        "get_cold": lambda: fresh.aget_tuple(made),
    }
    for call, work in calls.items():
        found: Any = None  # to let a large state go takes a while too, but is the caller's time
        async with ticking() as ticker:
            started = time.perf_counter()
            found = await work()
            figures[f"{name}_{call}_seconds"] = time.perf_counter() - started
            await asyncio.sleep(TICK)
        figures[f"{name}_{call}_ms"] = ticker.gap * 1000
        if ticker.culprits:
            culprits[f"{name}_{call}"] = ticker.culprits.most_common(3)
        if call.startswith("get") and found.checkpoint["channel_values"]["state"] != value:
            raise AssertionError(f"{call} returns another state than was saved")
