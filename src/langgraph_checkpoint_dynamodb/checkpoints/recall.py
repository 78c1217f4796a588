"""What a process keeps of a checkpoint that it reads, and makes of it when it reads it again."""

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


def recall(
    context: Context, entry: CheckpointEntry, known: StoredCheckpoint | None
) -> dict[str, StoredValue]:
    """The channels whose value this process can make without its bytes."""
    if known is None or not is_langgraphs(context.serde):
        return {}
    found = {}
    for channel, record in entry.records():
        value = known.values.get(channel)
        if value is not None and value.memo and value.memo.is_whole and value.record == record:
            found[channel] = value
    return found


def remembering(
    context: Context,
    entry: CheckpointEntry,
    writes: Sequence[Opened],
    loaded: Chunks,
    found: CheckpointTuple,
    recalled: Mapping[str, StoredValue],
    known: StoredCheckpoint | None,
    *,
    newest: bool,
) -> Compute[None]:
    """Keep what a child's put, or the next reader, can build on.

    `recalled` is what was made without its bytes, so it needs none here either.
    """

    def work() -> None:
        values = {
            channel: recalled.get(channel)
            or _value(context, entry, channel, record, loaded, found, known)
            for channel, record in entry.records()
        }
        stored = replace(stored_checkpoint(context, entry, loaded, values), newest=newest)
        memory.remember(context, entry.place, entry.checkpoint_id, stored)
        # In place of what was noted earlier, some of which may have been replaced or deleted.
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
    """What is known of a value that was read."""
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
    """What the items of a checkpoint say of it, without its writes.

    Args:
        context: The call's surroundings.
        entry: The checkpoint.
        loaded: The lists of refs of its values, at least.
        values: What is known of its values; made of their records if not given.

    Raises:
        CorruptCheckpointError: A list of refs is missing.
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

    A write to a special channel may be replaced, and a sweep then deletes what only that
    one referred to.
    """
    return frozenset(
        (opened.body.generation, ref)
        for item, opened in zip(entry.writes, writes, strict=True)
        if items.parse_key(item).channel is None
        for record in opened.body.records
        for ref in loaded.refs(record, entry.where)
    )
