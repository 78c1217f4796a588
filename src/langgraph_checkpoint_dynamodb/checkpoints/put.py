"""The operation that stores a checkpoint.

Chunks before refs: an item is sent only after every chunk it refers to is acknowledged. A
checkpoint refers to chunks that this call wrote, or that its parent or the parent's writes refer
to. A channel that did not change takes over what the parent stores for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
)

from ..errors import CorruptCheckpointError
from ..format import items, keys
from ..format.body import Body
from ..format.expiry import FOR_EVER, Lifetime, new_lifetime
from ..format.keys import ChunkRefs
from ..runtime.context import Context, ThreadNamespace
from ..runtime.effects import Compute, Operation
from ..serialization import encode, headers, limits
from ..serialization.encode import Encoded, StoredValue
from ..serialization.serializer import is_encrypted
from ..storage import chunk_reader, chunk_writer, conditional_puts
from . import fencing, memory
from . import parent as parents
from .ancestors import keep_ancestors
from .fencing import Fence
from .get import read_value
from .memory import StoredCheckpoint


@dataclass(frozen=True, slots=True)
class Put:
    """A checkpoint to store, as a snapshot of what the caller gave.

    Attributes:
        place: Its thread and namespace.
        checkpoint: The checkpoint.
        metadata: Its metadata.
        parent_id: The checkpoint that it continues.
        new_versions: The versions of the channels that changed.
        fence: How it is fenced, if it is.
    """

    place: ThreadNamespace
    checkpoint: Checkpoint
    metadata: CheckpointMetadata
    parent_id: str | None
    new_versions: ChannelVersions
    fence: Fence | None = None

    @property
    def id(self) -> str:
        """The checkpoint's id."""
        return self.checkpoint["id"]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A checkpoint, encoded.

    Attributes:
        encoded: Its body, and the chunks that were made for it.
        moved: Chunks of the parent that it needs in another generation.
        stored: What its child may rely on, once all of it is stored.
    """

    encoded: Encoded
    moved: ChunkRefs
    stored: StoredCheckpoint


def put(context: Context, new: Put) -> Operation[None]:
    """Store a checkpoint: one item, after the chunks that it needs."""
    if new.fence is not None:
        fencing.check_order(new.fence)
    parent = yield from _find_parent(context, new)
    try:
        prepared = yield from _store_chunks(context, new, parent)
    except CorruptCheckpointError:
        if new.parent_id is None or parent is None:
            raise
        # Deleted or moved meanwhile? One that stands and lacks bytes fails once more.
        memory.forget(context, new.place, new.parent_id)
        parent = yield from _find_parent(context, new)
        prepared = yield from _store_chunks(context, new, parent)
    yield from _put_item(context, new, prepared.encoded.body, prepared.stored.lifetime)
    if new.parent_id is not None:
        # What a long thread remembers would push its chunks out of the cache. A fork from
        # the parent reads it first, and then it is remembered again.
        memory.forget(context, new.place, new.parent_id)
    memory.remember(context, new.place, new.id, prepared.stored)


def _find_parent(context: Context, new: Put) -> Operation[StoredCheckpoint | None]:
    if new.parent_id is None:
        return None
    return (yield from parents.find(context, new.place, new.parent_id))


def _store_chunks(
    context: Context, new: Put, parent: StoredCheckpoint | None
) -> Operation[_Prepared]:
    """Encode a checkpoint and store all that its item will refer to."""
    delta = headers.has_deltas(new.metadata, new.checkpoint["channel_values"])
    floor = yield from parents.floor(context, new.place, parent, new.metadata)
    before = parent.lifetime.generation if parent else None
    lifetime = new_lifetime(context, delta=delta, floor=floor, generation=before)
    memory.note_lifetime(context, new.place, new.id, lifetime)
    chain = yield from _keep_chain(context, new, parent, lifetime)
    scope = (new.place.thread_id, lifetime.generation)
    with context.in_flight.operation(scope, context.now):
        given = yield from _plaintext(context, new, parent)
        maker = _Maker(context, new, parent, lifetime, given)
        prepared: _Prepared = yield Compute(lambda: maker.prepare(chain), maker.work)
        chunks_made = prepared.encoded.chunks
        yield from chunk_writer.store(context, scope, chunks_made, maker.stored_already)
        yield from chunk_writer.move(context, scope, prepared.moved)
    return prepared


def _put_item(context: Context, new: Put, body: bytes, lifetime: Lifetime) -> Operation[None]:
    place, run_id = new.place, new.metadata.get("run_id")
    sort_key = keys.checkpoint(keys.namespace(place.checkpoint_ns), new.id)
    run = str(run_id) if isinstance(run_id, str | UUID) else None
    item = items.checkpoint_or_writes_item(context, place.thread_id, sort_key, body, lifetime, run)
    if new.fence is not None:
        yield from fencing.claim(context, new.fence)
    (reply,) = yield from conditional_puts.put_new(context, [item])
    if new.fence is not None:
        yield from fencing.settle(context, new.fence, item, reply)
    yield from conditional_puts.replace(context, [(item, reply)])


def _keep_chain(
    context: Context, new: Put, parent: StoredCheckpoint | None, lifetime: Lifetime
) -> Operation[float]:
    """See to it that no ancestor goes before a checkpoint whose delta channels it is built from.

    Returns until when the ancestors are kept. Mostly that is known to be long enough: they
    were put a while ago, or their history was read for the run that puts this.
    """
    deltas = new.metadata.get("counters_since_delta_snapshot")
    stored = new.checkpoint["channel_values"]
    channels = [one for one in deltas if one not in stored] if isinstance(deltas, dict) else []
    if new.parent_id is None or parent is None or not channels:
        return math.inf
    if parent.chain is None and context.ttl_seconds is None:
        return math.inf  # reading their history has kept them
    if parent.chain is not None and parent.chain >= min(lifetime.expires, FOR_EVER):
        return parent.chain
    until = lifetime.expires
    return (yield from keep_ancestors(context, new.place, new.parent_id, channels, until))


def _plaintext(
    context: Context, new: Put, parent: StoredCheckpoint | None
) -> Operation[Mapping[str, Any]]:
    """The values of unchanged channels that the parent stores unencrypted, if that is to change."""
    if parent is None or not context.encrypts:
        return {}
    plain = {
        channel: parent.values[channel].record
        for channel in new.checkpoint["channel_values"]
        if _is_unchanged(new, parent, channel)
        and not is_encrypted(parent.values[channel].record.type)
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


def _is_unchanged(new: Put, parent: StoredCheckpoint, channel: str) -> bool:
    """Whether a channel has the value that the parent stores for it."""
    versions = new.checkpoint["channel_versions"]
    return (
        channel not in new.new_versions
        and channel in versions
        and parent.versions.get(channel) == versions[channel]
        and channel in parent.values
    )


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes the body and the chunks of a checkpoint.

    Attributes:
        context: The call's surroundings.
        new: The checkpoint.
        parent: What is stored of the one before it.
        lifetime: Its times.
        given: Values to store in place of the parent's, of channels that did not change.
    """

    context: Context
    new: Put
    parent: StoredCheckpoint | None
    lifetime: Lifetime
    given: Mapping[str, Any]

    @property
    def stored_already(self) -> frozenset[bytes]:
        """Chunks of the checkpoint's generation that it may refer to."""
        return self.parent.known(self.lifetime.generation) if self.parent else frozenset()

    def prepare(self, chain: float) -> _Prepared:
        """Serialize, cut, compress; `chain` is until when its ancestors are kept."""
        context, new, parent = self.context, self.new, self.parent
        basis = parent.known(parent.lifetime.generation) if parent else frozenset[bytes]()
        values, pieces = self._values(basis)
        sizes = {channel: value.record.size for channel, value in values.items()}
        limits.check_new(context, sizes, f"{new.place}, checkpoint {new.id!r}")
        refs = frozenset[bytes]().union(*(value.refs for value in values.values()))
        already = self.stored_already
        missing = refs - pieces.keys() - already
        chunk_count = len(missing) + len(pieces.keys() - already)
        if parent is not None and parent.lifetime.generation == self.lifetime.generation:
            chunk_count += parent.chunk_count
        body = Body(
            self.lifetime.generation,
            headers.checkpoint_header(context.serde, self._header(list(values))),
            tuple(value.record for value in values.values()),
            chunk_count,
        )
        encoded = encode.encode_body(body, pieces, basis)
        stored = StoredCheckpoint(
            self.lifetime,
            dict(new.checkpoint["channel_versions"]),
            values,
            refs.union(encoded.chunks),
            chunk_count,
            chain=min(chain, self.lifetime.kept),
            newest=parent is not None or new.parent_id is None,
            looked_at=context.now,
        )
        return _Prepared(encoded, self._at_parent(missing), stored)

    def work(self) -> int | None:
        """About how many bytes there are to serialize; `None` if that is not soon found."""
        work = 0
        left: list[Any] = []
        for channel, value in self.new.checkpoint["channel_values"].items():
            if self._taken_over(channel):
                continue
            before = self.parent.values.get(channel) if self.parent else None
            if before is not None and before.memo is not None and isinstance(value, list):
                work += before.memo.work
                left.append(value[len(before.memo.prototypes) :])
            else:
                left.append(value)
        new = limits.bytes_at_most(left)
        return None if new is None else work + new

    def _values(self, basis: frozenset[bytes]) -> tuple[dict[str, StoredValue], dict[bytes, bytes]]:
        """What is stored for each channel, and the bytes of the chunks that were cut anew."""
        values: dict[str, StoredValue] = {}
        pieces: dict[bytes, bytes] = {}
        for channel, value in self.new.checkpoint["channel_values"].items():
            taken = self._taken_over(channel)
            if taken is not None:
                values[channel] = taken
                continue
            before = self.parent.values.get(channel) if self.parent else None
            given = self.given.get(channel, value)
            values[channel], made = encode.store_channel(
                self.context.serde, channel, given, before, basis
            )
            pieces.update(made)
        return values, pieces

    def _taken_over(self, channel: str) -> StoredValue | None:
        """What the parent stores for a channel that did not change."""
        parent = self.parent
        if parent is None or channel in self.given or not _is_unchanged(self.new, parent, channel):
            return None
        return parent.values[channel]

    def _header(self, channels: list[str]) -> headers.CheckpointHeader:
        new = self.new
        rest: dict[str, Any] = dict(new.checkpoint)
        del rest["channel_values"]
        ns = new.place.checkpoint_ns
        hidden = None if keys.decode(keys.namespace(ns)) is not None else ns
        return headers.CheckpointHeader(rest, new.metadata, new.parent_id, channels, hidden)

    def _at_parent(self, refs: frozenset[bytes]) -> ChunkRefs:
        """Where the parent or its writes have some chunks."""
        parent = self.parent
        if parent is None:
            return frozenset()
        of_writes = {ref: generation for generation, ref in parent.write_refs}
        generation = parent.lifetime.generation
        return frozenset(
            (generation if ref in parent.refs else of_writes[ref], ref) for ref in refs
        )
