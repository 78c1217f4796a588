"""Delta channels: rebuilding a value from the writes of a checkpoint's ancestors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langgraph.checkpoint.base import DeltaChannelHistory, PendingWrite

from . import batches, bodies, chunk_writer, chunks, items, keys, memory, requests
from .context import Context, Place
from .errors import CorruptCheckpointError
from .lifetimes import FOR_EVER, NEVER, new_lifetime
from .opening import Entry, open_bodies, refs_of
from .operation import Call, Item, Operation
from .read import (
    Group,
    collect,
    get_ancestor,
    get_group,
    pending_writes,
    read_headers,
    read_value,
    whole,
)

_ITEMS_A_STEP = 4  # a checkpoint and some tasks' writes
_MAX_PAGE = 4096


@dataclass(slots=True)
class _Walk:
    """What has been gathered for the requested channels, newest ancestor first."""

    remaining: set[str]
    writes: dict[str, list[PendingWrite]]
    seeds: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, channels: Sequence[str]) -> _Walk:
        """Nothing gathered yet."""
        return cls(set(channels), {channel: [] for channel in channels})

    def result(self) -> dict[str, DeltaChannelHistory]:
        """In the form of the base class: writes oldest first, seed only if there is one."""
        found: dict[str, DeltaChannelHistory] = {}
        for channel, writes in self.writes.items():
            found[channel] = {"writes": writes[::-1]}
            if channel in self.seeds:
                found[channel]["seed"] = self.seeds[channel]
        return found


def get_delta_channel_history(
    context: Context, place: Place, checkpoint_id: str | None, channels: Sequence[str]
) -> Operation[dict[str, DeltaChannelHistory]]:
    """Walk the ancestors of a checkpoint until every channel has found its seed."""
    target = yield from get_group(context, place, checkpoint_id)
    if target is None or not channels:
        return _Walk.of(channels).result()
    walks = yield from whole(
        context,
        place.thread_id,
        [target],
        lambda groups: _walk(context, place, groups[0], channels),
    )
    return (walks[0] if walks else _Walk.of(channels)).result()


def _walk(
    context: Context, place: Place, target: Group, channels: Sequence[str]
) -> Operation[list[_Walk]]:
    walk = _Walk.of(channels)
    known = memory.remembered(context, place, target.key.checkpoint_id)
    (entry,) = yield from read_headers(context, place.thread_id, [target])
    ancestors = Ancestors(context, place, target, _expected_items(entry, channels))
    read = [entry]
    met = {entry.checkpoint_id}
    while walk.remaining and entry.header.parent_id:
        check_descent(met, entry)
        parent = yield from ancestors.get(entry.header.parent_id)
        if parent is None:
            _check_cut(walk, entry)
            break
        entry = parent
        read.append(entry)
        yield from _gather(context, entry, walk)
    kept = yield from _renew(context, read, items.expires(context, target.item))
    if items.kept_until(context, target.item) < kept:
        memory.forget(context, place, target.key.checkpoint_id)  # it was moved itself
    elif known is not None and bodies.unstored_deltas(read[0].header, "").keys() <= set(channels):
        memory.remember(context, place, target.key.checkpoint_id, replace(known, chain=kept))
    return [walk]


def keep_ancestors(
    context: Context, place: Place, checkpoint_id: str, channels: Iterable[str], until: float
) -> Operation[float]:
    """Keep a checkpoint, and its ancestors back to the last value of each channel.

    Until a time in epoch seconds, at least; returns until when.
    """
    group = yield from get_ancestor(context, place, checkpoint_id)
    if group is None:
        return math.inf
    (entry,) = yield from read_headers(context, place.thread_id, [group])
    missing = set(channels) - set(entry.header.channels)
    ancestors = Ancestors(context, place, group, _expected_items(entry, list(missing)))
    read = [entry]
    met = {entry.checkpoint_id}
    while missing and entry.header.parent_id:
        check_descent(met, entry)
        parent = yield from ancestors.get(entry.header.parent_id)
        if parent is None:
            break
        entry = parent
        read.append(entry)
        missing -= set(entry.header.channels)
    return (yield from _renew(context, read, until))


def _expected_items(target: Entry, channels: Sequence[str]) -> int:
    """About how many items lie between a checkpoint and the oldest snapshot it needs.

    The metadata counts the supersteps since each channel's last snapshot.
    """
    counters = bodies.unstored_deltas(target.header, target.where)
    steps = max((counters.get(channel, 0) for channel in channels), default=0)
    return _ITEMS_A_STEP * (max(steps, 0) + 1)


def check_descent(met: set[str], entry: Entry) -> None:
    """Note an entry's parent; a chain that comes back to where it was would be walked for ever."""
    parent_id = str(entry.header.parent_id)
    if parent_id in met:
        raise CorruptCheckpointError(f"{entry.where}: its parent {parent_id!r} descends from it")
    met.add(parent_id)


def _check_cut(walk: _Walk, oldest: Entry) -> None:
    """A missing ancestor matters only to a channel that had been written by then."""
    versions = oldest.header.checkpoint["channel_versions"]
    lost = sorted(channel for channel in walk.remaining if channel in versions)
    if lost:
        raise CorruptCheckpointError(
            f"{oldest.where}: its parent {oldest.header.parent_id!r} is gone, and the value of "
            f"{', '.join(map(repr, lost))} cannot be rebuilt without it (deleted or expired)"
        )


def _gather(context: Context, entry: Entry, walk: _Walk) -> Operation[None]:
    thread_id = entry.place.thread_id
    opened = yield from open_bodies(context, thread_id, entry.writes, entry.where)
    body = entry.opened.body
    stored = dict(zip(entry.header.channels, body.records, strict=True))
    seeds = {channel: stored[channel] for channel in walk.remaining if channel in stored}
    wanted = [(body.generation, record) for record in seeds.values()]
    wanted += bodies.records_of(one.body for one in opened)
    bodies.check_size(
        context,
        [replace(body, records=tuple(seeds.values())), *(one.body for one in opened)],
        entry.where,
    )
    loaded = yield from chunks.load(context, thread_id, wanted)
    for write in reversed(pending_writes(context, entry, opened, loaded)):
        if write[1] in walk.remaining:
            walk.writes[write[1]].append(write)
    for channel, record in seeds.items():
        walk.seeds[channel] = read_value(context, loaded, record, entry.where, channel)
    walk.remaining -= seeds.keys()


class Ancestors:
    """The checkpoints before one, looked up by id; read backwards in pages."""

    def __init__(self, context: Context, place: Place, target: Group, expected: int) -> None:
        self._context = context
        self._place = place
        ns = keys.namespace(place.checkpoint_ns)
        low, _ = keys.below(f"{keys.CHECKPOINTS}{ns}")
        high = keys.checkpoint(ns, target.key.checkpoint_id)
        self._call: Call | None = requests.query(
            context.table,
            place.thread_id,
            (low, high),
            newest_first=True,
            limit=min(expected, _MAX_PAGE),
            start=requests.key(place.thread_id, high),
        )
        self._seen: dict[str, Group] = {}
        self._carried: list[Item] = []
        self._lowest: str | None = None

    def get(self, checkpoint_id: str) -> Operation[Entry | None]:
        """The checkpoint of this id, or `None`."""
        while (
            checkpoint_id not in self._seen
            and self._call is not None
            and (self._lowest is None or checkpoint_id < self._lowest)
        ):
            yield from self._read_page()
        group = self._seen.pop(checkpoint_id, None)
        if group is None:  # ids that do not sort in the order they were made in
            group = yield from get_ancestor(self._context, self._place, checkpoint_id)
        if group is None:
            return None
        (entry,) = yield from read_headers(self._context, self._place.thread_id, [group])
        return entry

    def _read_page(self) -> Operation[None]:
        call = self._call
        assert call is not None  # noqa: S101 - the caller's loop has checked it
        (reply,) = yield [call]
        for group in collect(self._context, reply["Items"], self._carried, items.gone):
            self._seen[group.key.checkpoint_id] = group
            self._lowest = group.key.checkpoint_id
        self._call = batches.next_page(call, reply)
        if self._call is not None:
            self._call.params["Limit"] = min(call.params["Limit"] * 2, _MAX_PAGE)


def _renew(context: Context, entries: Sequence[Entry], least: float) -> Operation[float]:
    """Keep what a living checkpoint is rebuilt from, at least until `least`.

    And for over two TTL periods from now, once less than one and a half are left: then what is
    put in the next half period does not outlive its ancestors. A saver that gives no
    expiry keeps them for ever. Returns until when they are kept at least.
    """
    ttl = context.ttl_seconds
    until = new_lifetime(context, delta=True, floor=least).generation
    if ttl is None or until == NEVER:
        until, due = FOR_EVER, float(FOR_EVER)
    else:
        due = max(context.now + 1.5 * ttl, least)
    for entry in entries:
        found = [entry.item, *entry.writes]
        short = [item for item in found if items.kept_until(context, item) < due]
        if short:
            yield from _keep(context, entry, short, until)
    return due


def _keep(context: Context, entry: Entry, found: Sequence[Item], until: int) -> Operation[None]:
    """Keep some items for longer, after their chunks were copied to a generation as long."""
    thread_id = entry.place.thread_id
    referred, _ = yield from refs_of(context, thread_id, found, entry.where)
    latest = {ref: generation for generation, ref in sorted(referred)}
    wanted = frozenset(
        (generation, ref) for ref, generation in latest.items() if generation < until
    )
    yield from chunk_writer.move(context, (thread_id, until), wanted)
    yield [
        requests.keep(
            context.table,
            requests.key(thread_id, items.sort_key(item)),
            context.ttl_attribute,
            until,
            items.EXPIRY,
        )
        for item in found
    ]
