"""Bodies made and read: checkpoints and pending writes as the serde leaves them.

The header carries everything a user could call content (channel names included)
and goes through the serde, so an encrypting serde leaves no plaintext outside
the keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol

from ..chunking.cut import ChunkedValue, cut, cut_list
from ..format.body import Body, Record, Typed, pack_body, pack_cut_body, seal
from . import message_memo
from .message_memo import Memo
from .serializer import MSGPACK, serialize

INLINE_BYTES = 1024
"""A state value up to this stays whole in its checkpoint item."""

INLINE_WRITE_BYTES = 8192
"""A pending write up to this stays whole: it is stored once, so cutting gains little."""

_CUT_BODY_BYTES = 16 * 1024
"""A packed body over this is cut as a value would be: what did not change is not sent again."""


@dataclass(frozen=True, slots=True)
class Write:
    """One pending write, serialized."""

    index: int
    channel: str
    value: Typed


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body ready to be stored, and the chunks that have to be there first."""

    body: bytes
    chunks: dict[bytes, bytes]


def store_value(
    value: Typed, inline_bytes: int, known: Set[bytes] = frozenset()
) -> tuple[StoredValue, dict[bytes, bytes]]:
    """A record for a value, and the bytes of its chunks.

    Args:
        value: The value.
        inline_bytes: Up to this it is not cut.
        known: Chunks that are stored already; they decide what is joined.
    """
    kind, data = value
    if len(data) <= inline_bytes:
        return StoredValue(Record(kind, len(data), data)), {}
    pieces = cut(data, known)
    return _stored(kind, len(data), pieces), pieces.chunks


def _stored(
    kind: str, size: int, pieces: ChunkedValue, memo: message_memo.Memo | None = None
) -> StoredValue:
    if not pieces.refs:
        return StoredValue(Record(kind, size, pieces.prefix + pieces.suffix), memo=memo)
    record = Record(kind, size, pieces.prefix, pieces.levels, pieces.suffix, pieces.skip)
    return StoredValue(record, pieces.refs, memo)


def store_channel(
    serde: SerializerProtocol,
    channel: str,
    value: Any,
    before: StoredValue | None,
    known: frozenset[bytes],
) -> tuple[StoredValue, dict[bytes, bytes]]:
    """A record for a channel's value, and the bytes of its chunks, as far as they were cut anew.

    Args:
        serde: The saver's serde.
        channel: The channel's name, for errors.
        value: Its value.
        before: What the parent stored for the channel.
        known: Chunks that are stored already.
    """
    what = f"channel {channel!r}"
    if message_memo.handles(serde, value):
        memo = before.memo if before else None
        written = message_memo.write(
            value, memo, known, lambda part: serialize(serde, part, what), serde.loads_typed
        )
        if written is not None:
            return _store_messages(written, known)
    return store_value(serialize(serde, value, what), INLINE_BYTES, known)


def _store_messages(
    written: message_memo.Written, known: frozenset[bytes]
) -> tuple[StoredValue, dict[bytes, bytes]]:
    elements = written.elements
    if written.content is not None and elements.size <= INLINE_BYTES:
        inline = Record(MSGPACK, elements.size, written.content)
        return StoredValue(inline, memo=written.memo(())), {}
    pieces = cut_list(elements, known)
    return _stored(MSGPACK, elements.size, pieces, written.memo(pieces.segments)), pieces.chunks


def encode_body(body: Body, chunks: dict[bytes, bytes], known: Set[bytes]) -> Encoded:
    """A body as an item holds it; one that is too large for an item is cut first."""
    packed = pack_body(body)
    if len(packed) > _CUT_BODY_BYTES:
        stored, pieces = store_value(("", packed), 0, known)
        if pieces:
            cut_body = pack_cut_body(body.generation, stored.record)
            return Encoded(seal(cut_body), {**chunks, **pieces})
    return Encoded(seal(packed), chunks)


def encode_writes(
    serde: SerializerProtocol,
    generation: int,
    writes: Sequence[Write],
    task_path: str,
    hidden_task_id: str | None,
    known: Set[bytes],
) -> Encoded:
    """The body of a writes item."""
    header = [
        task_path,
        [write.index for write in writes],
        [write.channel for write in writes],
        hidden_task_id,
    ]
    records = []
    chunks: dict[bytes, bytes] = {}
    for write in writes:
        stored, pieces = store_value(write.value, INLINE_WRITE_BYTES, known)
        records.append(stored.record)
        chunks.update(pieces)
    typed = serialize(serde, header, "the names of a task's writes")
    return encode_body(Body(generation, typed, tuple(records)), chunks, known)


def records_of(bodies: Iterable[Body]) -> list[tuple[int, Record]]:
    """The records of some bodies, with their generations, as `chunks.load` takes them."""
    return [(body.generation, record) for body in bodies for record in body.records]


@dataclass(frozen=True, slots=True)
class StoredValue:
    """A value that is stored.

    Attributes:
        record: Its record.
        refs: Every chunk that the record refers to, at any depth.
        memo: Of a list of messages, what spares reading and writing all of it.
    """

    record: Record
    refs: frozenset[bytes] = frozenset()
    memo: Memo | None = None
