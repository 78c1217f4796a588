"""What a process keeps of a checkpoint that it reads, and makes of it when it reads it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple

from . import bodies, items, messages
from .chunks import Chunks
from .context import (
    Context,
    Known,
    Remembered,
    note_deltas,
    note_written,
    remember_checkpoint,
    remembered,
)
from .opening import Entry, Opened
from .operation import Compute
from .slices import is_langgraphs


def recall(context: Context, entry: Entry) -> dict[str, Known]:
    """The channels whose value this process can make without its bytes."""
    sent = remembered(context, entry.place, entry.checkpoint_id)
    if sent is None or not is_langgraphs(context.serde):
        return {}
    found = {}
    for channel, record in entry.records():
        known = sent.records.get(channel)
        if known is not None and known.memo and known.memo.is_whole and known.record == record:
            found[channel] = known
    return found


def remembering(
    context: Context,
    entry: Entry,
    writes: Sequence[Opened],
    loaded: Chunks,
    found: CheckpointTuple,
) -> Compute[None]:
    """Keep what a child's put, or the next reader, can build on."""
    values = found.checkpoint["channel_values"]
    return Compute(
        lambda: _remember(context, entry, writes, loaded, values),
        lambda: sum(record.size for _, record in entry.records()) // messages.MEMO_SPEED,
    )


def _remember(
    context: Context,
    entry: Entry,
    writes: Sequence[Opened],
    loaded: Chunks,
    values: Mapping[str, Any],
) -> None:
    body, where = entry.opened.body, entry.where
    sent = remembered(context, entry.place, entry.checkpoint_id)
    if sent is not None and sent.generation != body.generation:
        sent = None
    stored = {}
    for channel, record in entry.records():
        known = sent.records.get(channel) if sent else None
        if known is None or known.record != record:
            known = Known(record, loaded.refs(record, where))
        if messages.handles(context.serde, values[channel]) and not (
            known.memo and known.memo.is_whole
        ):
            data, leaves = loaded.join(record, where), loaded.leaves(record, where)
            memo = messages.remember(values[channel], data, leaves, known.memo)
            known = known.with_memo(memo)
        stored[channel] = known
    refs = entry.opened.refs.union(*(known.refs for known in stored.values()))
    if sent is not None:
        # What this process has announced itself and knows to have arrived.
        refs |= sent.refs.intersection(body.announced)
    versions = entry.header.checkpoint["channel_versions"]
    kept = items.kept_until(context, entry.item)
    deltas = bodies.has_deltas(entry.header.metadata, {})
    chain = None if deltas else kept
    known_now = Remembered(body.generation, versions, stored, refs, body.written, kept, chain)
    remember_checkpoint(context, entry.place, entry.checkpoint_id, known_now)
    note_deltas(context, entry.place, deltas)
    written = frozenset(
        (opened.body.generation, ref)
        for opened in writes
        for record in opened.body.records
        for ref in loaded.refs(record, where)
    )
    # In place of what was noted earlier, some of which may have been replaced or deleted.
    note_written(context, entry.place, entry.checkpoint_id, written)
