"""`get_tuple`, and reading the values and pending writes of checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, PendingWrite, writes_sort_key

from ..errors import CorruptCheckpointError
from ..format import items, keys
from ..format.body import Record
from ..runtime.context import Context, ThreadNamespace
from ..runtime.effects import Compute, Operation
from ..serialization import encode, headers, limits
from ..serialization.encode import StoredValue
from ..serialization.message_memo import Memo
from ..serialization.serializer import deserialize
from ..storage import chunk_reader
from ..storage.body_reader import CheckpointEntry, Opened, open_bodies
from ..storage.chunk_reader import Chunks
from . import fencing, memory, recall
from .checkpoint_items import (
    MAX_READS,
    CheckpointItems,
    get_group,
    name_of,
    read_headers,
    reload_groups,
    retry_if_changed,
)
from .copied_threads import copied_now


def get_tuple(
    context: Context,
    place: ThreadNamespace,
    checkpoint_id: str | None,
    config: RunnableConfig | None = None,
) -> Operation[CheckpointTuple | None]:
    """A checkpoint by its id, or the newest of the namespace for `None`.

    Args:
        context: The call's settings and clock.
        place: The thread and namespace.
        checkpoint_id: The checkpoint.
        config: The caller's config. With fencing, a later put may fork from a checkpoint that
            it requests by id.
    """
    found = yield from _find(context, place, checkpoint_id)
    if config is not None and checkpoint_id:
        yield from fencing.note_request(context, place, checkpoint_id, config)
    return found


def _find(
    context: Context, place: ThreadNamespace, checkpoint_id: str | None
) -> Operation[CheckpointTuple | None]:
    for _ in range(MAX_READS):
        group = yield from get_group(context, place, checkpoint_id)
        item = group.item if group else None
        is_newest = checkpoint_id is None and not place.checkpoint_ns
        if (yield from copied_now(context, place.thread_id, item, is_newest=is_newest)):
            continue
        if group is None:
            break
        tuples = yield from retry_if_changed(
            context,
            place.thread_id,
            [group],
            lambda groups: _read(context, place.thread_id, groups, newest=checkpoint_id is None),
        )
        if tuples:
            return tuples[0]
    if checkpoint_id is not None:
        memory.forget(context, place, checkpoint_id)
    return None


def _read(
    context: Context, thread_id: str, groups: Sequence[CheckpointItems], *, newest: bool
) -> Operation[list[CheckpointTuple]]:
    entries = yield from read_headers(context, thread_id, groups)
    return (yield from read_tuples(context, entries, remember=True, newest=newest))


def read_tuples(
    context: Context,
    entries: Sequence[CheckpointEntry],
    *,
    remember: bool = False,
    newest: bool = False,
) -> Operation[list[CheckpointTuple]]:
    """Read the values and pending writes of some checkpoints of one thread.

    Args:
        context: The call's settings and clock.
        entries: The checkpoints.
        remember: Whether to remember what was read, so that this process puts a child in fewer
            requests.
        newest: Whether the checkpoint is the newest of its namespace.
    """
    if not entries:
        return []
    thread_id = entries[0].place.thread_id
    pending = [item for entry in entries for item in entry.writes]
    opened = yield from open_bodies(context, thread_id, pending, f"thread {thread_id!r}, writes")
    writes = iter(opened)
    reads = [_Read(entry, [next(writes) for _ in entry.writes]) for entry in entries]
    for one in reads:
        bodies = [one.entry.opened.body, *(written.body for written in one.writes)]
        limits.check_size(context, encode.records_of(bodies), one.entry.where)
        if remember:
            one.values, one.older = recall.remembered_values(context, one.entry)
    wanted = [
        (one.entry.opened.body.generation, record)
        for one in reads
        for channel, record in one.entry.records()
        if channel not in one.values
    ]
    wanted += encode.records_of(one.body for one in opened)
    rebuilt = [value.memo.work for one in reads for value in one.values.values() if value.memo]
    chunk_count = max(entry.opened.body.chunk_count for entry in entries)
    loaded = yield from chunk_reader.load(context, thread_id, wanted, chunk_count=chunk_count)
    tuples: list[CheckpointTuple] = yield Compute(
        lambda: [_tuple(context, one, loaded, remember=remember) for one in reads],
        lambda: sum(record.size for _, record in wanted) + sum(rebuilt),
    )
    if remember:
        for one in reads:
            recall.remember_read(context, one.entry, one.writes, loaded, one.values, newest=newest)
    return tuples


def read_existing(
    context: Context, thread_id: str, entries: Sequence[CheckpointEntry]
) -> Operation[list[CheckpointTuple]]:
    """Like `read_tuples`, without the checkpoints that are deleted during the read."""
    try:
        return (yield from read_tuples(context, entries))
    except CorruptCheckpointError:
        groups = [
            CheckpointItems(items.parse_key(one.item), one.item, one.writes) for one in entries
        ]
        found = yield from reload_groups(context, thread_id, groups)
        if found == groups:
            raise

    def read(groups: Sequence[CheckpointItems]) -> Operation[list[CheckpointTuple]]:
        opened = yield from read_headers(context, thread_id, groups)
        return (yield from read_tuples(context, opened))

    return (yield from retry_if_changed(context, thread_id, found, read))


@dataclass(slots=True)
class _Read:
    """A checkpoint whose values are read.

    Attributes:
        entry: The checkpoint.
        writes: The bodies of its pending writes.
        values: What is stored for its channels, if it is to be remembered: at first for those
            that are rebuilt from memory, at last for all.
        older: Memos of other values, which may be incomplete.
    """

    entry: CheckpointEntry
    writes: list[Opened]
    values: dict[str, StoredValue] = field(default_factory=dict)
    older: Mapping[str, Memo] = field(default_factory=dict)


def _tuple(context: Context, read: _Read, loaded: Chunks, *, remember: bool) -> CheckpointTuple:
    entry, where = read.entry, read.entry.where
    header, place = entry.header, entry.place
    values: dict[str, Any] = {}
    for channel, record in entry.records():
        known = read.values.get(channel)
        if known is not None and known.memo is not None:
            values[channel] = known.memo.make()
        elif remember:
            older = read.older.get(channel)
            values[channel], read.values[channel] = recall.read_value(
                context, loaded, record, where, channel, older
            )
        else:
            values[channel] = read_value(context, loaded, record, where, channel)
    return CheckpointTuple(
        config=config_of(place, entry.checkpoint_id),
        checkpoint=headers.whole_checkpoint(header, entry.checkpoint_id, values),
        metadata=header.metadata,
        parent_config=config_of(place, header.parent_id) if header.parent_id else None,
        pending_writes=pending_writes(context, entry, read.writes, loaded),
    )


def pending_writes(
    context: Context, entry: CheckpointEntry, writes: Sequence[Opened], loaded: Chunks
) -> list[PendingWrite]:
    """A checkpoint's writes, in the order in which LangGraph applies them."""
    found, where = [], entry.where
    for item, opened in zip(entry.writes, writes, strict=True):
        header = headers.read_writes_header(context, opened.body, where)
        task = items.parse_key(item).task or ""
        task_id = name_of(task, header.task_id, keys.task, where)
        for index, channel, record in zip(
            header.indexes, header.channels, opened.body.records, strict=True
        ):
            found.append((writes_sort_key(header.task_path, task_id, index), channel, record))
    found.sort(key=lambda write: write[0])
    return [
        (task_id, channel, read_value(context, loaded, record, where, channel))
        for (_, task_id, _), channel, record in found
    ]


def read_value(context: Context, loaded: Chunks, record: Record, where: str, channel: str) -> Any:
    """The value of a record, deserialized with the saver's serde."""
    value = (record.type, loaded.join(record, where))
    return deserialize(context, value, where, f"channel {channel!r}")


def config_of(place: ThreadNamespace, checkpoint_id: str) -> RunnableConfig:
    """The config that names a checkpoint."""
    return {
        "configurable": {
            "thread_id": place.thread_id,
            "checkpoint_ns": place.checkpoint_ns,
            "checkpoint_id": checkpoint_id,
        }
    }
