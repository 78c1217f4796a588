"""Pending writes: the operation that stores a task's writes beside a checkpoint.

The regular writes of one call are one item, put if the task has none yet; what is missing in
one that is there is merged into it. A write to a special channel is an item of its own
and replaces the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.base import WRITES_IDX_MAP

from . import bodies, chunks, items, keys, overwriting, requests, sending, shared_puts
from .basis import basis_of, known_by_now
from .bodies import Encoded, Write
from .context import Context, Place, may_have_deltas, note_written, written
from .errors import ConflictError
from .opening import open_bodies
from .operation import Compute, ConditionFailed, Item, Operation


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
            note_written(context, place, checkpoint_id, frozenset())


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
    replies = yield from shared_puts.put_new(context, made.values())
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
        known = known_by_now(context, place, self.checkpoint_id, base)
        yield from sending.store(context, place.thread_id, base.generation, encoded.chunks, known)
        if encoded.chunks:
            new = frozenset((base.generation, digest) for digest in encoded.chunks)
            noted = written(context, place, self.checkpoint_id)
            note_written(context, place, self.checkpoint_id, noted | new)
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
