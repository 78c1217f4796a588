"""Operations that write: `put` and `put_writes`.

Chunks before refs: an item is sent only after every chunk it refers to is
acknowledged. A checkpoint refers to chunks that this call wrote, or that its
parent or the parent's writes are known to refer to; an unknown parent means
that everything is written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
)

from . import bodies, fence, items, keys, messages, overwriting, sending, shared_puts
from .basis import Basis, basis_of, known_by_now
from .bodies import Encoded
from .codec import Body
from .context import (
    FOR_EVER,
    Context,
    Known,
    Place,
    Remembered,
    forget_checkpoint,
    note_deltas,
    remember_checkpoint,
    remembered,
)
from .fence import Fence
from .history import keep_ancestors
from .operation import Compute, Operation
from .serdes import is_encrypted


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A checkpoint, encoded.

    Attributes:
        encoded: Its body, and the chunks that it needs.
        announced: The chunks that are sent along with it.
        body: The body, before it was encoded.
        versions: The checkpoint's channel versions.
        stored: What is stored for each channel.
    """

    encoded: Encoded
    announced: dict[bytes, bytes]
    body: Body
    versions: ChannelVersions
    stored: dict[str, Known]

    def remembered(self, arrived: frozenset[bytes], kept: float, chain: float) -> Remembered:
        """What a child may rely on, once the item and these announced chunks are stored."""
        stored = self.stored
        refs = frozenset(self.encoded.chunks).union(
            *(known.refs | (known.announced & arrived) for known in stored.values())
        )
        body = self.body
        versions = dict(self.versions)
        return Remembered(body.generation, versions, stored, refs, body.written, kept, chain)


def put(
    context: Context,
    place: Place,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    parent_id: str | None,
    new_versions: ChannelVersions,
    fenced: Fence | None = None,
) -> Operation[None]:
    """Store a checkpoint: one item, after the chunks that it needs.

    Chunks that only its child may need are sent at the same time as the item.
    """
    if fenced is not None:
        fence.check_order(fenced)
    sort_key = keys.checkpoint(keys.namespace(place.checkpoint_ns), checkpoint["id"])
    chain = yield from _keep_chain(context, place, checkpoint, metadata, parent_id)
    delta = bodies.has_deltas(metadata, checkpoint["channel_values"])
    note_deltas(context, place, delta)
    base = basis_of(context, place, parent_id, delta=delta)
    prepared: _Prepared = yield Compute(
        lambda: _prepare(context, place, checkpoint, metadata, parent_id, new_versions, base),
        lambda: _work(checkpoint, new_versions, base),
    )
    encoded = prepared.encoded
    known = known_by_now(context, place, parent_id, base)
    yield from sending.store(context, place.thread_id, base.generation, encoded.chunks, known)
    announcement = sending.Announcement(
        context, place.thread_id, base.generation, prepared.announced, known
    )
    run_id = metadata.get("run_id")
    item = items.stored(
        context,
        place.thread_id,
        sort_key,
        encoded.body,
        run_id if isinstance(run_id, str) else None,
        kept=base.kept,
        shown=context.expiry,
    )
    if fenced is not None:
        yield from fence.claim(context, fenced)
    reply, *replies = yield from shared_puts.put_new(context, [item], announcement.calls())
    if fenced is not None:
        yield from fence.settle(context, fenced, item, reply)
    yield from overwriting.replace(context, [(item, reply)])
    kept = math.inf if base.kept is None else base.kept
    stored = prepared.remembered(announcement.arrived(replies), kept, min(chain, kept))
    if parent_id is not None:
        # What a long thread remembers would push its chunks out of the cache. A fork from
        # the parent reads it first, and then it is remembered again.
        forget_checkpoint(context, place, parent_id)
    remember_checkpoint(context, place, checkpoint["id"], stored)


def _keep_chain(
    context: Context,
    place: Place,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    parent_id: str | None,
) -> Operation[float]:
    """See to it that no ancestor goes before a checkpoint whose delta channels it is built from.

    Returns until when the ancestors are kept. Mostly that is known to be long enough: they
    were put a while ago, or their history was read for the run that puts this.
    """
    deltas = metadata.get("counters_since_delta_snapshot")
    stored = checkpoint["channel_values"]
    channels = [one for one in deltas if one not in stored] if isinstance(deltas, dict) else []
    if parent_id is None or not channels:
        return math.inf
    parent = remembered(context, place, parent_id)
    chain = parent.chain if parent is not None else None
    if chain is None and context.expiry is None:
        return math.inf
    if chain is not None and chain >= (context.expiry or FOR_EVER):
        return chain
    return (yield from keep_ancestors(context, place, parent_id, channels))


def _prepare(
    context: Context,
    place: Place,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    parent_id: str | None,
    new_versions: ChannelVersions,
    base: Basis,
) -> _Prepared:
    rest: dict[str, Any] = dict(checkpoint)
    values: dict[str, Any] = rest.pop("channel_values")
    versions = checkpoint["channel_versions"]
    pieces: dict[bytes, bytes] = {}
    stored: dict[str, Known] = {}
    for channel, value in values.items():
        known = _unchanged(channel, versions, new_versions, base.parent)
        if known is None or (context.encrypts and not is_encrypted(known.record.type)):
            before = base.before(channel)
            known, made = bodies.store_channel(context.serde, channel, value, before, base.known)
            pieces.update(made)
        stored[channel] = known
    sizes = {channel: known.record.size for channel, known in stored.items()}
    bodies.check_new(context, sizes, f"{place}, checkpoint {checkpoint['id']!r}")
    ns = place.checkpoint_ns
    header = bodies.CheckpointHeader(
        rest,
        metadata,
        parent_id,
        list(stored),
        None if keys.decode(keys.namespace(ns)) is not None else ns,
    )
    typed_header = bodies.checkpoint_header(context.serde, header)
    records = tuple(known.record for known in stored.values())
    needed = frozenset[bytes]().union(*(known.refs for known in stored.values()))
    announced = frozenset[bytes]().union(*(known.announced for known in stored.values())) - needed
    written = base.written + len(pieces.keys() - base.known)
    body = Body(base.generation, typed_header, records, tuple(sorted(announced)), written)
    at_once = {digest: data for digest, data in pieces.items() if digest not in announced}
    encoded = bodies.seal(body, at_once, base.known)
    later = {digest: pieces[digest] for digest in announced & pieces.keys()}
    return _Prepared(encoded, later, body, versions, stored)


def _work(checkpoint: Checkpoint, new_versions: ChannelVersions, base: Basis) -> int | None:
    """About how many bytes there are to serialize; `None` if that is not soon found."""
    versions, work = checkpoint["channel_versions"], 0
    left: list[Any] = []
    for channel, value in checkpoint["channel_values"].items():
        if _unchanged(channel, versions, new_versions, base.parent) is not None:
            continue
        before = base.before(channel)
        if before is not None and before.memo is not None and isinstance(value, list):
            work += before.memo.work + before.record.size // messages.MEMO_SPEED
            left.append(value[len(before.memo.templates) :])
        else:
            left.append(value)
    new = bodies.bytes_at_most(left)
    return None if new is None else work + new


def _unchanged(
    channel: str,
    versions: ChannelVersions,
    new_versions: ChannelVersions,
    parent: Remembered | None,
) -> Known | None:
    """The parent's record of a channel that did not change since."""
    if parent is None or channel in new_versions or channel not in versions:
        return None
    if parent.versions.get(channel) != versions[channel]:
        return None
    known = parent.records.get(channel)
    return known.once_arrived(parent.refs) if known else None
