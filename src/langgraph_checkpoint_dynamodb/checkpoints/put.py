"""`put`: storing a checkpoint.

Chunks before refs: an item is put only after every chunk that it refers to has been acknowledged.
A checkpoint refers to chunks that this call wrote, or that its parent or its parent's writes refer
to. An unchanged channel reuses what the parent stores for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ..directory import entries
from ..errors import CorruptCheckpointError
from ..format import items, keys
from ..format.body import Body, Listed
from ..format.expiry import MAX_GENERATION, Lifetime, new_lifetime
from ..format.keys import ChunkRefs
from ..format.thread_entries import Activity
from ..runtime.context import Context
from ..runtime.effects import Compute, Operation
from ..serialization import encode, headers, limits
from ..serialization.encode import Encoded, StoredValue
from ..serialization.serializer import is_encrypted
from ..storage import chunk_reader, chunk_writer, conditional_puts
from . import copied_threads, fencing, memory
from . import parent as parents
from .ancestors import keep_ancestors
from .get import read_value
from .memory import StoredCheckpoint
from .new_checkpoint import Put


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An encoded checkpoint.

    Attributes:
        encoded: Its body, and the chunks that were cut for it.
        moved: Chunks of the parent that have to be copied to its generation.
        stored: What to remember of it once it is stored.
        activity: What to write to its thread's entry in the directory, if anything.
    """

    encoded: Encoded
    moved: ChunkRefs
    stored: StoredCheckpoint
    activity: Activity | None


def put(context: Context, new: Put) -> Operation[str]:
    """Store a checkpoint: first the chunks that it refers to, then its item. Returns its id.

    Raises:
        StaleParentError: With fencing, the parent is not the newest checkpoint.
        ConflictError: With fencing, the id sorts before the parent's; or others kept changing
            the item during the put.
        CorruptCheckpointError: The parent lacks bytes that the checkpoint needs.
    """
    yield from copied_threads.ensure_here(context, new.place.thread_id)
    if new.fence is not None:
        fencing.check_order(new.fence)
    parent = yield from _find_parent(context, new)
    try:
        prepared = yield from _store_chunks(context, new, parent)
    except CorruptCheckpointError:
        if new.parent_id is None or parent is None:
            raise
        # The parent may have been deleted or moved during the put. If it is corrupt, the second
        # attempt fails too.
        memory.forget(context, new.place, new.parent_id)
        parent = yield from _find_parent(context, new)
        prepared = yield from _store_chunks(context, new, parent)
    # The checkpoint's body says that the entry is written.
    if prepared.activity is not None:
        yield from entries.write(context, prepared.activity)
        memory.note_listed(context, new.place.thread_id, prepared.activity.listed)
    yield from _put_item(context, new, prepared.encoded.body, prepared.stored.lifetime)
    if new.parent_id is not None:
        # The records of a long thread's checkpoints would evict its chunks from the cache. A
        # fork from the parent reads it first, which remembers it again.
        memory.forget(context, new.place, new.parent_id)
    memory.remember(context, new.place, new.id, prepared.stored)
    return new.id


def _find_parent(context: Context, new: Put) -> Operation[StoredCheckpoint | None]:
    if new.parent_id is None:
        return None
    return (yield from parents.find(context, new.place, new.parent_id))


def _store_chunks(
    context: Context, new: Put, parent: StoredCheckpoint | None
) -> Operation[_Prepared]:
    """Encode a checkpoint and store the chunks that its item will refer to."""
    delta = headers.has_deltas(new.metadata, new.checkpoint["channel_values"])
    floor = yield from parents.floor(context, new.place, parent, new.metadata)
    before = parent.lifetime.generation if parent else None
    lifetime = new_lifetime(context, delta=delta, floor=floor, generation=before)
    memory.note_lifetime(context, new.place, new.id, lifetime)
    chain = yield from _keep_chain(context, new, parent, lifetime)
    scope = (new.place.thread_id, lifetime.generation)
    written_before = context.counters.chunks_written if context.counters else 0
    with context.in_flight.operation(scope, context.now):
        unchanged = _unchanged(new, parent)
        plaintext = yield from _plaintext(context, new, parent, unchanged)
        reused = {name: one for name, one in unchanged.items() if name not in plaintext}
        already = parent.known(lifetime.generation) if parent else frozenset[bytes]()
        listed = memory.listed(context, new.place, parent)
        activity = entries.due(context, new.activity(context), lifetime, listed)
        listed = listed if activity is None else activity.listed
        encoder = _Encoder(context, new, parent, lifetime, reused, plaintext, already, listed)
        prepared: _Prepared = yield Compute(lambda: encoder.prepare(chain, activity), encoder.work)
        yield from chunk_writer.store(context, scope, prepared.encoded.chunks, already)
        yield from chunk_writer.move(context, scope, prepared.moved)
    if context.counters is not None:
        written = context.counters.chunks_written - written_before
        context.counters.chunks_reused += len(prepared.stored.refs) - written
    return prepared


def _put_item(context: Context, new: Put, body: bytes, lifetime: Lifetime) -> Operation[None]:
    place, run_id = new.place, new.metadata.get("run_id")
    sort_key = keys.checkpoint(keys.namespace(place.checkpoint_ns), new.id)
    run = str(run_id) if isinstance(run_id, str | UUID) else None
    item = items.checkpoint_or_writes_item(context, place.thread_id, sort_key, body, lifetime, run)
    if new.fence is not None:
        yield from fencing.claim(context, new.fence)
    if new.is_copy:
        item[items.FLAG] = {"N": "1"}
    (reply,) = yield from conditional_puts.put_new(context, [item])
    if new.is_copy:
        return
    if new.fence is not None:
        yield from fencing.finish(context, new.fence, item, reply)
    yield from conditional_puts.replace(context, [(item, reply)])


def _keep_chain(
    context: Context, new: Put, parent: StoredCheckpoint | None, lifetime: Lifetime
) -> Operation[float]:
    """Extend the expiry of the ancestors that the checkpoint's delta channels are rebuilt from.

    Returns until when the ancestors are kept, in epoch seconds. Mostly memory shows that this is
    long enough, and nothing is sent: this process has put them, or has read their history for
    the run.
    """
    deltas = new.metadata.get("counters_since_delta_snapshot")
    stored = new.checkpoint["channel_values"]
    channels = [one for one in deltas if one not in stored] if isinstance(deltas, dict) else []
    if new.parent_id is None or parent is None or not channels:
        return math.inf
    if parent.chain is None and context.ttl_seconds is None:
        return math.inf  # reading their history has extended their expiry
    if parent.chain is not None and parent.chain >= min(lifetime.expires, MAX_GENERATION):
        return parent.chain
    until = lifetime.expires
    return (yield from keep_ancestors(context, new.place, new.parent_id, channels, until))


def _unchanged(new: Put, parent: StoredCheckpoint | None) -> dict[str, StoredValue]:
    """What the parent stores for the channels that have the same value in the checkpoint."""
    if parent is None:
        return {}
    versions = new.checkpoint["channel_versions"]
    return {
        channel: parent.values[channel]
        for channel in new.checkpoint["channel_values"]
        if channel not in new.new_versions
        and channel in versions
        and parent.versions.get(channel) == versions[channel]
        and channel in parent.values
    }


def _plaintext(
    context: Context,
    new: Put,
    parent: StoredCheckpoint | None,
    unchanged: Mapping[str, StoredValue],
) -> Operation[Mapping[str, Any]]:
    """The values of unchanged channels to encrypt: the parent stores them in plaintext."""
    if parent is None or not context.encrypts:
        return {}
    plain = {
        channel: value.record
        for channel, value in unchanged.items()
        if not is_encrypted(value.record.type)
    }
    if not plain:
        return {}
    where = f"{new.place}, checkpoint {new.parent_id!r}"
    generation = parent.lifetime.generation
    wanted = [(generation, record) for record in plain.values()]
    loaded = yield from chunk_reader.load(context, new.place.thread_id, wanted)
    return {
        channel: read_value(context, loaded, record, where, channel)
        for channel, record in plain.items()
    }


@dataclass(frozen=True, slots=True)
class _Encoder:
    """Encodes a checkpoint as a body and chunks.

    Attributes:
        context: The call's settings and clock.
        new: The checkpoint.
        parent: What is stored for its parent.
        lifetime: Its lifetime.
        reused: What the parent stores for the channels that are not stored again.
        plaintext: Values of unchanged channels that are stored again, now encrypted.
        already: Stored chunks in the checkpoint's generation that it may refer to.
        listed: What it says of its thread's entry in the directory.
    """

    context: Context
    new: Put
    parent: StoredCheckpoint | None
    lifetime: Lifetime
    reused: Mapping[str, StoredValue]
    plaintext: Mapping[str, Any]
    already: frozenset[bytes]
    listed: Listed | None

    def prepare(self, chain: float, activity: Activity | None) -> _Prepared:
        """Serialize, cut and compress; `chain` is until when its ancestors are kept."""
        context, new, parent = self.context, self.new, self.parent
        known, chunk_count = self.already, parent.chunk_count if parent else 0
        if parent is not None and parent.lifetime.generation != self.lifetime.generation:
            known, chunk_count = parent.known(parent.lifetime.generation), 0
        values, chunks = self._values(known)
        sizes = {channel: value.record.size for channel, value in values.items()}
        limits.check_new(context, sizes, f"{new.place}, checkpoint {new.id!r}")
        refs = frozenset[bytes]().union(*(value.refs for value in values.values()))
        elsewhere = refs - chunks.keys() - self.already
        chunk_count += len(elsewhere) + len(chunks.keys() - self.already)
        body = Body(
            self.lifetime.generation,
            headers.checkpoint_header(context.serde, self._header(list(values))),
            tuple(value.record for value in values.values()),
            chunk_count,
            self.listed,
        )
        encoded = encode.encode_body(body, chunks, known)
        stored = StoredCheckpoint(
            self.lifetime,
            dict(new.checkpoint["channel_versions"]),
            values,
            refs.union(encoded.chunks),
            chunk_count,
            chain=min(chain, self.lifetime.kept),
            newest=parent is not None or new.parent_id is None,
            looked_at=context.now,
            listed=self.listed,
        )
        moved = parent.locate(elsewhere) if parent else frozenset()
        return _Prepared(encoded, moved, stored, activity)

    def work(self) -> int | None:
        """An estimate of the bytes to serialize; `None` if a quick look does not show it."""
        work = 0
        left: list[Any] = []
        for channel, value in self.new.checkpoint["channel_values"].items():
            if channel in self.reused:
                continue
            before = self.parent.values.get(channel) if self.parent else None
            if before is not None and before.memo is not None and isinstance(value, list):
                work += before.memo.work
                left.append(value[len(before.memo.prototypes) :])
            else:
                left.append(value)
        new = limits.estimate_bytes(left)
        return None if new is None else work + new

    def _values(self, known: frozenset[bytes]) -> tuple[dict[str, StoredValue], dict[bytes, bytes]]:
        """What to store for each channel, and the new chunks by their digests."""
        values: dict[str, StoredValue] = {}
        chunks: dict[bytes, bytes] = {}
        for channel, value in self.new.checkpoint["channel_values"].items():
            if channel in self.reused:
                values[channel] = self.reused[channel]
                continue
            before = self.parent.values.get(channel) if self.parent else None
            value_to_store = self.plaintext.get(channel, value)
            values[channel], new_chunks = encode.store_channel(
                self.context.serde, channel, value_to_store, before, known
            )
            chunks.update(new_chunks)
        return values, chunks

    def _header(self, channels: list[str]) -> headers.CheckpointHeader:
        new = self.new
        rest: dict[str, Any] = dict(new.checkpoint)
        del rest["channel_values"]
        ns = new.place.checkpoint_ns
        hidden = None if keys.decode(keys.namespace(ns)) is not None else ns
        return headers.CheckpointHeader(rest, new.metadata, new.parent_id, channels, hidden)
