"""Single flight: two operations of a process do not write the same chunk twice.

LangGraph stores a task's writes in the background while it puts the checkpoint that contains them:
two calls with the same large value, at about the same time. The first operation that claims a chunk
writes it; the other waits until it is acknowledged. A fulfilled claim is kept until all overlapping
operations have ended: the chunk was acknowledged during their call, as if they had written it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeAlias

from .fork import reset_after_fork

ChunkScope: TypeAlias = tuple[str, int]
"""The thread and the generation of chunks."""

Claim: TypeAlias = "Future[bool]"
"""Done when its chunks were written or given up: whether they were written."""

MAX_AGE = 600
"""Seconds after which fulfilled claims are dropped, even if operations still overlap. Garbage
collection keeps chunks for an hour."""


@dataclass(slots=True)
class _Scope:
    begun: float
    operations: int = 0
    claims: dict[bytes, Claim] = field(default_factory=dict)

    def forget_written(self) -> None:
        self.claims = {one: claim for one, claim in self.claims.items() if not claim.done()}


class InFlight:
    """The claims of all operations of a saver."""

    def __init__(self) -> None:
        self._scopes: dict[ChunkScope, _Scope] = {}
        self._lock = Lock()
        reset_after_fork(self)

    @contextmanager
    def operation(self, scope: ChunkScope, now: float) -> Iterator[None]:
        """Within this block, chunks that other operations wrote since it began count as stored."""
        with self._lock:
            found = self._scopes.setdefault(scope, _Scope(now))
            if not 0 <= now - found.begun <= MAX_AGE:
                found.begun = now
                found.forget_written()
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
    ) -> tuple[list[bytes], dict[bytes, Claim]]:
        """The chunks that the caller must write, and the claims of those that others write.

        The caller must `settle` its claims, even if there are none. An operation settles its own
        claims before it waits for others, so two operations cannot deadlock.
        """
        mine = []
        others = {}
        own: Claim = Future()  # one for all: a large value has thousands of chunks
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
        """Complete claims: whether the chunks were written."""
        with self._lock:
            found = self._scopes.get(scope)  # none in a child that was forked since
            claims = found.claims if found else {}
            settled = {claims[digest] for digest in digests if digest in claims}
            if not written:
                for digest in digests:
                    claims.pop(digest, None)
        for claim in settled:
            claim.set_result(written)

    def forget_thread(self, thread_id: str) -> None:
        """Drop the fulfilled claims of a thread, as a deletion may remove its chunks."""
        with self._lock:
            for scope, found in self._scopes.items():
                if scope[0] == thread_id:
                    found.forget_written()

    def after_fork(self) -> None:
        """Drop the claims of the parent's threads: nothing settles them in a child."""
        self._scopes = {}
        self._lock = Lock()
