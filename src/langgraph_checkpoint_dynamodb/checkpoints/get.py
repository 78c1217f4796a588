"""Operations that read one checkpoint, and what all reading shares.

Items are read consistently, newest key first. A checkpoint's writes sort right
behind it, so a descending page brings them before it; writes whose checkpoint
is not there (not put yet, expired or deleted) are passed over.

A checkpoint is read in several requests, and meanwhile it may be deleted, or its chunks moved to
a later generation. So bytes that are missing are an error only if its items stand as they were
read; else the reading begins again with what is there now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, PendingWrite, writes_sort_key

from ..errors import CorruptCheckpointError
from ..format import items, keys, requests
from ..format.body import Record
from ..runtime.context import Context, ThreadNamespace
from ..runtime.effects import Compute, Item, Operation
from ..serialization import encode, headers, limits
from ..serialization.encode import StoredValue
from ..serialization.serializer import deserialize
from ..storage import batches, chunk_reader
from ..storage.body_reader import CheckpointEntry, Opened, open_bodies
from ..storage.chunk_reader import Chunks
from . import memory, recall

T = TypeVar("T")

Over: TypeAlias = Callable[[Context, Item], bool]
"""Whether an item's time is over: `items.expired`, or for ancestors `items.gone`."""

_LOOKS = 8
"""How often what is read may change under the reader's hands."""


@dataclass(slots=True)
class Group:
    """A checkpoint item and the items of its writes."""

    key: keys.CheckpointKey
    item: Item
    writes: list[Item] = field(default_factory=list)


def get_tuple(
    context: Context, place: ThreadNamespace, checkpoint_id: str | None
) -> Operation[CheckpointTuple | None]:
    """A checkpoint by id, or the newest of the namespace."""
    for _ in range(_LOOKS):
        group = yield from get_group(context, place, checkpoint_id)
        if group is None:
            break
        tuples = yield from whole(
            context,
            place.thread_id,
            [group],
            lambda groups: _get(context, place.thread_id, groups, newest=checkpoint_id is None),
        )
        if tuples:
            return tuples[0]
    if checkpoint_id is not None:
        memory.forget(context, place, checkpoint_id)
    return None


def _get(
    context: Context, thread_id: str, groups: Sequence[Group], *, newest: bool
) -> Operation[list[CheckpointTuple]]:
    entries = yield from read_headers(context, thread_id, groups)
    return (yield from read_tuples(context, entries, remember=True, newest=newest))


def whole(
    context: Context,
    thread_id: str,
    groups: Sequence[Group],
    read: Callable[[Sequence[Group]], Operation[list[T]]],
    over: Over = items.expired,
) -> Operation[list[T]]:
    """Read some checkpoints; those that are deleted meanwhile are left out.

    Raises:
        CorruptCheckpointError: A checkpoint lacks bytes, and its items stand as they were.
    """
    for look in range(_LOOKS):
        if not groups:
            break
        try:
            return (yield from read(groups))
        except CorruptCheckpointError:
            found = yield from look_again(context, thread_id, groups, over)
            if found == groups or look == _LOOKS - 1:
                raise
            groups = found
    return []


def look_again(
    context: Context, thread_id: str, groups: Sequence[Group], over: Over = items.expired
) -> Operation[list[Group]]:
    """The groups as they are now, without those that are gone."""
    found = []
    for group in groups:
        key = items.sort_key(group.item)
        now = yield from exact_group(context, thread_id, key, over)
        if now is not None:
            found.append(now)
    return found


def get_ancestor(
    context: Context, place: ThreadNamespace, checkpoint_id: str
) -> Operation[Group | None]:
    """The items of a checkpoint that others are rebuilt from, also if it has expired."""
    key = keys.checkpoint(keys.namespace(place.checkpoint_ns), checkpoint_id)
    return (yield from exact_group(context, place.thread_id, key, items.gone))


def get_group(
    context: Context, place: ThreadNamespace, checkpoint_id: str | None
) -> Operation[Group | None]:
    """The items of a checkpoint by id, or of the newest of the namespace."""
    ns = keys.namespace(place.checkpoint_ns)
    if checkpoint_id is None:
        return (yield from _newest(context, place.thread_id, ns))
    return (yield from exact_group(context, place.thread_id, keys.checkpoint(ns, checkpoint_id)))


def _newest(context: Context, thread_id: str, ns: str) -> Operation[Group | None]:
    """The newest checkpoint. If that has expired, so have all before it (see `lifetimes`)."""
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
        if not items.is_tombstone(item):
            if items.expired(context, item):
                return None
            if key.task is None:
                return Group(key, item)
            group = yield from exact_group(context, thread_id, checkpoint_key, _is_void)
            if group is not None:
                return None if items.expired(context, group.item) else group
        start = requests.key(thread_id, checkpoint_key)


def _is_void(context: Context, item: Item) -> bool:  # noqa: ARG001 - an `Over`
    return items.is_tombstone(item)


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
) -> Operation[list[CheckpointEntry]]:
    """Read the headers of some checkpoints of one thread."""
    opened = yield from open_bodies(
        context, thread_id, [group.item for group in groups], f"thread {thread_id!r}"
    )
    entries = []
    for group, one in zip(groups, opened, strict=True):
        key = group.key
        where = f"thread {thread_id!r}, checkpoint {key.checkpoint_id!r}"
        header = headers.read_checkpoint_header(context, one.body, where)
        ns = _name(key.namespace, header.checkpoint_ns, keys.namespace, where)
        place = ThreadNamespace(thread_id, ns)
        entries.append(
            CheckpointEntry(place, key.checkpoint_id, one, header, group.item, group.writes)
        )
    return entries


def read_tuples(
    context: Context,
    entries: Sequence[CheckpointEntry],
    *,
    remember: bool = False,
    newest: bool = False,
) -> Operation[list[CheckpointTuple]]:
    """Read values and pending writes of some checkpoints of one thread.

    With `remember`, a put of a child by this process can build on what was read; `newest`
    tells that it is the newest of its namespace.
    """
    if not entries:
        return []
    thread_id = entries[0].place.thread_id
    known = [memory.remembered(context, one.place, one.checkpoint_id) for one in entries]
    pending = [item for entry in entries for item in entry.writes]
    opened = yield from open_bodies(context, thread_id, pending, f"thread {thread_id!r}, writes")
    writes = iter(opened)
    with_writes = [(entry, [next(writes) for _ in entry.writes]) for entry in entries]
    for entry, own in with_writes:
        limits.check_size(context, [entry.opened.body, *(one.body for one in own)], entry.where)
    recalled = [
        recall.recall(context, *one) if remember else {} for one in zip(entries, known, strict=True)
    ]
    wanted = [
        (entry.opened.body.generation, record)
        for entry, at_hand in zip(entries, recalled, strict=True)
        for channel, record in entry.records()
        if channel not in at_hand
    ]
    wanted += encode.records_of(one.body for one in opened)
    chunk_count = max(entry.opened.body.chunk_count for entry in entries)
    loaded = yield from chunk_reader.load(context, thread_id, wanted, chunk_count=chunk_count)
    tuples: list[CheckpointTuple] = yield Compute(
        lambda: [
            _tuple(context, entry, own, loaded, at_hand)
            for (entry, own), at_hand in zip(with_writes, recalled, strict=True)
        ],
        lambda: (
            sum(record.size for _, record in wanted)
            + sum(value.memo.work for one in recalled for value in one.values() if value.memo)
        ),
    )
    if remember:
        rows = zip(with_writes, tuples, recalled, known, strict=True)
        for (entry, own), found, at_hand, stored in rows:
            yield recall.remembering(
                context, entry, own, loaded, found, at_hand, stored, newest=newest
            )
    return tuples


def read_standing(
    context: Context, thread_id: str, entries: Sequence[CheckpointEntry]
) -> Operation[list[CheckpointTuple]]:
    """Like `read_tuples`, but for the checkpoints that are deleted meanwhile."""
    try:
        return (yield from read_tuples(context, entries))
    except CorruptCheckpointError:
        groups = [Group(items.parse_key(one.item), one.item, one.writes) for one in entries]
        found = yield from look_again(context, thread_id, groups)
        if found == groups:
            raise

    def read(groups: Sequence[Group]) -> Operation[list[CheckpointTuple]]:
        opened = yield from read_headers(context, thread_id, groups)
        return (yield from read_tuples(context, opened))

    return (yield from whole(context, thread_id, found, read))


def _tuple(
    context: Context,
    entry: CheckpointEntry,
    writes: Sequence[Opened],
    loaded: Chunks,
    at_hand: Mapping[str, StoredValue],
) -> CheckpointTuple:
    header, place = entry.header, entry.place
    values = {}
    for channel, record in entry.records():
        known = at_hand.get(channel)
        values[channel] = (
            known.memo.make()
            if known is not None and known.memo is not None
            else read_value(context, loaded, record, entry.where, channel)
        )
    return CheckpointTuple(
        config=config_of(place, entry.checkpoint_id),
        checkpoint=headers.whole_checkpoint(header, entry.checkpoint_id, values),
        metadata=header.metadata,
        parent_config=config_of(place, header.parent_id) if header.parent_id else None,
        pending_writes=pending_writes(context, entry, writes, loaded),
    )


def pending_writes(
    context: Context, entry: CheckpointEntry, writes: Sequence[Opened], loaded: Chunks
) -> list[PendingWrite]:
    """A checkpoint's writes in the order that live execution applies them in."""
    found = []
    for item, opened in zip(entry.writes, writes, strict=True):
        header = headers.read_writes_header(context, opened.body, entry.where)
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


def config_of(place: ThreadNamespace, checkpoint_id: str) -> RunnableConfig:
    """The config that names a checkpoint."""
    return {
        "configurable": {
            "thread_id": place.thread_id,
            "checkpoint_ns": place.checkpoint_ns,
            "checkpoint_id": checkpoint_id,
        }
    }
