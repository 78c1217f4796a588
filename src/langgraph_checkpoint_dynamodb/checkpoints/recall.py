"""Remembering a checkpoint that was read, and using it when the checkpoint is read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..format import items, keys
from ..format.body import Record
from ..format.expiry import Lifetime
from ..runtime.context import Context
from ..serialization import headers, message_memo
from ..serialization.encode import StoredValue
from ..serialization.message_memo import Memo
from ..serialization.serializer import deserialize, is_langgraphs
from ..storage.body_reader import CheckpointEntry, Opened
from ..storage.chunk_reader import Chunks
from . import memory
from .memory import StoredCheckpoint


def remembered_values(
    context: Context, entry: CheckpointEntry
) -> tuple[dict[str, StoredValue], dict[str, Memo]]:
    """What this process remembers of the values of a checkpoint.

    Returns:
        The channels whose value can be rebuilt from memory, without reading bytes. Then the memos
        of other channels, which are incomplete.
    """
    known = memory.remembered(context, entry.place, entry.checkpoint_id)
    found: dict[str, StoredValue] = {}
    older: dict[str, Memo] = {}
    if known is None or not is_langgraphs(context.serde):
        return found, older
    for channel, record in entry.records():
        value = known.values.get(channel)
        if value is None or not value.memo or value.record != record:
            continue
        if value.memo.is_whole:
            found[channel] = value
        else:
            older[channel] = value.memo
    return found, older


def read_value(
    context: Context, loaded: Chunks, record: Record, where: str, channel: str, older: Memo | None
) -> tuple[Any, StoredValue]:
    """A value, deserialized, and what to remember of it; `older` is an incomplete memo of it."""
    content = loaded.content(record, where)
    value = deserialize(context, (record.type, content.data), where, f"channel {channel!r}")
    memo = None
    if message_memo.handles(context.serde, value):
        memo = message_memo.remember(value, content.data, content.leaves, older)
    return value, StoredValue(record, loaded.refs(record, where), memo)


def remember_read(
    context: Context,
    entry: CheckpointEntry,
    writes: Sequence[Opened],
    loaded: Chunks,
    values: Mapping[str, StoredValue],
    *,
    newest: bool,
) -> None:
    """Remember a checkpoint that was read, for the put of its child and for the next read.

    Args:
        context: The call's settings and clock.
        entry: The checkpoint.
        writes: The bodies of its pending writes.
        loaded: The chunks that were read.
        values: What is stored for its channels.
        newest: Whether the checkpoint is the newest of its namespace.
    """
    stored = replace(stored_checkpoint(context, entry, loaded, values), newest=newest)
    memory.remember(context, entry.place, entry.checkpoint_id, stored)
    # Replaces earlier notes: some of those writes may have been replaced or deleted.
    refs = write_refs(entry, writes, loaded)
    memory.note_writes(context, entry.place, entry.checkpoint_id, refs)


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
        where = entry.where
        values = {
            channel: StoredValue(record, loaded.refs(record, where))
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
        listed=body.listed,
    )


def write_refs(entry: CheckpointEntry, writes: Sequence[Opened], loaded: Chunks) -> keys.ChunkRefs:
    """The chunks that a checkpoint's regular writes refer to.

    Without those of writes to special channels: such a write may be replaced, and then garbage
    collection deletes its chunks.
    """
    where = entry.where
    return frozenset(
        (opened.body.generation, ref)
        for item, opened in zip(entry.writes, writes, strict=True)
        if items.parse_key(item).channel is None
        for record in opened.body.records
        for ref in loaded.refs(record, where)
    )
