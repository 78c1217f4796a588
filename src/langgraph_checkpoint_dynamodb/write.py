"""Operations that write: `put` and `put_writes`.

Chunks before refs: an item is sent only after every chunk it refers to is
acknowledged. A checkpoint refers to chunks that this call wrote, or that its
parent or the parent's writes are known to refer to; an unknown parent means
that everything is written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
)

from . import bodies, chunks, fence, items, keys, overwriting, requests
from .basis import Basis, basis_of
from .bodies import Encoded, Write
from .codec import Body
from .context import (
    FOR_EVER,
    Context,
    Known,
    Place,
    Remembered,
    forget_checkpoint,
    may_have_deltas,
    note_deltas,
    remembered_key,
    written_key,
)
from .errors import ConflictError
from .fence import Fence
from .history import keep_ancestors
from .opening import open_bodies
from .operation import Compute, ConditionFailed, Item, Operation
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
        lambda: bodies.bytes_at_most(checkpoint["channel_values"]),
    )
    encoded = prepared.encoded
    yield from chunks.store(context, place.thread_id, base.generation, encoded.chunks, base.known)
    announcement = chunks.Announcement(
        context, place.thread_id, base.generation, prepared.announced, base.known
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
    reply, *replies = yield [requests.put_new(context.table, item), *announcement.calls()]
    if fenced is not None:
        yield from fence.settle(context, fenced, item, reply)
    yield from overwriting.replace(context, [(item, reply)])
    kept = math.inf if base.kept is None else base.kept
    remembered = prepared.remembered(announcement.arrived(replies), kept, min(chain, kept))
    if parent_id is not None:
        # What a long thread remembers would push its chunks out of the cache. A fork from
        # the parent reads it first, and then it is remembered again.
        forget_checkpoint(context, place, parent_id)
    context.cache.put(remembered_key(place, checkpoint["id"]), remembered, remembered.size)


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
    parent: Remembered | None = context.cache.get(remembered_key(place, parent_id))
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
            before = base.parent.records.get(channel) if base.parent else None
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


def put_writes(
    context: Context,
    place: Place,
    checkpoint_id: str,
    writes: Sequence[tuple[str, Any]],
    task_id: str,
    task_path: str,
) -> Operation[None]:
    """Store a task's writes: one item for the regular ones, one for each special channel.

    A regular write that is stored already stays (the task has finished before);
    a special one is overwritten: LangGraph's `put_writes` contract, see
    `WRITES_IDX_MAP`.
    """
    checkpoint_key = keys.checkpoint(keys.namespace(place.checkpoint_ns), checkpoint_id)
    task_key = keys.writes(checkpoint_key, task_id)
    hidden = None if keys.decode(keys.parse(task_key).task or "") is not None else task_id
    entries: list[Write] = yield Compute(
        lambda: [
            Write(
                WRITES_IDX_MAP.get(channel, index),
                channel,
                bodies.serialize(context.serde, value, f"channel {channel!r}"),
            )
            for index, (channel, value) in enumerate(writes)
        ],
        lambda: bodies.bytes_at_most([value for _, value in writes]),
    )
    sizes: dict[str, int] = {}
    for entry in entries:
        sizes[entry.channel] = sizes.get(entry.channel, 0) + len(entry.value[1])
    bodies.check_new(context, sizes, f"{place}, checkpoint {checkpoint_id!r}, task {task_id!r}")
    groups = {task_key: [entry for entry in entries if entry.index >= 0]}
    for entry in entries:
        if entry.index < 0:
            groups[keys.writes(checkpoint_key, task_id, entry.channel)] = [entry]
    task = _Task(context, place, checkpoint_id, task_path, hidden)
    undisturbed = False
    try:
        undisturbed = yield from _store(context, task, groups, task_key)
    finally:
        if not undisturbed:
            # Chunks were noted that maybe no item refers to; a prune would delete them.
            context.cache.forget(written_key(place, checkpoint_id))


def _store(
    context: Context, task: _Task, groups: dict[str, list[Write]], task_key: str
) -> Operation[bool]:
    """Store writes items; returns whether they are now as they were made for absent ones."""
    made: dict[str, Item] = {}
    for sort_key, group in groups.items():
        if group:
            made[sort_key] = yield from task.item(sort_key, group)
    if not made:
        return True
    replies = yield [requests.put_new(context.table, item) for item in made.values()]
    sent = dict(zip(made, replies, strict=True))
    regular = sent.pop(task_key, None)
    yield from overwriting.replace(context, [(made[key], reply) for key, reply in sent.items()])
    if isinstance(regular, ConditionFailed):
        yield from task.merge(task_key, groups[task_key], made[task_key], regular.item)
    return not any(isinstance(reply, ConditionFailed) for reply in replies)


@dataclass(frozen=True, slots=True)
class _Task:
    """The writes of one task on one checkpoint."""

    context: Context
    place: Place
    checkpoint_id: str
    task_path: str
    hidden_task_id: str | None

    def item(self, sort_key: str, writes: Sequence[Write]) -> Operation[Item]:
        """Make a writes item, and write the chunks that it refers to."""
        context, place = self.context, self.place
        delta = may_have_deltas(context, place)
        base = basis_of(context, place, self.checkpoint_id, delta=delta, belongs=True)
        encoded: Encoded = yield Compute(
            lambda: bodies.encode_writes(
                context.serde,
                base.generation,
                writes,
                self.task_path,
                self.hidden_task_id,
                base.known,
            ),
            lambda: sum(len(write.value[1]) for write in writes),
        )
        yield from chunks.store(
            context, place.thread_id, base.generation, encoded.chunks, base.known
        )
        remember_written(context, place, self.checkpoint_id, base.generation, encoded.chunks)
        return items.stored(context, place.thread_id, sort_key, encoded.body, kept=base.kept)

    def merge(
        self, sort_key: str, writes: Sequence[Write], item: Item, found: Item | None
    ) -> Operation[None]:
        """Add the writes whose index is not stored yet to the task's item."""
        context = self.context
        for _ in range(overwriting.ATTEMPTS):
            found = yield from overwriting.existing(context, item, found)
            merged: list[Write] = list(writes)
            if found is not None and not items.gone(context, found):
                old = yield from self._writes_in(found)
                taken = {write.index for write in old}
                missing = [write for write in writes if write.index not in taken]
                if not missing:
                    return
                merged = sorted([*old, *missing], key=lambda write: write.index)
            item = yield from self.item(sort_key, merged)
            call = (
                requests.put_new(context.table, item)
                if found is None
                else requests.put_over(context.table, item, items.stored_bytes(found))
            )
            (reply,) = yield [call]
            if not isinstance(reply, ConditionFailed):
                return
            found = reply.item
        raise ConflictError(
            f"{self.place}, checkpoint {self.checkpoint_id!r}: the writes of one task were changed "
            f"by others {overwriting.ATTEMPTS} times while they were merged"
        )

    def _writes_in(self, item: Item) -> Operation[list[Write]]:
        context, place = self.context, self.place
        where = f"{place}, checkpoint {self.checkpoint_id!r}, writes {items.sort_key(item)!r}"
        (opened,) = yield from open_bodies(context, place.thread_id, [item], where)
        bodies.check_size(context, [opened.body], where)
        loaded = yield from chunks.load(context, place.thread_id, bodies.records_of([opened.body]))
        header = bodies.read_writes_header(context, opened.body, where)
        return [
            Write(index, channel, (record.type, loaded.join(record, where)))
            for index, channel, record in zip(
                header.indexes, header.channels, opened.body.records, strict=True
            )
        ]


def remember_written(
    context: Context,
    place: Place,
    checkpoint_id: str,
    generation: int,
    refs: frozenset[bytes] | dict[bytes, bytes],
) -> None:
    """Note chunks that a checkpoint's writes refer to: its child may refer to them too."""
    if not refs:
        return
    key = written_key(place, checkpoint_id)
    pairs = frozenset((generation, ref) for ref in refs) | (context.cache.get(key) or frozenset())
    context.cache.put(key, pairs, 200 + 200 * len(pairs))
