"""How many requests a call of a saver sends, and how many had to wait for one another.

Every thread of a call knows how deep it is: how many requests in sequence came before what it
does. A thread of a pool starts as deep as who handed it the work, and who takes the
result is at least as deep as that. So the figure tells what depends on what, and
not how soon a thread was scheduled: it is the same on a slow machine.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from statistics import mean
from typing import Any, TypeVar

T = TypeVar("T")

DURABLE = ("put", "put_writes")
RESUME = "get_tuple"


class OverdueError(Exception):
    """The time of a run is over."""


@dataclass
class Call:
    """One call of a saver's method."""

    method: str
    requests: int = 0
    round_trips: int = 0
    """Requests in sequence: each but the first had to wait for the one before."""


def by_method(calls: Iterable[Call]) -> dict[str, dict[str, float]]:
    """Round trips of the calls of each method: how many calls, mean and most."""
    found: dict[str, list[int]] = {}
    for call in calls:
        found.setdefault(call.method, []).append(call.round_trips)
    return {
        method: {"calls": len(each), "mean": mean(each), "max": max(each)}
        for method, each in found.items()
    }


@dataclass
class _Depth:
    """Of one thread of a call."""

    value: int = 0


_lock = threading.Lock()
_current: ContextVar[Call | None] = ContextVar("call", default=None)
_depth: ContextVar[_Depth | None] = ContextVar("depth", default=None)


def count_request() -> None:
    """The running thread has got a reply."""
    call, depth = _current.get(), _depth.get()
    if call is None or depth is None:
        return
    with _lock:
        depth.value += 1
        call.requests += 1
        call.round_trips = max(call.round_trips, depth.value)


def watch_pools() -> None:
    """Have pools of threads pass on whose call they work for, and how deep it is."""
    submit, result = ThreadPoolExecutor.submit, Future.result

    def submit_in_context(
        pool: ThreadPoolExecutor, function: Callable[..., T], /, *args: Any, **kwargs: Any
    ) -> "Future[T]":
        context, depth = copy_context(), _depth.get()
        handed = depth and _Depth(depth.value)
        context.run(_depth.set, handed)
        future = submit(pool, context.run, function, *args, **kwargs)
        future.benchmark_depth = handed  # type: ignore[attr-defined]
        return future

    def result_and_depth(future: "Future[T]", timeout: float | None = None) -> T:
        try:
            return result(future, timeout)
        finally:
            depth, other = _depth.get(), getattr(future, "benchmark_depth", None)
            if depth and other:
                depth.value = max(depth.value, other.value)

    ThreadPoolExecutor.submit = submit_in_context  # type: ignore[method-assign]
    Future.result = result_and_depth  # type: ignore[method-assign]


class Recorder:
    """The calls of the savers that it was given."""

    def __init__(self, seconds: float = float("inf")) -> None:
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self.calls: list[Call] = []

    def take(self) -> list[Call]:
        """The calls since this was last asked."""
        calls, self.calls = self.calls, []
        return calls

    @contextmanager
    def call(self, method: str) -> Iterator[None]:
        if _current.get() is not None:  # a method that calls another one of its saver
            yield
            return
        if time.monotonic() > self._deadline:
            raise OverdueError(f"no end in {self._seconds:.0f} s")
        call = Call(method)
        tokens = _current.set(call), _depth.set(_Depth())
        try:
            yield
        finally:
            _current.reset(tokens[0])
            _depth.reset(tokens[1])
            self.calls.append(call)

    def record(self, saver: T) -> T:
        """The same saver, whose calls are recorded from now on."""
        kind: Any = type(saver)
        recorder = self

        # A subclass and not attributes: LangGraph copies savers.
        class Recorded(kind):
            def put(self, *args: Any, **kwargs: Any) -> Any:
                with recorder.call("put"):
                    return super().put(*args, **kwargs)

            def put_writes(self, *args: Any, **kwargs: Any) -> Any:
                with recorder.call("put_writes"):
                    return super().put_writes(*args, **kwargs)

            def get_tuple(self, *args: Any, **kwargs: Any) -> Any:
                with recorder.call(RESUME):
                    return super().get_tuple(*args, **kwargs)

        Recorded.__name__ = kind.__name__
        saver.__class__ = Recorded
        return saver
