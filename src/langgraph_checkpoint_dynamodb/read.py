"""Operations that read one checkpoint, and what all reading shares.

Items are read consistently, newest key first. A checkpoint's writes sort right
behind it, so a descending page brings them before it; writes whose checkpoint
is not there (not put yet, expired or deleted) are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, PendingWrite, writes_sort_key

from . import batches, bodies, chunks, items, keys, recall, requests
from .chunks import Chunks
from .codec import Record
from .context import (
    Context,
    Known,
    Place,
    forget_checkpoint,
)
from .errors import CorruptCheckpointError
from .opening import Entry, Opened, open_bodies
from .operation import Compute, Item, Operation
from .serdes import deserialize

Over: TypeAlias = Callable[[Context, Item], bool]
"""Whether an item's time is over: `items.expired`, or for ancestors `items.gone`."""


@dataclass(slots=True)
class Group:
    """A checkpoint item and the items of its writes."""

    key: keys.CheckpointKey
    item: Item
    writes: list[Item] = field(default_factory=list)


def get_tuple(
    context: Context, place: Place, checkpoint_id: str | None
) -> Operation[CheckpointTuple | None]:
    """A checkpoint by id, or the newest of the namespace."""
    group = yield from get_group(context, place, checkpoint_id)
    if group is None:
        if checkpoint_id is not None:
            forget_checkpoint(context, place, checkpoint_id)
        return None
    entries = yield from read_headers(context, place.thread_id, [group])
    tuples = yield from read_tuples(context, entries, remember=True)
    return tuples[0]


def get_ancestor(context: Context, place: Place, checkpoint_id: str) -> Operation[Group | None]:
    """The items of a checkpoint that others are rebuilt from, also if it has expired."""
    key = keys.checkpoint(keys.namespace(place.checkpoint_ns), checkpoint_id)
    return (yield from exact_group(context, place.thread_id, key, items.gone))


def get_group(context: Context, place: Place, checkpoint_id: str | None) -> Operation[Group | None]:
    """The items of a checkpoint by id, or of the newest of the namespace."""
    ns = keys.namespace(place.checkpoint_ns)
    if checkpoint_id is None:
        return (yield from _newest(context, place.thread_id, ns))
    return (yield from exact_group(context, place.thread_id, keys.checkpoint(ns, checkpoint_id)))


def _newest(context: Context, thread_id: str, ns: str) -> Operation[Group | None]:
    bounds = keys.below(f"{keys.CHECKPOINTS}{ns}")
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
        key = items.parse_key(item)
        checkpoint_key = keys.checkpoint(ns, key.checkpoint_id)
        if key.task is not None:
            group = yield from exact_group(context, thread_id, checkpoint_key)
            if group is not None:
                return group
        elif not items.expired(context, item):
            return Group(key, item)
        start = requests.key(thread_id, checkpoint_key)


def exact_group(
    context: Context, thread_id: str, checkpoint_key: str, over: Over = items.expired
) -> Operation[Group | None]:
    """The items of the checkpoint of this sort key."""
    call = requests.query(context.table, thread_id, keys.below(checkpoint_key))
    found = yield from batches.read_range(call)
    groups = list(collect(context, reversed(found), [], over))
    return groups[0] if groups else None


def collect(
    context: Context, newest_first: Iterable[Item], carried: list[Item], over: Over = items.expired
) -> Iterable[Group]:
    """Gather items, newest key first, into checkpoints with their writes.

    `carried` holds the writes whose checkpoint has not come yet, from page to page;
    `over` tells the items whose time is over.
    """
    for item in newest_first:
        if over(context, item):
            continue
        key = items.parse_key(item)
        if key.task is not None:
            carried.append(item)
            continue
        prefix = f"{items.sort_key(item)}#"
        yield Group(key, item, [w for w in carried if items.sort_key(w).startswith(prefix)])
        carried.clear()


def read_headers(
    context: Context, thread_id: str, groups: Sequence[Group]
) -> Operation[list[Entry]]:
    """Read the headers of some checkpoints of one thread."""
    opened = yield from open_bodies(
        context, thread_id, [group.item for group in groups], f"thread {thread_id!r}"
    )
    entries = []
    for group, one in zip(groups, opened, strict=True):
        key = group.key
        where = f"thread {thread_id!r}, checkpoint {key.checkpoint_id!r}"
        header = bodies.read_checkpoint_header(context, one.body, where)
        ns = _name(key.namespace, header.checkpoint_ns, keys.namespace, where)
        place = Place(thread_id, ns)
        entries.append(Entry(place, key.checkpoint_id, one, header, group.item, group.writes))
    return entries


def read_tuples(
    context: Context, entries: Sequence[Entry], *, remember: bool = False
) -> Operation[list[CheckpointTuple]]:
    """Read values and pending writes of some checkpoints of one thread.

    With `remember`, a put of a child by this process can build on what was read.
    """
    if not entries:
        return []
    thread_id = entries[0].place.thread_id
    pending = [item for entry in entries for item in entry.writes]
    opened = yield from open_bodies(context, thread_id, pending, f"thread {thread_id!r}, writes")
    writes = iter(opened)
    with_writes = [(entry, [next(writes) for _ in entry.writes]) for entry in entries]
    for entry, own in with_writes:
        bodies.check_size(context, [entry.opened.body, *(one.body for one in own)], entry.where)
    recalled = [recall.recall(context, entry) if remember else {} for entry in entries]
    wanted = [
        (entry.opened.body.generation, record)
        for entry, known in zip(entries, recalled, strict=True)
        for channel, record in entry.records()
        if channel not in known
    ]
    wanted += bodies.records_of(one.body for one in opened)
    written = max(entry.opened.body.written for entry in entries)
    loaded = yield from chunks.load(context, thread_id, wanted, written=written)
    tuples: list[CheckpointTuple] = yield Compute(
        lambda: [
            _tuple(context, entry, own, loaded, known)
            for (entry, own), known in zip(with_writes, recalled, strict=True)
        ],
        lambda: (
            sum(record.size for _, record in wanted)
            + sum(known.memo.work for one in recalled for known in one.values() if known.memo)
        ),
    )
    if remember:
        for (entry, own), found in zip(with_writes, tuples, strict=True):
            yield recall.remembering(context, entry, own, loaded, found)
    return tuples


def _tuple(
    context: Context,
    entry: Entry,
    writes: Sequence[Opened],
    loaded: Chunks,
    recalled: Mapping[str, Known],
) -> CheckpointTuple:
    header, place = entry.header, entry.place
    values = {}
    for channel, record in entry.records():
        known = recalled.get(channel)
        values[channel] = (
            known.memo.make()
            if known is not None and known.memo is not None
            else read_value(context, loaded, record, entry.where, channel)
        )
    return CheckpointTuple(
        config=config_of(place, entry.checkpoint_id),
        checkpoint=bodies.whole_checkpoint(header, entry.checkpoint_id, values),
        metadata=header.metadata,
        parent_config=config_of(place, header.parent_id) if header.parent_id else None,
        pending_writes=pending_writes(context, entry, writes, loaded),
    )


def pending_writes(
    context: Context, entry: Entry, writes: Sequence[Opened], loaded: Chunks
) -> list[PendingWrite]:
    """A checkpoint's writes in the order that live execution applies them in."""
    found = []
    for item, opened in zip(entry.writes, writes, strict=True):
        header = bodies.read_writes_header(context, opened.body, entry.where)
        task = items.parse_key(item).task or ""
        task_id = _name(task, header.task_id, keys.task, entry.where)
        for index, channel, record in zip(
            header.indexes, header.channels, opened.body.records, strict=True
        ):
            found.append((writes_sort_key(header.task_path, task_id, index), channel, record))
    found.sort(key=lambda write: write[0])
    return [
        (task_id, channel, read_value(context, loaded, record, entry.where, channel))
        for (_, task_id, _), channel, record in found
    ]


def read_value(context: Context, loaded: Chunks, record: Record, where: str, channel: str) -> Any:
    """The value of a record, as the user's serde reads it."""
    value = (record.type, loaded.join(record, where))
    return deserialize(context, value, where, f"channel {channel!r}")


def _name(part: str, hidden: str | None, key_part: Callable[[str], str], where: str) -> str:
    """What a key part names: decoded, or `hidden` in the item if the part is a hash of it."""
    name = keys.decode(part)
    if name is not None:
        return name
    if hidden is None or key_part(hidden) != part:
        raise CorruptCheckpointError(f"{where}: its key {part!r} is the hash of another name")
    return hidden


def config_of(place: Place, checkpoint_id: str) -> RunnableConfig:
    """The config that names a checkpoint."""
    return {
        "configurable": {
            "thread_id": place.thread_id,
            "checkpoint_ns": place.checkpoint_ns,
            "checkpoint_id": checkpoint_id,
        }
    }
