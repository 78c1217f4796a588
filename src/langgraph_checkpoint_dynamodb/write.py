"""Operations that write: `put` and `put_writes`.

Chunks before refs: an item is sent only after every chunk it refers to is
acknowledged. A checkpoint refers to chunks that this call wrote, or that its
parent or the parent's writes are known to refer to; an unknown parent means
that everything is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
)

from . import batches, bodies, chunks, items, keys, requests
from .bodies import Encoded, Write
from .codec import Body
from .context import (
    Context,
    Known,
    Place,
    Remembered,
    forget_checkpoint,
    remembered_key,
    written_key,
)
from .errors import ConflictError
from .operation import Compute, ConditionFailed, Item, Operation
from .read import open_bodies

_MERGE_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class _Base:
    """What a new item of a thread can build on.

    Attributes:
        generation: The generation to write chunks in.
        parent: The checkpoint that the item follows, if its chunks live long enough.
        known: Chunks of that generation that the parent or its writes refer to.
        written: About how many chunks of that generation were written so far.
    """

    generation: int
    parent: Remembered | None
    known: frozenset[bytes]
    written: int


def _base(context: Context, place: Place, parent_id: str | None) -> _Base:
    if parent_id is None:
        return _Base(context.generation(None), None, frozenset(), 0)
    parent: Remembered | None = context.cache.get(remembered_key(place, parent_id))
    generation = context.generation(parent.generation if parent else None)
    written = context.cache.get(written_key(place, parent_id)) or ()
    known = frozenset(digest for made_in, digest in written if made_in == generation)
    if parent is None or parent.generation != generation:
        return _Base(generation, None, known, len(known))
    written = parent.written + len(known - parent.refs)
    return _Base(generation, parent, known | parent.refs, written)


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

    def remembered(self, arrived: frozenset[bytes]) -> Remembered:
        """What a child may rely on, once the item and these announced chunks are stored."""
        stored = self.stored
        refs = frozenset(self.encoded.chunks).union(
            *(known.refs | (known.announced & arrived) for known in stored.values())
        )
        body = self.body
        return Remembered(body.generation, dict(self.versions), stored, refs, body.written)


def put(
    context: Context,
    place: Place,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    parent_id: str | None,
    new_versions: ChannelVersions,
) -> Operation[None]:
    """Store a checkpoint: one item, after the chunks that it needs.

    Chunks that only its child may need are sent at the same time as the item.
    """
    sort_key = keys.checkpoint(keys.namespace(place.checkpoint_ns), checkpoint["id"])
    base = _base(context, place, parent_id)
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
    )
    _, *replies = yield [requests.put(context.table, item), *announcement.calls()]
    remembered = prepared.remembered(announcement.arrived(replies))
    if parent_id is not None:
        # What a long thread remembers would push its chunks out of the cache. A fork from
        # the parent reads it first, and then it is remembered again.
        forget_checkpoint(context, place, parent_id)
    context.cache.put(remembered_key(place, checkpoint["id"]), remembered, remembered.size)


def _prepare(
    context: Context,
    place: Place,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    parent_id: str | None,
    new_versions: ChannelVersions,
    base: _Base,
) -> _Prepared:
    rest: dict[str, Any] = dict(checkpoint)
    values: dict[str, Any] = rest.pop("channel_values")
    versions = checkpoint["channel_versions"]
    pieces: dict[bytes, bytes] = {}
    stored: dict[str, Known] = {}
    for channel, value in values.items():
        known = _unchanged(channel, versions, new_versions, base.parent)
        if known is None:
            typed = bodies.serialize(context.serde, value, f"channel {channel!r}")
            known, made = bodies.store_value(typed, bodies.INLINE_BYTES, base.known, defer=True)
            pieces.update(made)
        stored[channel] = known
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
    groups = {task_key: [entry for entry in entries if entry.index >= 0]}
    for entry in entries:
        if entry.index < 0:
            groups[keys.writes(checkpoint_key, task_id, entry.channel)] = [entry]
    task = _Task(context, place, checkpoint_id, task_path, hidden)
    stored = False
    try:
        stored = yield from task.store(task_key, groups)
    finally:
        if not stored:
            # Nothing may refer to the chunks that were noted on the way: a sweep may take them.
            context.cache.forget(written_key(place, checkpoint_id))


@dataclass(frozen=True, slots=True)
class _Task:
    """The writes of one task on one checkpoint."""

    context: Context
    place: Place
    checkpoint_id: str
    task_path: str
    hidden_task_id: str | None

    def store(self, task_key: str, groups: dict[str, list[Write]]) -> Operation[bool]:
        """Store groups of writes by their sort keys; whether all were, rather than others."""
        table = self.context.table
        made: dict[str, Item] = {}
        for sort_key, group in groups.items():
            if group:
                made[sort_key] = yield from self.item(sort_key, group)
        if not made:
            return True
        replies = yield [
            requests.put_new(table, item) if sort_key == task_key else requests.put(table, item)
            for sort_key, item in made.items()
        ]
        if task_key in made and isinstance(replies[0], ConditionFailed):
            return (yield from self.merge(task_key, groups[task_key], replies[0].item))
        return True

    def item(self, sort_key: str, writes: Sequence[Write]) -> Operation[Item]:
        """Make a writes item, and write the chunks that it refers to."""
        context, place = self.context, self.place
        base = _base(context, place, self.checkpoint_id)
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
        return items.stored(context, place.thread_id, sort_key, encoded.body)

    def merge(self, sort_key: str, writes: Sequence[Write], found: Item | None) -> Operation[bool]:
        """Add the writes whose index is not stored yet to the task's item; whether all were."""
        context = self.context
        for _ in range(_MERGE_ATTEMPTS):
            if found is None:  # an engine that does not return it, or the item has just expired
                wanted = [requests.key(self.place.thread_id, sort_key)]
                stored = yield from batches.get_all(context, wanted, consistent=True)
                found = stored[0] if stored else None
            merged: list[Write] = list(writes)
            if found is not None and not items.expired(context, found):
                old = yield from self._writes_in(found)
                taken = {write.index for write in old}
                missing = [write for write in writes if write.index not in taken]
                if not missing:
                    return False
                merged = sorted([*old, *missing], key=lambda write: write.index)
            item = yield from self.item(sort_key, merged)
            call = (
                requests.put_new(context.table, item)
                if found is None
                else requests.put_over(context.table, item, bytes(found["B"]["B"]))
            )
            (reply,) = yield [call]
            if not isinstance(reply, ConditionFailed):
                return len(merged) == len(writes)
            found = reply.item
        raise ConflictError(
            f"{self.place}, checkpoint {self.checkpoint_id!r}: the writes of one task were changed "
            f"by others {_MERGE_ATTEMPTS} times while they were merged"
        )

    def _writes_in(self, item: Item) -> Operation[list[Write]]:
        context, place = self.context, self.place
        where = f"{place}, checkpoint {self.checkpoint_id!r}, writes {items.sort_key(item)!r}"
        (opened,) = yield from open_bodies(context, place.thread_id, [item], where)
        loaded = yield from chunks.load(context, place.thread_id, bodies.records_of([opened.body]))
        header = bodies.read_writes_header(context.serde, opened.body, where)
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
