"""Chunks that are being written, so that two operations of a process do not write one twice.

LangGraph stores a task's writes in the background while it puts the checkpoint that
contains them: two calls with the same large value at the same moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from threading import Lock
from typing import TypeAlias

from .processes import begin_anew_after_fork

Key: TypeAlias = tuple[str, int, bytes]
"""A chunk's thread, generation and digest."""


class InFlight:
    """Who writes what: the first to claim a key writes it, the others wait for it."""

    def __init__(self) -> None:
        self._futures: dict[Key, Future[bool]] = {}
        self._lock = Lock()
        begin_anew_after_fork(self)

    def claim(self, keys: Iterable[Key]) -> tuple[list[Key], dict[Key, Future[bool]]]:
        """The keys that the caller now writes, and those that others are writing.

        Whoever claims a key has to `settle` it. An operation settles its own
        claims before it waits for others, so no two can wait for each other.
        """
        mine = []
        others = {}
        claim: Future[bool] = Future()  # one for all: a large value has thousands of chunks
        with self._lock:
            for key in keys:
                future = self._futures.setdefault(key, claim)
                if future is claim:
                    mine.append(key)
                else:
                    others[key] = future
        return mine, others

    def settle(self, keys: Iterable[Key], *, written: bool) -> None:
        """Tell those who wait whether the keys are written."""
        with self._lock:
            settled = {self._futures.pop(key) for key in keys}
        for future in settled:
            future.set_result(written)

    def after_fork(self) -> None:
        """Forget what the parent's threads are writing: nobody settles it in a child."""
        self._futures = {}
        self._lock = Lock()
