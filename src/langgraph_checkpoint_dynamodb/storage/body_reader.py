"""Reads the bodies of items, and finds the chunks that they refer to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import CorruptCheckpointError, UnsupportedFormatError
from ..format import items
from ..format.body import Body, Record, unpack_body
from ..format.expiry import NEVER
from ..format.keys import ChunkRef
from ..runtime.context import Context, ThreadNamespace
from ..runtime.effects import Compute, Item, Operation
from ..serialization import encode, limits
from ..serialization.headers import CheckpointHeader
from . import chunk_reader
from .chunk_reader import Chunks


@dataclass(frozen=True, slots=True)
class Opened:
    """The body of an item that was read.

    Attributes:
        body: The body; its `generation` is the one where its chunks are now.
        refs: The digests of the chunks that the body itself was cut into, if it was.
        made_in: The generation that its chunks were first written in.
    """

    body: Body
    refs: frozenset[bytes] = frozenset()
    made_in: int = NEVER


@dataclass(frozen=True, slots=True)
class CheckpointEntry:
    """A checkpoint whose header was read, but not its values."""

    place: ThreadNamespace
    checkpoint_id: str
    opened: Opened
    header: CheckpointHeader
    item: Item
    writes: list[Item]

    @property
    def size(self) -> int:
        """The size of its values, serialized, in bytes."""
        return sum(record.size for record in self.opened.body.records)

    @property
    def where(self) -> str:
        """Thread, namespace and checkpoint id, for errors."""
        return f"{self.place}, checkpoint {self.checkpoint_id!r}"

    def records(self) -> Iterable[tuple[str, Record]]:
        """The record of each channel."""
        return zip(self.header.channels, self.opened.body.records, strict=True)


def open_bodies(
    context: Context, thread_id: str, found: Sequence[Item], where: str
) -> Operation[list[Opened]]:
    """Decompress and unpack the bodies of items; the chunks of a body that was cut are read first.

    Raises:
        CorruptCheckpointError: A body or one of its chunks is damaged or missing.
        UnsupportedFormatError: A later release wrote an item.
    """
    if not found:
        return []
    try:
        unpacked: list[Any] = yield Compute(
            lambda: [unpack_body(items.packed_body(item)) for item in found],
            lambda: sum(map(items.body_size, found)),
        )
    except (CorruptCheckpointError, UnsupportedFormatError) as error:
        raise type(error)(f"{where}: {error}") from error
    cut = [
        (items.generation(context, item, content[0]), content[1])
        for item, content in zip(found, unpacked, strict=True)
        if not isinstance(content, Body)
    ]
    for one in cut:
        limits.check_size(context, [one], where)
    loaded = yield from chunk_reader.load(context, thread_id, cut)
    return [
        _opened(context, item, content, loaded, where)
        for item, content in zip(found, unpacked, strict=True)
    ]


def _opened(context: Context, item: Item, content: Any, loaded: Chunks, where: str) -> Opened:
    refs: frozenset[bytes] = frozenset()
    body = content
    if not isinstance(content, Body):
        record = content[1]
        packed = loaded.join(record, where)
        try:
            body = unpack_body(packed)
        except CorruptCheckpointError as error:
            raise CorruptCheckpointError(f"{where}: {error}") from error
        refs = loaded.refs(record, where)
    if not isinstance(body, Body):
        raise CorruptCheckpointError(f"{where}: the chunks of a body hold another cut body")
    generation = items.generation(context, item, body.generation)
    return Opened(replace(body, generation=generation), refs, body.generation)


def refs_of(
    context: Context, thread_id: str, found: Sequence[Item], where: str
) -> Operation[tuple[set[ChunkRef], set[ChunkRef]]]:
    """Every chunk that some items refer to, at any depth.

    Returns:
        The chunks, each as generation and digest. Then the same chunks in the generation that
        they were first written in, for items whose chunks were moved since: a process that has
        read such an item before may still put a child that refers to these.
    """
    opened = yield from open_bodies(context, thread_id, found, where)
    return (yield from refs_in(context, thread_id, opened, where))


def refs_in(
    context: Context, thread_id: str, opened: Sequence[Opened], where: str
) -> Operation[tuple[set[ChunkRef], set[ChunkRef]]]:
    """Like `refs_of`, of bodies that were read."""
    records = encode.records_of(one.body for one in opened)
    loaded = yield from chunk_reader.load(context, thread_id, records, only_lists=True)
    now: set[ChunkRef] = set()
    before: set[ChunkRef] = set()
    for one in opened:
        values = (loaded.refs(record, where) for record in one.body.records)
        for ref in one.refs.union(*values):
            now.add((one.body.generation, ref))
            if one.made_in != one.body.generation:
                before.add((one.made_in, ref))
    return now, before
