"""`get_delta_channel_history`: the writes and seeds that delta channels are rebuilt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langgraph.checkpoint.base import DeltaChannelHistory, PendingWrite

from ..errors import CorruptCheckpointError
from ..format import items
from ..runtime.context import Context, ThreadNamespace
from ..runtime.effects import Operation
from ..serialization import encode, headers, limits
from ..storage import chunk_reader
from ..storage.body_reader import CheckpointEntry, open_bodies
from . import memory
from .ancestors import Ancestors, check_no_cycle, expected_items, renew
from .checkpoint_items import CheckpointItems, get_group, read_headers, retry_if_changed
from .copied_threads import ensure_here
from .get import pending_writes, read_value


@dataclass(slots=True)
class _Walk:
    """The writes and seeds of the requested channels that were read so far, newest first."""

    remaining: set[str]
    writes: dict[str, list[PendingWrite]]
    seeds: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, channels: Sequence[str]) -> _Walk:
        """A walk that has read nothing yet."""
        return cls(set(channels), {channel: [] for channel in channels})

    def result(self) -> dict[str, DeltaChannelHistory]:
        """The result as LangGraph defines it: writes oldest first, `seed` only if there is one."""
        found: dict[str, DeltaChannelHistory] = {}
        for channel, writes in self.writes.items():
            found[channel] = {"writes": writes[::-1]}
            if channel in self.seeds:
                found[channel]["seed"] = self.seeds[channel]
        return found


def get_delta_channel_history(
    context: Context, place: ThreadNamespace, checkpoint_id: str | None, channels: Sequence[str]
) -> Operation[dict[str, DeltaChannelHistory]]:
    """Read the ancestors of a checkpoint, newest first, until each channel's seed is found."""
    yield from ensure_here(context, place.thread_id)
    target = yield from get_group(context, place, checkpoint_id)
    if target is None or not channels:
        return _Walk.of(channels).result()
    walks = yield from retry_if_changed(
        context,
        place.thread_id,
        [target],
        lambda groups: _walk(context, place, groups[0], channels),
    )
    return (walks[0] if walks else _Walk.of(channels)).result()


def _walk(
    context: Context, place: ThreadNamespace, target: CheckpointItems, channels: Sequence[str]
) -> Operation[list[_Walk]]:
    walk = _Walk.of(channels)
    known = memory.remembered(context, place, target.key.checkpoint_id)
    (entry,) = yield from read_headers(context, place.thread_id, [target])
    ancestors = Ancestors(context, place, target, expected_items(entry, channels))
    read = [entry]
    visited = {entry.checkpoint_id}
    while walk.remaining and entry.header.parent_id:
        check_no_cycle(visited, entry)
        parent = yield from ancestors.get(entry.header.parent_id)
        if parent is None:
            _check_missing_parent(walk, entry)
            break
        entry = parent
        read.append(entry)
        yield from _gather(context, entry, walk)
    kept = yield from renew(context, read, items.expires(context, target.item))
    if items.kept_until(context, target.item) < kept:
        memory.forget(context, place, target.key.checkpoint_id)  # its own item was changed
    elif known is not None and headers.unstored_deltas(read[0].header, "").keys() <= set(channels):
        memory.remember(context, place, target.key.checkpoint_id, replace(known, chain=kept))
    return [walk]


def _check_missing_parent(walk: _Walk, oldest: CheckpointEntry) -> None:
    """A missing parent is an error only if a channel had a value at that time."""
    versions = oldest.header.checkpoint["channel_versions"]
    lost = sorted(channel for channel in walk.remaining if channel in versions)
    if lost:
        raise CorruptCheckpointError(
            f"{oldest.where}: its parent {oldest.header.parent_id!r} was deleted or has expired, "
            f"so the value of {', '.join(map(repr, lost))} cannot be rebuilt"
        )


def _gather(context: Context, entry: CheckpointEntry, walk: _Walk) -> Operation[None]:
    thread_id = entry.place.thread_id
    opened = yield from open_bodies(context, thread_id, entry.writes, entry.where)
    body = entry.opened.body
    stored = dict(zip(entry.header.channels, body.records, strict=True))
    seeds = {channel: stored[channel] for channel in walk.remaining if channel in stored}
    wanted = [(body.generation, record) for record in seeds.values()]
    wanted += encode.records_of(one.body for one in opened)
    limits.check_size(context, wanted, entry.where)
    loaded = yield from chunk_reader.load(context, thread_id, wanted)
    for write in reversed(pending_writes(context, entry, opened, loaded)):
        if write[1] in walk.remaining:
            walk.writes[write[1]].append(write)
    for channel, record in seeds.items():
        walk.seeds[channel] = read_value(context, loaded, record, entry.where, channel)
    walk.remaining -= seeds.keys()
