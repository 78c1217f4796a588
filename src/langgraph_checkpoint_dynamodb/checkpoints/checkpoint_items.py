"""The items of checkpoints: found, grouped with their writes, and read again if they have changed.

Items are read consistently, newest key first. A checkpoint's writes sort right after it, so a
descending page returns the writes first. Writes without a checkpoint (not put yet, expired or
deleted) are skipped.

Reading a checkpoint takes several requests. Another process may delete it between two of them, or
move its chunks to a later generation. So missing bytes are an error only if the checkpoint's items
have not changed since they were read; otherwise the read starts again with the current items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from ..errors import CorruptCheckpointError
from ..format import items, keys, requests
from ..runtime.context import Context, ThreadNamespace
from ..runtime.effects import Item, Operation
from ..serialization import headers
from ..storage import batches
from ..storage.body_reader import CheckpointEntry, open_bodies
from . import copied_threads

T = TypeVar("T")

KeyedItem: TypeAlias = tuple[keys.CheckpointKey, Item]
"""An item with its parsed key."""

IsGone: TypeAlias = Callable[[Context, Item], bool]
"""Whether an item is to be skipped: `items.expired`, or `items.gone` for ancestors."""

MAX_READS = 8
"""How often a checkpoint is read, if it changes during each read."""


@dataclass(slots=True)
class CheckpointItems:
    """A checkpoint item and the items of its writes."""

    key: keys.CheckpointKey
    item: Item
    writes: list[Item] = field(default_factory=list)


def get_group(
    context: Context, place: ThreadNamespace, checkpoint_id: str | None
) -> Operation[CheckpointItems | None]:
    """The items of a checkpoint by its id, or of the newest of the namespace for `None`."""
    ns = keys.namespace(place.checkpoint_ns)
    if checkpoint_id is None:
        return (yield from _newest_group(context, place.thread_id, ns))
    return (yield from exact_group(context, place.thread_id, keys.checkpoint(ns, checkpoint_id)))


def get_ancestor(
    context: Context, place: ThreadNamespace, checkpoint_id: str
) -> Operation[CheckpointItems | None]:
    """The items of a checkpoint that others are rebuilt from, even if it has expired."""
    key = keys.checkpoint(keys.namespace(place.checkpoint_ns), checkpoint_id)
    return (yield from exact_group(context, place.thread_id, key, items.gone))


def newest_id(context: Context, place: ThreadNamespace) -> Operation[str | None]:
    """The id of a namespace's newest checkpoint; `None` if it has none."""
    group = yield from get_group(context, place, None)
    return group.key.checkpoint_id if group else None


def _newest_group(context: Context, thread_id: str, ns: str) -> Operation[CheckpointItems | None]:
    """The newest checkpoint. If it has expired, so have all older ones (see `format.expiry`)."""
    bounds = keys.of_namespace(ns)
    start: Item | None = None
    while True:
        (reply,) = yield [
            requests.query(
                context.table, thread_id, bounds, newest_first=True, limit=1, start=start
            )
        ]
        if not reply["Items"]:
            return None
        item = reply["Items"][0]
        if not items.sort_key(item).startswith(keys.CHECKPOINTS):
            if keys.is_of_0_1_3(items.sort_key(item)):
                yield from copied_threads.refuse_release_0_1_3(context, thread_id)
            return None
        key = items.parse_key(item)
        checkpoint_key = keys.checkpoint(ns, key.checkpoint_id)
        if not items.is_tombstone(item):
            if items.expired(context, item):
                return None
            if key.task is None:
                return CheckpointItems(key, item)
            group = yield from exact_group(context, thread_id, checkpoint_key, _is_tombstone)
            if group is not None:
                return None if items.expired(context, group.item) else group
        start = requests.key(thread_id, checkpoint_key)


def _is_tombstone(context: Context, item: Item) -> bool:  # noqa: ARG001 - an `IsGone`
    return items.is_tombstone(item)


def exact_group(
    context: Context, thread_id: str, checkpoint_key: str, is_gone: IsGone = items.expired
) -> Operation[CheckpointItems | None]:
    """The items of the checkpoint with this sort key."""
    call = requests.query(context.table, thread_id, keys.below(checkpoint_key))
    found = yield from batches.read_range(call)
    groups = list(collect(context, parse_keys(reversed(found)), [], is_gone))
    return groups[0] if groups else None


def parse_keys(found: Iterable[Item]) -> Iterator[KeyedItem]:
    """The items in the bounds of a namespace that are checkpoints or writes, with their keys."""
    for item in found:
        if items.sort_key(item).startswith(keys.CHECKPOINTS):
            yield items.parse_key(item), item


def collect(
    context: Context,
    newest_first: Iterable[KeyedItem],
    carried: list[KeyedItem],
    is_gone: IsGone = items.expired,
) -> Iterable[CheckpointItems]:
    """Collect items, newest key first, into checkpoints with their writes.

    Args:
        context: The call's settings and clock.
        newest_first: The items, in descending order of their sort keys.
        carried: Writes whose checkpoint has not been read yet. Pass the same list for each page of
            a range.
        is_gone: Which items to skip.
    """
    for key, item in newest_first:
        if is_gone(context, item):
            continue
        if key.task is not None:
            carried.append((key, item))
            continue
        writes = [one for its_key, one in carried if its_key.checkpoint == key.checkpoint]
        yield CheckpointItems(key, item, writes)
        carried.clear()


def read_headers(
    context: Context, thread_id: str, groups: Sequence[CheckpointItems]
) -> Operation[list[CheckpointEntry]]:
    """Read the headers of some checkpoints of one thread.

    Raises:
        CorruptCheckpointError: A body is damaged or lacks chunks.
    """
    opened = yield from open_bodies(
        context, thread_id, [group.item for group in groups], f"thread {thread_id!r}"
    )
    entries = []
    for group, one in zip(groups, opened, strict=True):
        key = group.key
        where = f"thread {thread_id!r}, checkpoint {key.checkpoint_id!r}"
        header = headers.read_checkpoint_header(context, one.body, where)
        ns = name_of(key.namespace, header.checkpoint_ns, keys.namespace, where)
        place = ThreadNamespace(thread_id, ns)
        entries.append(
            CheckpointEntry(place, key.checkpoint_id, one, header, group.item, group.writes)
        )
    return entries


def name_of(part: str, hidden: str | None, key_part: Callable[[str], str], where: str) -> str:
    """The name that a part of a key encodes.

    Args:
        part: The key part: the encoded name, or a hash of a name that is too long for a key.
        hidden: The name as the item's header stores it; `None` if the part is not a hash.
        key_part: Makes the key part of a name.
        where: The item's address, for errors.

    Raises:
        CorruptCheckpointError: The part is a hash, and not of `hidden`.
    """
    name = keys.decode(part)
    if name is not None:
        return name
    if hidden is None or key_part(hidden) != part:
        raise CorruptCheckpointError(f"{where}: its key {part!r} is the hash of another name")
    return hidden


def retry_if_changed(
    context: Context,
    thread_id: str,
    groups: Sequence[CheckpointItems],
    read: Callable[[Sequence[CheckpointItems]], Operation[list[T]]],
    is_gone: IsGone = items.expired,
) -> Operation[list[T]]:
    """Read some checkpoints; those that are deleted during the read are left out.

    Raises:
        CorruptCheckpointError: A checkpoint lacks bytes, and its items have not changed.
    """
    for attempt in range(MAX_READS):
        if not groups:
            break
        try:
            return (yield from read(groups))
        except CorruptCheckpointError:
            found = yield from reload_groups(context, thread_id, groups, is_gone)
            if found == groups or attempt == MAX_READS - 1:
                raise
            groups = found
    return []


def reload_groups(
    context: Context,
    thread_id: str,
    groups: Sequence[CheckpointItems],
    is_gone: IsGone = items.expired,
) -> Operation[list[CheckpointItems]]:
    """Read the items of some checkpoints again; those that are gone are left out."""
    found = []
    for group in groups:
        now = yield from exact_group(context, thread_id, group.key.sort_key, is_gone)
        if now is not None:
            found.append(now)
    return found
