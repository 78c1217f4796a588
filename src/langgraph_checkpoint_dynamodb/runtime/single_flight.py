"""Chunks that are being written, so that two operations of a process do not write one twice.

LangGraph stores a task's writes in the background while it puts the checkpoint that
contains them: two calls with the same large value, at about the same moment. The first to
claim a chunk writes it, and the other waits for it. A claim that was kept stays known until the
operations that overlap with it have ended: the chunk was acknowledged during their call, as if
they had written it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeAlias

from .fork import begin_anew_after_fork

ChunkScope: TypeAlias = tuple[str, int]
"""The thread and the generation of chunks."""

MAX_AGE = 600
"""Seconds after which what was written is forgotten, however many operations overlap: a sweep
spares chunks for an hour."""


@dataclass(slots=True)
class _Scope:
    begun: float
    operations: int = 0
    claims: dict[bytes, Future[bool]] = field(default_factory=dict)

    def forget_written(self) -> None:
        self.claims = {one: claim for one, claim in self.claims.items() if not claim.done()}


class InFlight:
    """Who writes what."""

    def __init__(self) -> None:
        self._scopes: dict[ChunkScope, _Scope] = {}
        self._lock = Lock()
        begin_anew_after_fork(self)

    @contextmanager
    def operation(self, scope: ChunkScope, now: float) -> Iterator[None]:
        """As long as this lasts, chunks that others have written in it count as written."""
        with self._lock:
            found = self._scopes.setdefault(scope, _Scope(now))
            if not 0 <= now - found.begun <= MAX_AGE:
                found.begun = now
                found.claims = {
                    one: claim for one, claim in found.claims.items() if not claim.done()
                }
            found.operations += 1
        try:
            yield
        finally:
            with self._lock:
                found.operations -= 1
                if not found.operations and self._scopes.get(scope) is found:
                    del self._scopes[scope]

    def claim(
        self, scope: ChunkScope, digests: Iterable[bytes]
    ) -> tuple[list[bytes], dict[bytes, Future[bool]]]:
        """The chunks that the caller now writes, and those that others write or have written.

        Who claims has to `settle`, be it nothing. An operation settles its own claims before
        it waits for others, so no two can wait for each other.
        """
        mine = []
        others = {}
        own: Future[bool] = Future()  # one for all: a large value has thousands of chunks
        with self._lock:
            claims = self._scopes[scope].claims
            for digest in digests:
                claim = claims.setdefault(digest, own)
                if claim is own:
                    mine.append(digest)
                else:
                    others[digest] = claim
        return mine, others

    def settle(self, scope: ChunkScope, digests: Iterable[bytes], *, written: bool) -> None:
        """Tell those who wait whether the chunks are written."""
        with self._lock:
            found = self._scopes.get(scope)  # none in a child that was forked meanwhile
            claims = found.claims if found else {}
            settled = {claims[digest] for digest in digests if digest in claims}
            if not written:
                for digest in digests:
                    claims.pop(digest, None)
        for claim in settled:
            claim.set_result(written)

    def forget_thread(self, thread_id: str) -> None:
        """Count nothing as written any more that a deletion may be taking away."""
        with self._lock:
            for scope, found in self._scopes.items():
                if scope[0] == thread_id:
                    found.forget_written()

    def after_fork(self) -> None:
        """Forget what the parent's threads are writing: nobody settles it in a child."""
        self._scopes = {}
        self._lock = Lock()
