"""Remembering a checkpoint that was read, and using it when the checkpoint is read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple

from ..format import items, keys
from ..format.body import Record
from ..format.expiry import Lifetime
from ..runtime.context import Context
from ..runtime.effects import Compute
from ..serialization import headers, message_memo
from ..serialization.encode import StoredValue
from ..serialization.serializer import is_langgraphs
from ..storage.body_reader import CheckpointEntry, Opened
from ..storage.chunk_reader import Chunks
from . import memory
from .memory import StoredCheckpoint


def remembered_values(
    context: Context, entry: CheckpointEntry, known: StoredCheckpoint | None
) -> dict[str, StoredValue]:
    """The channels whose value this process can rebuild from memory, without reading bytes."""
    if known is None or not is_langgraphs(context.serde):
        return {}
    found = {}
    for channel, record in entry.records():
        value = known.values.get(channel)
        if value is not None and value.memo and value.memo.is_whole and value.record == record:
            found[channel] = value
    return found


def remember_read(
    context: Context,
    entry: CheckpointEntry,
    writes: Sequence[Opened],
    loaded: Chunks,
    found: CheckpointTuple,
    remembered: Mapping[str, StoredValue],
    known: StoredCheckpoint | None,
    *,
    newest: bool,
) -> Compute[None]:
    """Remember a checkpoint that was read, for the put of its child and for the next read.

    Args:
        context: The call's settings and clock.
        entry: The checkpoint.
        writes: The bodies of its pending writes.
        loaded: The chunks that were read.
        found: What was returned to the caller.
        remembered: The values that were rebuilt from memory; their bytes are not in `loaded`.
        known: What was remembered before the read.
        newest: Whether the checkpoint is the newest of its namespace.
    """

    def work() -> None:
        values = {
            channel: remembered.get(channel)
            or _value(context, entry, channel, record, loaded, found, known)
            for channel, record in entry.records()
        }
        stored = replace(stored_checkpoint(context, entry, loaded, values), newest=newest)
        memory.remember(context, entry.place, entry.checkpoint_id, stored)
        # Replaces earlier notes: some of those writes may have been replaced or deleted.
        refs = write_refs(entry, writes, loaded)
        memory.note_writes(context, entry.place, entry.checkpoint_id, refs)

    return Compute(
        work, lambda: sum(record.size for _, record in entry.records()) // message_memo.MEMO_SPEED
    )


def _value(
    context: Context,
    entry: CheckpointEntry,
    channel: str,
    record: Record,
    loaded: Chunks,
    found: CheckpointTuple,
    known: StoredCheckpoint | None,
) -> StoredValue:
    """What to remember of a value that was read."""
    value: Any = found.checkpoint["channel_values"][channel]
    refs = loaded.refs(record, entry.where)
    if not message_memo.handles(context.serde, value):
        return StoredValue(record, refs)
    before = known.values.get(channel) if known else None
    older = before.memo if before is not None and before.record == record else None
    data, leaves = loaded.join(record, entry.where), loaded.leaves(record, entry.where)
    return StoredValue(record, refs, message_memo.remember(value, data, leaves, older))


def stored_checkpoint(
    context: Context,
    entry: CheckpointEntry,
    loaded: Chunks,
    values: Mapping[str, StoredValue] | None = None,
) -> StoredCheckpoint:
    """A record of a checkpoint from its items, without its writes.

    Args:
        context: The call's settings and clock.
        entry: The checkpoint.
        loaded: At least the ref trees of its values.
        values: What is known of its values; by default, made from their records.

    Raises:
        CorruptCheckpointError: A part of a ref tree is missing.
    """
    body = entry.opened.body
    if values is None:
        values = {
            channel: StoredValue(record, loaded.refs(record, entry.where))
            for channel, record in entry.records()
        }
    kept = items.kept_until(context, entry.item)
    return StoredCheckpoint(
        lifetime=Lifetime(body.generation, items.expires(context, entry.item), kept),
        versions=dict(entry.header.checkpoint["channel_versions"]),
        values=values,
        refs=entry.opened.refs.union(*(value.refs for value in values.values())),
        chunk_count=body.chunk_count,
        chain=None if headers.has_deltas(entry.header.metadata, {}) else kept,
        newest=False,
        looked_at=context.now,
    )


def write_refs(entry: CheckpointEntry, writes: Sequence[Opened], loaded: Chunks) -> keys.ChunkRefs:
    """The chunks that a checkpoint's regular writes refer to.

    Without those of writes to special channels: such a write may be replaced, and then garbage
    collection deletes its chunks.
    """
    return frozenset(
        (opened.body.generation, ref)
        for item, opened in zip(entry.writes, writes, strict=True)
        if items.parse_key(item).channel is None
        for record in opened.body.records
        for ref in loaded.refs(record, entry.where)
    )
