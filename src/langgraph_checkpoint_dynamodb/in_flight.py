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

Place: TypeAlias = tuple[str, int]
"""The thread and the generation of chunks."""


class InFlight:
    """Who writes what: the first to claim a chunk writes it, the others wait for it."""

    def __init__(self) -> None:
        self._futures: dict[Place, dict[bytes, Future[bool]]] = {}
        self._lock = Lock()
        begin_anew_after_fork(self)

    def claim(
        self, place: Place, digests: Iterable[bytes]
    ) -> tuple[list[bytes], dict[bytes, Future[bool]]]:
        """The chunks that the caller now writes, and those that others are writing.

        Whoever claims has to `settle`, be it nothing. An operation settles its own
        claims before it waits for others, so no two can wait for each other.
        """
        mine = []
        others = {}
        claim: Future[bool] = Future()  # one for all: a large value has thousands of chunks
        with self._lock:
            futures = self._futures.setdefault(place, {})
            for digest in digests:
                future = futures.setdefault(digest, claim)
                if future is claim:
                    mine.append(digest)
                else:
                    others[digest] = future
        return mine, others

    def settle(self, place: Place, digests: Iterable[bytes], *, written: bool) -> None:
        """Tell those who wait whether the chunks are written."""
        with self._lock:
            futures = self._futures.get(place, {})
            settled = set(map(futures.pop, digests))
            if not futures:
                self._futures.pop(place, None)
        for future in settled:
            future.set_result(written)

    def after_fork(self) -> None:
        """Forget what the parent's threads are writing: nobody settles it in a child."""
        self._futures = {}
        self._lock = Lock()
