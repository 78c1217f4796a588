"""Operations that read one checkpoint, and what all reading shares.

Items are read consistently, newest key first. A checkpoint's writes sort right
behind it, so a descending page brings them before it; writes whose checkpoint
is not there (not put yet, expired or deleted) are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, PendingWrite, writes_sort_key

from . import batches, bodies, chunks, items, keys, requests
from .bodies import CheckpointHeader
from .chunks import Chunks
from .codec import Body, unpack_body
from .context import (
    Context,
    Known,
    Place,
    Remembered,
    forget_checkpoint,
    remembered_key,
    written_key,
)
from .errors import CorruptCheckpointError
from .operation import Compute, Item, Operation


@dataclass(slots=True)
class Group:
    """A checkpoint item and the items of its writes."""

    key: keys.CheckpointKey
    item: Item
    writes: list[Item] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Opened:
    """A body, and the chunks that it was itself cut into."""

    body: Body
    refs: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Entry:
    """A checkpoint with its header read, its values not yet."""

    place: Place
    checkpoint_id: str
    opened: Opened
    header: CheckpointHeader
    item: Item
    writes: list[Item]

    @property
    def where(self) -> str:
        """The checkpoint's address, for errors."""
        return f"{self.place}, checkpoint {self.checkpoint_id!r}"


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
        key = keys.parse(items.sort_key(item))
        checkpoint_key = keys.checkpoint(ns, key.checkpoint_id)
        if key.task is not None:
            group = yield from exact_group(context, thread_id, checkpoint_key)
            if group is not None:
                return group
        elif not items.expired(context, item):
            return Group(key, item)
        start = requests.key(thread_id, checkpoint_key)


def exact_group(context: Context, thread_id: str, checkpoint_key: str) -> Operation[Group | None]:
    """The items of the checkpoint of this sort key."""
    call = requests.query(context.table, thread_id, keys.below(checkpoint_key))
    found = yield from batches.read_range(call)
    groups = list(collect(context, reversed(found), []))
    return groups[0] if groups else None


def collect(context: Context, newest_first: Iterable[Item], carried: list[Item]) -> Iterable[Group]:
    """Gather items, newest key first, into checkpoints with their writes.

    `carried` holds the writes whose checkpoint has not come yet, from page to page.
    """
    for item in newest_first:
        if items.expired(context, item):
            continue
        key = keys.parse(items.sort_key(item))
        if key.task is not None:
            carried.append(item)
            continue
        prefix = f"{items.sort_key(item)}#"
        yield Group(key, item, [w for w in carried if items.sort_key(w).startswith(prefix)])
        carried.clear()


def open_bodies(
    context: Context, thread_id: str, found: Sequence[Item], where: str
) -> Operation[list[Opened]]:
    """Decompress and unpack bodies; those that were cut are put together first."""
    try:
        unpacked: list[Any] = yield Compute(
            lambda: [unpack_body(items.packed_body(item)) for item in found],
            lambda: sum(map(items.body_size, found)),
        )
    except CorruptCheckpointError as error:
        raise CorruptCheckpointError(f"{where}: {error}") from error
    cut = [content for content in unpacked if not isinstance(content, Body)]
    if not cut:
        return [Opened(body) for body in unpacked]
    loaded = yield from chunks.load(context, thread_id, cut)
    return [
        Opened(content) if isinstance(content, Body) else _reopen(loaded, content[1], where)
        for content in unpacked
    ]


def _reopen(loaded: Chunks, record: Any, where: str) -> Opened:
    body = unpack_body(loaded.join(record, where))
    if not isinstance(body, Body):
        raise CorruptCheckpointError(f"{where}: a body within a body")
    return Opened(body, loaded.refs(record, where))


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
        header = bodies.read_checkpoint_header(context.serde, one.body, where)
        ns = keys.decode(key.namespace)
        place = Place(thread_id, ns if ns is not None else header.checkpoint_ns or "")
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
    all_bodies = [entry.opened.body for entry in entries] + [one.body for one in opened]
    written = max(body.written for body in all_bodies)
    loaded = yield from chunks.load(
        context, thread_id, bodies.records_of(all_bodies), written=written
    )
    writes = iter(opened)
    with_writes = [(entry, [next(writes) for _ in entry.writes]) for entry in entries]
    tuples: list[CheckpointTuple] = yield Compute(
        lambda: [_tuple(context, entry, own, loaded) for entry, own in with_writes],
        lambda: sum(record.size for body in all_bodies for record in body.records),
    )
    if remember:
        for entry, own in with_writes:
            _remember(context, entry, own, loaded)
    return tuples


def _tuple(
    context: Context, entry: Entry, writes: Sequence[Opened], loaded: Chunks
) -> CheckpointTuple:
    body, header, place = entry.opened.body, entry.header, entry.place
    values = {
        channel: context.serde.loads_typed((record.type, loaded.join(record, entry.where)))
        for channel, record in zip(header.channels, body.records, strict=True)
    }
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
        header = bodies.read_writes_header(context.serde, opened.body, entry.where)
        task = keys.decode(keys.parse(items.sort_key(item)).task or "")
        task_id = task if task is not None else header.task_id or ""
        for index, channel, record in zip(
            header.indexes, header.channels, opened.body.records, strict=True
        ):
            value = (record.type, loaded.join(record, entry.where))
            found.append((writes_sort_key(header.task_path, task_id, index), channel, value))
    found.sort(key=lambda write: write[0])
    return [
        (task_id, channel, context.serde.loads_typed(value))
        for (_, task_id, _), channel, value in found
    ]


def _remember(context: Context, entry: Entry, writes: Sequence[Opened], loaded: Chunks) -> None:
    body, where = entry.opened.body, entry.where
    key = remembered_key(entry.place, entry.checkpoint_id)
    sent: Remembered | None = context.cache.get(key)
    stored = {
        channel: Known(record, loaded.refs(record, where))
        for channel, record in zip(entry.header.channels, body.records, strict=True)
    }
    refs = entry.opened.refs.union(*(known.refs for known in stored.values()))
    if sent is not None and sent.generation == body.generation:
        # What this process has announced itself and knows to have arrived.
        refs |= sent.refs.intersection(body.announced)
        for channel, known in stored.items():
            before = sent.records.get(channel)
            if before is not None and before.record == known.record:
                stored[channel] = before
    versions = entry.header.checkpoint.get("channel_versions") or {}
    remembered = Remembered(body.generation, versions, stored, refs, body.written)
    context.cache.put(key, remembered, remembered.size)
    written = frozenset(
        (opened.body.generation, ref)
        for opened in writes
        for record in opened.body.records
        for ref in loaded.refs(record, where)
    )
    key = written_key(entry.place, entry.checkpoint_id)
    if written:
        context.cache.put(key, written, 200 + 200 * len(written))
    else:
        context.cache.forget(key)


def refs_of(
    context: Context, thread_id: str, found: Sequence[Item], where: str
) -> Operation[set[tuple[int, bytes]]]:
    """Every chunk that some items refer to at any depth, with its generation."""
    opened = yield from open_bodies(context, thread_id, found, where)
    records = bodies.records_of(one.body for one in opened)
    nodes = [(generation, record) for generation, record in records if len(record.levels) > 1]
    loaded = yield from chunks.load(context, thread_id, nodes)
    return {
        (one.body.generation, ref) for one in opened for ref in (*one.refs, *one.body.announced)
    } | {(generation, ref) for generation, record in records for ref in loaded.refs(record, where)}


def config_of(place: Place, checkpoint_id: str) -> RunnableConfig:
    """The config that names a checkpoint."""
    return {
        "configurable": {
            "thread_id": place.thread_id,
            "checkpoint_ns": place.checkpoint_ns,
            "checkpoint_id": checkpoint_id,
        }
    }
