"""`put_writes`: storing a task's pending writes for a checkpoint.

The regular writes of one call are one item. If the task has an item already, the writes that are
missing in it are merged into it. A write to a special channel is an item of its own, which
replaces the previous one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.base import WRITES_IDX_MAP
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from ..errors import ConflictError, CorruptCheckpointError
from ..format import items, keys, requests
from ..format.expiry import Lifetime, new_lifetime
from ..runtime.context import Context, ThreadNamespace
from ..runtime.effects import Compute, ConditionFailed, Item, Operation
from ..runtime.single_flight import ChunkScope
from ..serialization import encode, headers, limits
from ..serialization.encode import Encoded, Write
from ..serialization.serializer import deserialize, serialize
from ..storage import chunk_reader, chunk_writer, conditional_puts
from ..storage.body_reader import open_bodies
from . import copied_threads, memory
from . import parent as parents


def put_writes(
    context: Context,
    place: ThreadNamespace,
    checkpoint_id: str,
    writes: Sequence[tuple[str, Any]],
    task_id: str,
    task_path: str,
    *,
    copies: Copies | None = None,
) -> Operation[None]:
    """Store a task's writes: one item for the regular ones, one for each special channel.

    A stored regular write is kept (the task has finished before), and a special one is
    overwritten: LangGraph's `put_writes` contract, see `WRITES_IDX_MAP`. Writes expire together
    with their checkpoint.

    Args:
        context: The call's settings and clock.
        place: The thread and namespace.
        checkpoint_id: The checkpoint.
        writes: Channels and values.
        task_id: The task.
        task_path: Its path, which sets the order of replay.
        copies: How to store writes of another saver; see `copied_threads`.

    Raises:
        ConflictError: Others kept changing an item while it was replaced.
        CorruptCheckpointError: The stored writes of the task cannot be read.
    """
    yield from copied_threads.ensure_here(context, place.thread_id)
    checkpoint_key = keys.checkpoint(keys.namespace(place.checkpoint_ns), checkpoint_id)
    task_key = keys.writes(checkpoint_key, task_id)
    hidden = None if keys.decode(keys.parse(task_key).task or "") is not None else task_id
    known = memory.remembered(context, place, checkpoint_id)
    entries: list[Write] = yield Compute(
        lambda: [
            Write(
                WRITES_IDX_MAP.get(channel, index),
                channel,
                serialize(context.serde, value, f"channel {channel!r}"),
            )
            for index, (channel, value) in enumerate(writes)
        ],
        lambda: limits.estimate_bytes([value for _, value in writes]),
    )
    sizes: dict[str, int] = {}
    for entry in entries:
        sizes[entry.channel] = sizes.get(entry.channel, 0) + len(entry.value[1])
    limits.check_new(context, sizes, f"{place}, checkpoint {checkpoint_id!r}, task {task_id!r}")
    groups = {task_key: [entry for entry in entries if entry.index >= 0]}
    for entry in entries:
        if entry.index < 0:
            groups[keys.writes(checkpoint_key, task_id, entry.channel)] = [entry]
    lifetime = known.lifetime if known else (yield from _lifetime(context, place, checkpoint_id))
    known_refs = known.known(lifetime.generation) if known else frozenset[bytes]()
    task = _Task(context, place, checkpoint_id, task_path, hidden, lifetime, known_refs)
    with context.in_flight.operation(task.scope, context.now):
        if copies is not None:
            yield from _store_copies(context, task, groups, copies)
        else:
            yield from _store(context, task, groups, task_key)


def _lifetime(context: Context, place: ThreadNamespace, checkpoint_id: str) -> Operation[Lifetime]:
    """The checkpoint's lifetime; if it is not stored yet, that of a checkpoint put now."""
    if context.ttl_seconds is not None:
        found = yield from parents.lifetime_of(context, place, checkpoint_id)
        if found is not None:
            return found
    return new_lifetime(context, delta=True)


def _store(
    context: Context, task: _Task, groups: dict[str, list[Write]], task_key: str
) -> Operation[None]:
    new_items: dict[str, Item] = {}
    refs: dict[str, Set[bytes]] = {}
    for sort_key, group in groups.items():
        if group:
            new_items[sort_key], refs[sort_key] = yield from task.item(sort_key, group)
    if not new_items:
        return
    replies = yield from conditional_puts.put_new(context, new_items.values())
    sent = dict(zip(new_items, replies, strict=True))
    regular = sent.pop(task_key, None)
    yield from conditional_puts.replace(
        context, [(new_items[key], reply) for key, reply in sent.items()]
    )
    if isinstance(regular, ConditionFailed):
        yield from task.merge(task_key, groups[task_key], new_items[task_key], regular.item)
    elif regular is not None:
        stored = frozenset((task.lifetime.generation, one) for one in refs[task_key])
        memory.add_writes(context, task.place, task.checkpoint_id, stored)


def _store_copies(
    context: Context, task: _Task, groups: Mapping[str, list[Write]], copies: Copies
) -> Operation[None]:
    """Store items that are not stored yet; those that are may have been changed by a run here."""
    for sort_key, group in groups.items():
        if not group:
            continue
        made, _ = yield from task.item(sort_key, group)
        item, old = {**made, items.FLAG: {"N": "1"}}, copies.replaced.get(sort_key)
        if old is None:
            yield from conditional_puts.put_new(context, [item])
        else:  # unless a run here, or another copy, has replaced it
            yield [requests.put_if_body(context.table, item, items.stored_bytes(old))]


def is_stored(context: Context, place: ThreadNamespace, item: Item, value: Any) -> Operation[bool]:
    """Whether the item of a write to a special channel has this value."""
    where = f"{place}, writes {items.sort_key(item)!r}"
    (write,) = yield from _writes_in(context, place, item, where)
    what = f"channel {write.channel!r}"
    if serialize(context.serde, value, what) == write.value:
        return True
    # A serializer that encrypts does not return the same bytes twice.
    serde = context.serde
    plain = serde.serde if isinstance(serde, EncryptedSerializer) else serde
    stored = deserialize(context, write.value, where, what)
    return serialize(plain, stored, what) == serialize(plain, value, what)


@dataclass(frozen=True, slots=True)
class Copies:
    """Writes of another saver. What is stored is kept.

    Attributes:
        replaced: Items of earlier copies that are replaced nevertheless, by sort key.
    """

    replaced: Mapping[str, Item]


@dataclass(frozen=True, slots=True)
class _Task:
    """The writes of one task on one checkpoint."""

    context: Context
    place: ThreadNamespace
    checkpoint_id: str
    task_path: str
    hidden_task_id: str | None
    lifetime: Lifetime
    known: frozenset[bytes]
    """Chunks in its generation that the checkpoint or its writes refer to."""

    @property
    def scope(self) -> ChunkScope:
        """The thread and generation of its chunks."""
        return self.place.thread_id, self.lifetime.generation

    def item(self, sort_key: str, writes: Sequence[Write]) -> Operation[tuple[Item, Set[bytes]]]:
        """Make a writes item and write its chunks; returns the item and the chunks' digests."""
        context = self.context
        written_before = context.counters.chunks_written if context.counters else 0
        encoded: Encoded = yield Compute(
            lambda: encode.encode_writes(
                context.serde,
                self.lifetime.generation,
                writes,
                self.task_path,
                self.hidden_task_id,
                self.known,
            ),
            lambda: sum(len(write.value[1]) for write in writes),
        )
        yield from chunk_writer.store(context, self.scope, encoded.chunks, self.known)
        if context.counters is not None:
            written = context.counters.chunks_written - written_before
            context.counters.chunks_reused += len(encoded.chunks) - written
        thread_id = self.place.thread_id
        item = items.checkpoint_or_writes_item(
            context, thread_id, sort_key, encoded.body, self.lifetime
        )
        return item, encoded.chunks.keys()

    def merge(
        self, sort_key: str, writes: Sequence[Write], item: Item, found: Item | None
    ) -> Operation[None]:
        """Add the writes whose index is not stored yet to the task's stored item."""
        context = self.context
        where = f"{self.place}, checkpoint {self.checkpoint_id!r}, writes {sort_key!r}"
        for _ in range(conditional_puts.ATTEMPTS):
            found = yield from conditional_puts.existing(context, item, found)
            merged: list[Write] = list(writes)
            if found is not None and not items.gone(context, found):
                try:
                    old = yield from _writes_in(context, self.place, found, where)
                except CorruptCheckpointError:
                    now = yield from conditional_puts.existing(context, item, None)
                    if now == found:
                        raise
                    found = now  # it was deleted or replaced during the read
                    continue
                taken = {write.index for write in old}
                missing = [write for write in writes if write.index not in taken]
                if not missing:
                    return
                merged = sorted([*old, *missing], key=lambda write: write.index)
            item, _ = yield from self.item(sort_key, merged)
            call = (
                requests.put_new(context.table, item)
                if found is None
                else requests.put_if_body(context.table, item, items.stored_bytes(found))
            )
            (reply,) = yield [call]
            if not isinstance(reply, ConditionFailed):
                return
            found = reply.item
        raise ConflictError(
            f"{self.place}, checkpoint {self.checkpoint_id!r}: other writers changed the task's "
            f"writes {conditional_puts.ATTEMPTS} times during the merge; call put_writes again"
        )


def _writes_in(
    context: Context, place: ThreadNamespace, item: Item, where: str
) -> Operation[list[Write]]:
    (opened,) = yield from open_bodies(context, place.thread_id, [item], where)
    records = encode.records_of([opened.body])
    limits.check_size(context, records, where)
    loaded = yield from chunk_reader.load(context, place.thread_id, records)
    header = headers.read_writes_header(context, opened.body, where)
    return [
        Write(index, channel, (record.type, loaded.join(record, where)))
        for index, channel, record in zip(
            header.indexes, header.channels, opened.body.records, strict=True
        )
    ]
