"""A saver's own CPU time and memory, with a table that answers at once."""

import gc
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from timing_stub import StubSession

METHODS = ("put", "put_writes", "get_tuple")
STUB = "stub"
"""Answers from this process; else a source is the saver's table."""
MEMORY = "memory"
"""SQLite without a file."""


def own_saver(session: StubSession) -> Any:
    """This project's saver, as a user opens it, on a stub."""
    from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver

    return DynamoDBSaver(DynamoDBConfig(session=session))  # type: ignore[arg-type]


class Clock:
    """CPU seconds of the calls of a saver's methods, in whatever thread each runs."""

    def __init__(self, apart: Callable[[], float] = lambda: 0.0) -> None:
        self._apart = apart
        """CPU seconds of the running thread that are not the saver's."""
        self._inside = threading.local()
        self.seconds: Counter[str] = Counter()

    def time(self, saver: Any) -> Any:
        """The same saver, timed: a subclass, because LangGraph copies savers."""
        clock, kind = self, type(saver)

        def timed(name: str) -> Callable[..., Any]:
            method = getattr(kind, name)

            def call(saver: Any, *args: Any, **kwargs: Any) -> Any:
                if getattr(clock._inside, "now", False):  # a method that calls another
                    return method(saver, *args, **kwargs)
                clock._inside.now = True
                started = time.thread_time() - clock._apart()
                try:
                    return method(saver, *args, **kwargs)
                finally:
                    clock._inside.now = False
                    clock.seconds[name] += time.thread_time() - clock._apart() - started

            return call

        saver.__class__ = type(kind.__name__, (kind,), {name: timed(name) for name in METHODS})
        return saver


def cpu_of_chat(place: Any, source: str, turns: int, number: int, chat: Any) -> dict[str, float]:
    """CPU milliseconds a turn, by method; `source` is what answers the saver."""
    if source == STUB:
        session = StubSession()
        clock = Clock(session.table.cpu_seconds)
        saver = own_saver(session)
    else:
        clock = Clock()
        saver = place.saver.open(":memory:") if source == MEMORY else place.open()
    played = chat(clock.time(saver))
    played.turn("warm")  # imports, clients, connections
    clock.seconds.clear()
    for _ in range(turns):
        played.turn(f"cpu-{number}")
    close(saver)
    spent = {f"{name}_ms": clock.seconds[name] * 1000 / turns for name in METHODS}
    return {"ms": sum(spent.values()), **spent}


def close(saver: BaseCheckpointSaver[Any]) -> None:
    with suppress(AttributeError):
        saver.close()  # type: ignore[attr-defined]


def memory_of_threads(place: Any, threads: int, turns: int, chat: Any) -> dict[str, float]:
    """Bytes that the process grows by while its saver serves `threads` chats, all at every turn."""
    session = StubSession(str(Path(place.directory) / "table.sqlite"))
    chat(own_saver(StubSession())).turn("warm")  # what the process needs anyway
    saver = own_saver(session)
    played = chat(saver)
    gc.collect()
    before = resident()
    most = before
    for _ in range(turns):
        for number in range(threads):
            played.turn(f"thread-{number}")
            if number % 100 == 0:
                most = max(most, resident())
    most = max(most, resident())
    return {
        "before_bytes": before,
        "grown_bytes": most - before,
        "cache_limit_bytes": cache_limit(),
        "threads": threads,
    }


def cache_limit() -> int:
    from langgraph_checkpoint_dynamodb import DynamoDBConfig

    return DynamoDBConfig().cache_bytes


def resident() -> int:
    """Bytes of this process in memory now; the most so far, where that cannot be told."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
