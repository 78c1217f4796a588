"""What a process remembers of checkpoints that it has put or read.

An operation looks a checkpoint up once, at its start, and goes on with that record whatever
happens to the memory meanwhile. A record is never changed: another takes its place. It shares
nothing with what callers gave or got.

What is remembered decides what has to be sent, and never which values are stored: who does not
find a checkpoint here reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..format.expiry import NEVER, Lifetime
from ..format.keys import ChunkRefs
from ..runtime.context import Context, ThreadNamespace
from ..serialization.encode import StoredValue

_MAX_AGE = 1800
"""Seconds after which a record is not built on any more but read again: half the time for which a
sweep spares chunks that nothing refers to."""

_MEMO_SHARE = 8
"""A record over this part of the cache is kept without memos: to know what is stored saves
requests, a memo only time."""


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """What is known of a stored checkpoint: what its child's put can build on.

    Attributes:
        lifetime: Its own.
        versions: The version of each channel.
        values: What is stored for each channel.
        refs: Every chunk that it refers to, those of its body included.
        chunk_count: See `Body.chunk_count`.
        chain: Until when it and all that its delta channels are rebuilt from are kept, in epoch
            seconds; `None` if that is not known.
        newest: Whether it was its namespace's newest when it was put or read.
        looked_at: When that was, in epoch seconds.
        write_refs: The chunks that its regular pending writes refer to, as far as is known.
    """

    lifetime: Lifetime
    versions: Mapping[str, str | int | float]
    values: Mapping[str, StoredValue]
    refs: frozenset[bytes]
    chunk_count: int
    chain: float | None
    newest: bool
    looked_at: float
    write_refs: ChunkRefs = frozenset()

    def known(self, generation: int) -> frozenset[bytes]:
        """The chunks of a generation that a child may refer to."""
        of_writes = frozenset(ref for made_in, ref in self.write_refs if made_in == generation)
        return self.refs | of_writes if generation == self.lifetime.generation else of_writes

    @property
    def size(self) -> int:
        """About how much memory it takes, in bytes."""
        inline = sum(value.record.inline_bytes + 300 for value in self.values.values())
        memos = sum(value.memo.size for value in self.values.values() if value.memo)
        return 500 + inline + memos + 120 * len(self.refs) + 150 * len(self.versions)

    def without_memos(self) -> StoredCheckpoint:
        """The same, in less memory."""
        values = {name: replace(value, memo=None) for name, value in self.values.items()}
        return replace(self, values=values)


def remember(
    context: Context, place: ThreadNamespace, checkpoint_id: str, stored: StoredCheckpoint
) -> None:
    """Keep what is known of a checkpoint."""
    if stored.size > context.cache.limit // _MEMO_SHARE:
        stored = stored.without_memos()
    context.cache.put(_checkpoint_key(place, checkpoint_id), stored, stored.size)


def remembered(
    context: Context, place: ThreadNamespace, checkpoint_id: str
) -> StoredCheckpoint | None:
    """What is known of a checkpoint."""
    keys = (_checkpoint_key(place, checkpoint_id), _writes_key(place, checkpoint_id))
    stored, writes = context.cache.get_all(keys)
    if stored is None or not 0 <= context.now - stored.looked_at <= _MAX_AGE:
        return None
    found: StoredCheckpoint = replace(stored, write_refs=writes or frozenset())
    return found


def forget(context: Context, place: ThreadNamespace, checkpoint_id: str) -> None:
    """Drop what is known of a checkpoint."""
    for key in (_checkpoint_key, _writes_key, _lifetime_key):
        context.cache.forget(key(place, checkpoint_id))


def forget_thread(context: Context, thread_id: str) -> None:
    """Drop what is known to be stored for a thread, once some of it is being deleted."""
    context.cache.drop(lambda key: key[0] != "chunk" and key[1] == thread_id)
    context.in_flight.forget_thread(thread_id)


def note_writes(
    context: Context, place: ThreadNamespace, checkpoint_id: str, refs: ChunkRefs
) -> None:
    """Remember which chunks a checkpoint's pending writes refer to, in place of what was known."""
    key = _writes_key(place, checkpoint_id)
    if refs:
        context.cache.put(key, refs, _size_of_refs(refs))
    else:
        context.cache.forget(key)


def add_writes(
    context: Context, place: ThreadNamespace, checkpoint_id: str, refs: ChunkRefs
) -> None:
    """Remember chunks that a task's writes refer to, beside those of others."""
    if refs:
        key = _writes_key(place, checkpoint_id)
        context.cache.merge(key, lambda old: (old or frozenset()) | refs, _size_of_refs)


def note_lifetime(
    context: Context, place: ThreadNamespace, checkpoint_id: str, lifetime: Lifetime
) -> None:
    """Remember the lifetime of a checkpoint that is being put, for writes that come beside it."""
    if lifetime.generation != NEVER:
        context.cache.put(_lifetime_key(place, checkpoint_id), lifetime, 400)


def lifetime_of(context: Context, place: ThreadNamespace, checkpoint_id: str) -> Lifetime | None:
    """The lifetime of a checkpoint that is being put, or that was put or read."""
    keys = (_checkpoint_key(place, checkpoint_id), _lifetime_key(place, checkpoint_id))
    stored, noted = context.cache.get_all(keys)
    found: Lifetime | None = stored.lifetime if stored is not None else noted
    return found


def _size_of_refs(refs: ChunkRefs) -> int:
    return 200 + 200 * len(refs)


def _checkpoint_key(place: ThreadNamespace, checkpoint_id: str) -> tuple[str, ...]:
    return ("checkpoint", place.thread_id, place.checkpoint_ns, checkpoint_id)


def _writes_key(place: ThreadNamespace, checkpoint_id: str) -> tuple[str, ...]:
    return ("writes", place.thread_id, place.checkpoint_ns, checkpoint_id)


def _lifetime_key(place: ThreadNamespace, checkpoint_id: str) -> tuple[str, ...]:
    return ("lifetime", place.thread_id, place.checkpoint_ns, checkpoint_id)
