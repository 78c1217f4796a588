"""Builds the bodies of checkpoints and pending writes.

The header has all of the user's data except the values, channel names included. The serde
serializes it, so with an encrypting serde only the keys are plaintext.
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
"""A state value up to this size is stored inline in its checkpoint item."""

INLINE_WRITE_BYTES = 8192
"""A pending write up to this size is stored inline: it is stored once, so cutting saves little."""

_CUT_BODY_BYTES = 16 * 1024
"""A packed body over this size is cut like a value, so that unchanged chunks are not sent again."""


@dataclass(frozen=True, slots=True)
class Write:
    """One pending write, serialized."""

    index: int
    channel: str
    value: Typed


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body ready to be stored, and the chunks that must be written before it."""

    body: bytes
    chunks: dict[bytes, bytes]


def store_value(
    value: Typed, inline_bytes: int, known: Set[bytes] = frozenset()
) -> tuple[StoredValue, dict[bytes, bytes]]:
    """Build the record of a value, and its chunks by digest.

    Args:
        value: The value, serialized.
        inline_bytes: A value up to this size is not cut.
        known: Digests of chunks that are stored already; see `chunking.cut`.
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
    """Build the record of a channel's value, and its chunks by digest.

    The chunks of the parent's value that are reused are left out.

    Args:
        serde: The saver's serde.
        channel: The channel's name, for errors.
        value: Its value.
        before: The stored value of the channel in the parent, if any.
        known: Digests of chunks that are stored already.

    Raises:
        SerializationError: The serde cannot serialize the value.
    """
    what = f"channel {channel!r}"
    if message_memo.handles(serde, value):
        memo = before.memo if before else None
        serialized = message_memo.serialize_list(serde, value, memo, known, what)
        if serialized is not None:
            return _store_messages(serialized, known)
    return store_value(serialize(serde, value, what), INLINE_BYTES, known)


def _store_messages(
    serialized: message_memo.SerializedList, known: frozenset[bytes]
) -> tuple[StoredValue, dict[bytes, bytes]]:
    elements = serialized.elements
    if serialized.content is not None and elements.size <= INLINE_BYTES:
        inline = Record(MSGPACK, elements.size, serialized.content)
        return StoredValue(inline, memo=serialized.memo(())), {}
    pieces = cut_list(elements, known)
    return _stored(MSGPACK, elements.size, pieces, serialized.memo(pieces.segments)), pieces.chunks


def encode_body(body: Body, chunks: dict[bytes, bytes], known: Set[bytes]) -> Encoded:
    """Seal a body for its item; a large body is cut into chunks first."""
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
    """Build the body of a writes item.

    Args:
        serde: The saver's serde.
        generation: The generation of the chunks.
        writes: The task's writes.
        task_path: The path of the task.
        hidden_task_id: The task id, if the key has only its hash.
        known: Digests of chunks that are stored already.
    """
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
    """The records of some bodies, each with its generation, for `chunk_reader.load`."""
    return [(body.generation, record) for body in bodies for record in body.records]


@dataclass(frozen=True, slots=True)
class StoredValue:
    """A value that is stored.

    Attributes:
        record: Its record.
        refs: The digest of every chunk that the record refers to, at any depth.
        memo: For a list of messages, the memo that saves serializing all of it again.
    """

    record: Record
    refs: frozenset[bytes] = frozenset()
    memo: Memo | None = None
