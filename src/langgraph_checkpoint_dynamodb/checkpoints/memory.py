"""What a process remembers of the checkpoints that it has put or read.

An operation looks a checkpoint up once, at its start, and uses that record to its end. A record is
immutable, and shares no objects with what callers pass or get.

Memory decides which requests are sent, never which values are stored: an operation that does not
find a checkpoint here reads it from the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..format.body import Listed
from ..format.expiry import NEVER, Lifetime
from ..format.keys import ChunkRefs
from ..runtime.context import Context, ThreadNamespace
from ..serialization.encode import StoredValue

_MAX_AGE = 1800
"""Seconds after which a record is stale, and the checkpoint is read again. Half the grace time of
garbage collection, so that the chunks in a record have not been deleted."""

_MEMO_SHARE = 8
"""A record larger than this fraction of the cache is kept without memos. The rest of a record saves
requests; memos save CPU time only."""


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """What is known of a stored checkpoint, for the put of its child.

    Attributes:
        lifetime: Its expiry and its chunks' generation.
        versions: The version of each channel.
        values: What is stored for each channel.
        refs: Every chunk that it refers to, including those of its body.
        chunk_count: See `Body.chunk_count`.
        chain: Until when it is kept together with all ancestors that its delta channels are
            rebuilt from, in epoch seconds; `None` if not known.
        newest: Whether it was its namespace's newest when it was put or read.
        looked_at: When it was put or read, in epoch seconds.
        write_refs: The chunks that its regular pending writes refer to, as far as known.
        listed: What it says of its thread's entry in the directory; `None` if nothing.
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
    listed: Listed | None = None

    def known(self, generation: int) -> frozenset[bytes]:
        """The chunks in a generation that a child may refer to."""
        of_writes = frozenset(ref for made_in, ref in self.write_refs if made_in == generation)
        return self.refs | of_writes if generation == self.lifetime.generation else of_writes

    def locate(self, refs: frozenset[bytes]) -> ChunkRefs:
        """Some of its chunks or of its writes' chunks, with the generations that they are in."""
        of_writes = {ref: generation for generation, ref in self.write_refs}
        generation = self.lifetime.generation
        return frozenset((generation if ref in self.refs else of_writes[ref], ref) for ref in refs)

    @property
    def size(self) -> int:
        """About how much memory it uses, in bytes."""
        inline = sum(value.record.inline_bytes + 300 for value in self.values.values())
        memos = sum(value.memo.size for value in self.values.values() if value.memo)
        return 500 + inline + memos + 120 * len(self.refs) + 150 * len(self.versions)

    def without_memos(self) -> StoredCheckpoint:
        """A copy without memos, which uses less memory."""
        values = {name: replace(value, memo=None) for name, value in self.values.items()}
        return replace(self, values=values)


def remember(
    context: Context, place: ThreadNamespace, checkpoint_id: str, stored: StoredCheckpoint
) -> None:
    """Remember a checkpoint."""
    size = stored.size
    if size > context.cache.limit // _MEMO_SHARE:
        stored = stored.without_memos()
        size = stored.size
    context.cache.put(_checkpoint_key(place, checkpoint_id), stored, size)


def remembered(
    context: Context, place: ThreadNamespace, checkpoint_id: str
) -> StoredCheckpoint | None:
    """What is remembered of a checkpoint; `None` if nothing is, or if it is stale."""
    keys = (_checkpoint_key(place, checkpoint_id), _writes_key(place, checkpoint_id))
    stored, writes = context.cache.get_all(keys)
    is_known = stored is not None and 0 <= context.now - stored.looked_at <= _MAX_AGE
    if context.counters is not None:
        context.counters.cache_hits += is_known
        context.counters.cache_misses += not is_known
    if not is_known:
        return None
    found: StoredCheckpoint = replace(stored, write_refs=writes or frozenset())
    return found


def forget(context: Context, place: ThreadNamespace, checkpoint_id: str) -> None:
    """Forget a checkpoint."""
    for key in (_checkpoint_key, _writes_key, _lifetime_key):
        context.cache.forget(key(place, checkpoint_id))


def forget_thread(context: Context, thread_id: str) -> None:
    """Forget a thread's checkpoints and stored chunks, before some of them are deleted."""
    context.cache.drop(lambda key: key[0] != "chunk" and key[1] == thread_id)
    context.in_flight.forget_thread(thread_id)


def note_writes(
    context: Context, place: ThreadNamespace, checkpoint_id: str, refs: ChunkRefs
) -> None:
    """Remember which chunks a checkpoint's pending writes refer to; replaces earlier notes."""
    key = _writes_key(place, checkpoint_id)
    if refs:
        context.cache.put(key, refs, _size_of_refs(refs))
    else:
        context.cache.forget(key)


def add_writes(
    context: Context, place: ThreadNamespace, checkpoint_id: str, refs: ChunkRefs
) -> None:
    """Remember the chunks that a task's writes refer to, in addition to those of other tasks."""
    if refs:
        key = _writes_key(place, checkpoint_id)
        context.cache.merge(key, lambda old: (old or frozenset()) | refs, _size_of_refs)


def note_lifetime(
    context: Context, place: ThreadNamespace, checkpoint_id: str, lifetime: Lifetime
) -> None:
    """Remember the lifetime of a checkpoint that is being put, for concurrent `put_writes`."""
    if lifetime.generation != NEVER:
        context.cache.put(_lifetime_key(place, checkpoint_id), lifetime, 400)


def lifetime_of(context: Context, place: ThreadNamespace, checkpoint_id: str) -> Lifetime | None:
    """The lifetime of a checkpoint that this process has read or put, or is putting."""
    keys = (_checkpoint_key(place, checkpoint_id), _lifetime_key(place, checkpoint_id))
    stored, noted = context.cache.get_all(keys)
    found: Lifetime | None = stored.lifetime if stored is not None else noted
    return found


def note_listed(context: Context, thread_id: str, listed: Listed) -> None:
    """Remember that a thread's entry was written, for the first checkpoints of its subgraphs."""
    context.cache.put(_listed_key(thread_id), listed, 300)


def listed(
    context: Context, place: ThreadNamespace, parent: StoredCheckpoint | None
) -> Listed | None:
    """What is known of a thread's entry in the directory, before the put of a checkpoint.

    The first checkpoint of a subgraph has no parent. Mostly this process has written the entry
    when it put the enclosing graph's checkpoint. The root graph's first one begins the thread, so
    what was noted before is of a deleted thread.
    """
    if parent is not None or not place.checkpoint_ns:
        return parent.listed if parent is not None else None
    (found,) = context.cache.get_all((_listed_key(place.thread_id),))
    noted: Listed | None = found
    return noted


def _size_of_refs(refs: ChunkRefs) -> int:
    return 200 + 200 * len(refs)


def _checkpoint_key(place: ThreadNamespace, checkpoint_id: str) -> tuple[str, ...]:
    return ("checkpoint", place.thread_id, place.checkpoint_ns, checkpoint_id)


def _writes_key(place: ThreadNamespace, checkpoint_id: str) -> tuple[str, ...]:
    return ("writes", place.thread_id, place.checkpoint_ns, checkpoint_id)


def _listed_key(thread_id: str) -> tuple[str, ...]:
    return ("listed", thread_id)


def _lifetime_key(place: ThreadNamespace, checkpoint_id: str) -> tuple[str, ...]:
    return ("lifetime", place.thread_id, place.checkpoint_ns, checkpoint_id)
