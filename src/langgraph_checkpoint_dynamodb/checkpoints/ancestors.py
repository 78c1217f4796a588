"""Reading the ancestors that delta channels are rebuilt from, and extending their expiry."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ..errors import CorruptCheckpointError
from ..format import items, keys, requests
from ..format.expiry import MAX_GENERATION, NEVER, new_lifetime
from ..runtime.context import Context, ThreadNamespace
from ..runtime.effects import Call, Item, Operation
from ..serialization import headers
from ..storage import batches, chunk_writer
from ..storage.body_reader import CheckpointEntry, refs_of
from .checkpoint_items import (
    CheckpointItems,
    KeyedItem,
    collect,
    get_ancestor,
    parse_keys,
    read_headers,
)

_ITEMS_A_STEP = 4  # a checkpoint, and the writes of some tasks
_MAX_PAGE = 4096


def keep_ancestors(
    context: Context,
    place: ThreadNamespace,
    checkpoint_id: str,
    channels: Iterable[str],
    until: float,
) -> Operation[float]:
    """Extend the expiry of a checkpoint and its ancestors, back to each channel's last value.

    Args:
        context: The call's settings and clock.
        place: The checkpoint's thread and namespace.
        checkpoint_id: The checkpoint.
        channels: The delta channels to rebuild.
        until: The earliest time until which to keep them, in epoch seconds.

    Returns:
        Until when all of them are kept, in epoch seconds.

    Raises:
        CorruptCheckpointError: An item is damaged, or the parent ids form a cycle.
    """
    group = yield from get_ancestor(context, place, checkpoint_id)
    if group is None:
        return math.inf
    (entry,) = yield from read_headers(context, place.thread_id, [group])
    missing = set(channels) - set(entry.header.channels)
    ancestors = Ancestors(context, place, group, expected_items(entry, list(missing)))
    read = [entry]
    visited = {entry.checkpoint_id}
    while missing and entry.header.parent_id:
        check_no_cycle(visited, entry)
        parent = yield from ancestors.get(entry.header.parent_id)
        if parent is None:
            break
        entry = parent
        read.append(entry)
        missing -= set(entry.header.channels)
    return (yield from renew(context, read, until))


def expected_items(target: CheckpointEntry, channels: Sequence[str]) -> int:
    """An estimate of how many items lie between a checkpoint and the oldest snapshot it needs.

    The metadata counts the supersteps since each channel's last snapshot.
    """
    counters = headers.unstored_deltas(target.header, target.where)
    steps = max((counters.get(channel, 0) for channel in channels), default=0)
    return _ITEMS_A_STEP * (max(steps, 0) + 1)


def check_no_cycle(visited: set[str], entry: CheckpointEntry) -> None:
    """Add an entry's parent to the visited ids; a cycle would be an endless loop.

    Raises:
        CorruptCheckpointError: The parent has been visited already.
    """
    parent_id = str(entry.header.parent_id)
    if parent_id in visited:
        raise CorruptCheckpointError(f"{entry.where}: its parent {parent_id!r} descends from it")
    visited.add(parent_id)


class Ancestors:
    """The checkpoints that sort before one, by id. Reads the namespace backwards, in pages."""

    def __init__(
        self, context: Context, place: ThreadNamespace, target: CheckpointItems, expected: int
    ) -> None:
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
        self._seen: dict[str, CheckpointItems] = {}
        self._carried: list[KeyedItem] = []
        self._lowest: str | None = None

    def get(self, checkpoint_id: str) -> Operation[CheckpointEntry | None]:
        """The checkpoint of this id, or `None`."""
        while (
            checkpoint_id not in self._seen
            and self._call is not None
            and (self._lowest is None or checkpoint_id < self._lowest)
        ):
            yield from self._read_page()
        group = self._seen.pop(checkpoint_id, None)
        if group is None:  # an id that does not sort by its time
            group = yield from get_ancestor(self._context, self._place, checkpoint_id)
        if group is None:
            return None
        (entry,) = yield from read_headers(self._context, self._place.thread_id, [group])
        return entry

    def _read_page(self) -> Operation[None]:
        call = self._call
        assert call is not None  # noqa: S101 - the caller's loop has checked it
        (reply,) = yield [call]
        found = parse_keys(reply["Items"])
        for group in collect(self._context, found, self._carried, items.gone):
            self._seen[group.key.checkpoint_id] = group
            self._lowest = group.key.checkpoint_id
        self._call = batches.next_page(call, reply)
        if self._call is not None:
            self._call.params["Limit"] = min(call.params["Limit"] * 2, _MAX_PAGE)


def renew(context: Context, entries: Sequence[CheckpointEntry], least: float) -> Operation[float]:
    """Extend the expiry of the entries that a checkpoint is rebuilt from.

    An item that is kept for less than one and a half TTL periods from now is extended to more
    than two, so that checkpoints of the next half period do not outlive their ancestors. Without
    a TTL, the items' expiry is removed in effect: see `MAX_GENERATION`.

    Args:
        context: The call's settings and clock.
        entries: The checkpoint and its ancestors, with their writes.
        least: The earliest time until which to keep them, in epoch seconds.

    Returns:
        Until when all of them are kept, in epoch seconds.
    """
    ttl = context.ttl_seconds
    until = new_lifetime(context, delta=True, floor=least).generation
    if ttl is None or until == NEVER:
        until, due = MAX_GENERATION, float(MAX_GENERATION)
    else:
        due = max(context.now + 1.5 * ttl, least)
    for entry in entries:
        found = [entry.item, *entry.writes]
        too_short = [item for item in found if items.kept_until(context, item) < due]
        if too_short:
            yield from _extend(context, entry, too_short, until)
    return due


def _extend(
    context: Context, entry: CheckpointEntry, found: Sequence[Item], until: int
) -> Operation[None]:
    """Extend the expiry of some items, after copying their chunks to the generation `until`."""
    thread_id = entry.place.thread_id
    referred, _ = yield from refs_of(context, thread_id, found, entry.where)
    latest = {ref: generation for generation, ref in sorted(referred)}
    expiring = frozenset(
        (generation, ref) for ref, generation in latest.items() if generation < until
    )
    yield from chunk_writer.move(context, (thread_id, until), expiring)
    yield [
        requests.extend_ttl(
            context.table,
            requests.key(thread_id, items.sort_key(item)),
            context.ttl_attribute,
            until,
            items.EXPIRY,
        )
        for item in found
    ]
