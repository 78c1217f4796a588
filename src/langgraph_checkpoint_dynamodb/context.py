"""What every operation of a saver needs: the table's name, the cache, the serde, the time."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Set

    from langgraph.checkpoint.serde.base import SerializerProtocol

    from .cache import Cache
    from .codec import Record
    from .in_flight import InFlight
    from .messages import Memo
    from .shared_puts import SharedPuts

DEFAULT_MAX_BYTES = 1 << 30
"""A bound for what a few crafted items can make a reader put together."""

_CHUNK_OVERHEAD = 250  # bytes of Python objects around a cached chunk

NEVER = 0
"""The generation of chunks that do not expire."""

FOR_EVER = 9_999_999_999
"""The generation of chunks that did expire and shall no longer: the year 2286."""


@dataclass(frozen=True, slots=True)
class Context:
    """One call's surroundings.

    Attributes:
        table: Table name.
        ttl_attribute: The expiry's attribute name. It counts whether or not the table has
            TTL now: what was given an expiry may have lost chunks by then.
        ttl_seconds: How long what is written now shall live; `None` for ever.
        max_resends: How often in a row unprocessed items may come back unprocessed.
        cache: Shared by all calls of a saver.
        in_flight: The same.
        serde: The saver's serde at the time of the call.
        now: Time of the call, in epoch seconds.
        run_index: Whether the table has the index by run id.
        max_bytes: The most that the values of a checkpoint and its pending writes may take.
        encrypts: Whether the serde encrypts.
        allow_plaintext: Whether what is not encrypted is read all the same.
        asked: With fencing, the earlier checkpoints that were asked for by id; see `fence`.
        shared_puts: Where puts may share requests, whether they do.
    """

    table: str
    ttl_attribute: str
    ttl_seconds: int | None
    max_resends: int
    cache: Cache
    in_flight: InFlight
    serde: SerializerProtocol
    now: float
    run_index: bool = False
    max_bytes: int = DEFAULT_MAX_BYTES
    encrypts: bool = False
    allow_plaintext: bool = False
    asked: Cache | None = None
    shared_puts: SharedPuts | None = None

    @property
    def expiry(self) -> int | None:
        """When a checkpoint or writes item put now expires, in epoch seconds."""
        return None if self.ttl_seconds is None else math.ceil(self.now) + self.ttl_seconds

    def kept(self, *, delta: bool) -> int | None:
        """Until when such an item is kept, in epoch seconds.

        Where there are delta channels, a TTL period beyond its expiry: what is put in
        the meantime is rebuilt from it.
        """
        if self.expiry is None or self.ttl_seconds is None:
            return None
        return self.expiry + (self.ttl_seconds if delta else 0)

    def generation(self, parent: int | None, *, delta: bool) -> int:
        """The generation to write chunks in: the parent's while it lives long enough.

        A chunk has to outlive every checkpoint that refers to it. A new generation ends
        at the second TTL boundary from now, or the third, and serves the puts until the
        next boundary. One that would end later is of a longer TTL, and left to that.
        """
        kept, ttl = self.kept(delta=delta), self.ttl_seconds
        if kept is None or ttl is None:
            return NEVER
        newest = (math.ceil(self.now) // ttl + (3 if delta else 2)) * ttl
        return parent if parent is not None and kept <= parent <= newest else newest


@dataclass(frozen=True, slots=True)
class Place:
    """Where a checkpoint is: its thread and namespace, as the user names them."""

    thread_id: str
    checkpoint_ns: str

    def __str__(self) -> str:
        return f"thread {self.thread_id!r}, namespace {self.checkpoint_ns!r}"


@dataclass(frozen=True, slots=True)
class Known:
    """A stored record.

    Attributes:
        record: The record.
        refs: Every chunk that it refers to at any depth.
        closed: The same value once what was announced beside this record has arrived.
        memo: Of a list of messages, what spares reading and writing all of it.
    """

    record: Record
    refs: frozenset[bytes] = frozenset()
    closed: Known | None = None
    memo: Memo | None = None

    @property
    def announced(self) -> frozenset[bytes]:
        """Chunks that are sent along with the record, for the next one to refer to."""
        return self.closed.refs - self.refs if self.closed else frozenset()

    def with_memo(self, memo: Memo | None) -> Known:
        """The same record with another memo."""
        closed = replace(self.closed, memo=memo) if self.closed else None
        return replace(self, closed=closed, memo=memo)

    def once_arrived(self, arrived: Set[bytes]) -> Known:
        """What the next checkpoint stores for the same value."""
        return self.closed if self.closed and self.announced <= arrived else self


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known to be stored for one checkpoint: the base of its child's put."""

    generation: int
    versions: dict[str, str | int | float]
    records: dict[str, Known]
    refs: frozenset[bytes]
    written: int
    """See `Body.written`."""
    kept: float
    """Until when its item is kept, in epoch seconds; infinity if for ever."""
    chain: float | None
    """The same for it and all that its delta channels are rebuilt from, if that is known."""

    @property
    def size(self) -> int:
        """About how much memory it takes, in bytes."""
        stored = [one for known in self.records.values() for one in (known, known.closed) if one]
        inline = sum(known.record.inline_bytes + 300 for known in stored)
        memos = sum(
            known.record.size + known.memo.overhead for known in self.records.values() if known.memo
        )
        return 500 + inline + memos + 120 * len(self.refs) + 150 * len(self.versions)


_MOST_OF_THE_CACHE = 8


def remember_checkpoint(
    context: Context, place: Place, checkpoint_id: str, known: Remembered
) -> None:
    """Keep what is known of a checkpoint; memos only if they leave room for that of others.

    What is stored has to be known for a child to refer to it, memos only spare time.
    """
    size = known.size
    if size > context.cache.limit // _MOST_OF_THE_CACHE:
        records = {name: one.with_memo(None) for name, one in known.records.items()}
        known = replace(known, records=records)
        size = known.size
    context.cache.put(_checkpoint_key(place, checkpoint_id), known, size)


def remembered(context: Context, place: Place, checkpoint_id: str) -> Remembered | None:
    """What is known of a checkpoint."""
    found: Remembered | None = context.cache.get(_checkpoint_key(place, checkpoint_id))
    return found


Written: TypeAlias = "frozenset[tuple[int, bytes]]"
"""Chunks that a checkpoint's pending writes refer to, with their generations."""


def note_written(context: Context, place: Place, checkpoint_id: str, chunks: Written) -> None:
    """Remember which chunks a checkpoint's writes refer to: its child may refer to them too."""
    key = _writes_key(place, checkpoint_id)
    if chunks:
        context.cache.put(key, chunks, 200 + 200 * len(chunks))
    else:
        context.cache.forget(key)


def written(context: Context, place: Place, checkpoint_id: str) -> Written:
    """What is known of these."""
    return context.cache.get(_writes_key(place, checkpoint_id)) or frozenset()


def _checkpoint_key(place: Place, checkpoint_id: str) -> tuple[str, ...]:
    return ("checkpoint", place.thread_id, place.checkpoint_ns, checkpoint_id)


def _writes_key(place: Place, checkpoint_id: str) -> tuple[str, ...]:
    return ("writes", place.thread_id, place.checkpoint_ns, checkpoint_id)


def note_deltas(context: Context, place: Place, found: object) -> None:
    """Remember whether a namespace has delta channels, for the pending writes in it."""
    context.cache.put(("delta", place.thread_id, place.checkpoint_ns), bool(found), 200)


def may_have_deltas(context: Context, place: Place) -> bool:
    """Whether what a namespace's checkpoints are rebuilt from may be pending writes."""
    return context.cache.get(("delta", place.thread_id, place.checkpoint_ns)) is not False


def chunk_key(thread_id: str, digest: bytes) -> tuple[str, str, bytes]:
    """The cache key of a chunk's bytes."""
    return ("chunk", thread_id, digest)


def remember_chunk(context: Context, thread_id: str, digest: bytes, data: bytes) -> None:
    """Keep the bytes of a chunk that was sent, or read."""
    context.cache.put(chunk_key(thread_id, digest), data, len(data) + _CHUNK_OVERHEAD)


def forget_checkpoint(context: Context, place: Place, checkpoint_id: str) -> None:
    """Drop what is known of a checkpoint that turned out to be gone."""
    context.cache.forget(_checkpoint_key(place, checkpoint_id))
    context.cache.forget(_writes_key(place, checkpoint_id))


def forget_thread(context: Context, thread_id: str) -> None:
    """Drop what is known to be stored for a thread, once some of it is being deleted."""
    context.cache.drop(lambda key: key[0] != "chunk" and key[1] == thread_id)
