"""Bodies and records as bytes, and their limits.

A *record* is a stored value: inline as `[type, bytes]`, or cut as
`[type, size, prefix, [refs, …], suffix, skip]`. A *body* is the content of an item: a header and
records. The saver's serde serializes the header, so encryption covers it. A body is stored as

    format (1 byte)   CRC-32 of the rest (4 bytes)   compressed bytes

Compressed bytes, of bodies and of chunks, begin with a byte for the compression scheme:

====  ========================================================
0x00  not compressed
0x01  one zstd frame with dictionary 1 (`dictionary-1.zstd`)
====  ========================================================

Later releases of the same format may append elements to the arrays. This release ignores
elements that it does not know. `docs/format.md` is the full specification.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias
from zlib import crc32

import ormsgpack

from ..chunking.boundaries import DIGEST_BYTES
from ..chunking.cut import Levels, split_refs
from ..errors import DISTRIBUTION, CorruptCheckpointError, UnsupportedFormatError
from .compression import compress, decompress

Typed: TypeAlias = tuple[str, bytes]
"""What a serde's `dumps_typed` returns."""

FORMAT = 1
"""The format of every body that this release writes, and the only one that it reads."""

_CHECKSUM_BYTES = 4
_PREFIX_BYTES = 1 + _CHECKSUM_BYTES

MAX_BODY_BYTES = 1 << 17
"""A reader decompresses a body to at most this, as a guard against zstd bombs. Writers cut
bodies over 16 KB into chunks."""

_MAX_SKIP = 1 << 16  # larger than any segment of a list
_MAX_DEPTH = 8  # levels of refs: enough for at least 8**8 chunks


@dataclass(frozen=True, slots=True)
class Record:
    """One stored value: inline if `levels` is empty, else `prefix + chunks[skip:] + suffix`."""

    type: str
    size: int
    prefix: bytes
    levels: Levels = ()
    suffix: bytes = b""
    skip: int = 0

    @property
    def inline_bytes(self) -> int:
        """The size of the record in its item, in bytes: prefix, suffix and refs."""
        return (
            len(self.prefix)
            + len(self.suffix)
            + sum(len(level) for level in self.levels) * DIGEST_BYTES
        )


class Listed(NamedTuple):
    """What a checkpoint says of its thread's entry in the directory; times in epoch seconds.

    Attributes:
        at: The activity that the entry has, or a later one.
        until: The time until which the entry is kept; 0 if it does not expire.
    """

    at: int
    until: int


@dataclass(frozen=True, slots=True)
class Body:
    """The content of a checkpoint or writes item.

    Attributes:
        generation: The generation of the chunks that the records refer to.
        header: Everything except the values, serialized.
        records: The values.
        chunk_count: About how many chunks the checkpoint and its ancestors have written in
            this generation. A reader uses it to decide between reading single chunks and
            querying all of them.
        listed: The state of the thread's entry in the directory; `None` if not known.
    """

    generation: int
    header: Typed
    records: tuple[Record, ...]
    chunk_count: int = 0
    listed: Listed | None = None


def seal(packed: bytes) -> bytes:
    """Compress a packed body and put the format and a checksum in front of it."""
    frame = compress(packed)
    return bytes([FORMAT]) + crc32(frame).to_bytes(_CHECKSUM_BYTES, "big") + frame


def unseal(stored: bytes) -> bytes:
    """Undo `seal`.

    Raises:
        UnsupportedFormatError: The bytes have another format.
        CorruptCheckpointError: The checksum does not match, or the body is too large.
    """
    if not stored or stored[0] != FORMAT:
        found = f"format {stored[0]}" if stored else "no format"
        raise UnsupportedFormatError(
            f"an item of {found}, and this release reads format {FORMAT}: a later release wrote "
            f"it, so upgrade {DISTRIBUTION}; or it is damaged"
        )
    checksum, frame = stored[1:_PREFIX_BYTES], stored[_PREFIX_BYTES:]
    if crc32(frame).to_bytes(_CHECKSUM_BYTES, "big") != checksum:
        raise CorruptCheckpointError("a body that does not match its checksum: it is damaged")
    return decompress(frame, MAX_BODY_BYTES)


def pack_body(body: Body) -> bytes:
    """Serialize a body; `seal` then compresses it."""
    records = [_pack_record(record) for record in body.records]
    packed = [body.generation, *body.header, records, body.chunk_count]
    return ormsgpack.packb([*packed, list(body.listed)] if body.listed else packed)


def pack_cut_body(generation: int, record: Record) -> bytes:
    """Serialize the record of a body that was itself cut into chunks."""
    return ormsgpack.packb([generation, _pack_record(record)])


def _pack_record(record: Record) -> list[Any]:
    if not record.levels:
        return [record.type, record.prefix]
    levels = [b"".join(level) for level in record.levels]
    packed = [record.type, record.size, record.prefix, levels, record.suffix]
    return [*packed, record.skip] if record.skip else packed


def unpack_body(packed: bytes) -> Body | tuple[int, Record]:
    """Undo `pack_body` or `pack_cut_body`.

    Returns:
        The body, or the generation and the record of a body that was cut.

    Raises:
        CorruptCheckpointError: The bytes are neither.
    """
    try:
        match ormsgpack.unpackb(packed):
            case [int(generation), [str(), *_] as record, *_] if _are_counts(generation):
                return generation, _unpack_record(record)
            case [
                int(generation),
                str(kind),
                bytes(header),
                [*records],
                int(chunk_count),
                *rest,
            ] if _are_counts(generation, chunk_count):
                unpacked = tuple(_unpack_record(record) for record in records)
                return Body(generation, (kind, header), unpacked, chunk_count, _listed(rest))
    except (ValueError, TypeError, RecursionError) as error:
        raise CorruptCheckpointError(f"a body that cannot be read: {error}") from error
    raise CorruptCheckpointError("a body of an unknown shape")


def _listed(rest: list[Any]) -> Listed | None:
    match rest:
        case [[int(at), int(until), *_], *_] if _are_counts(at, until):
            return Listed(at, until)
    return None


def _are_counts(*numbers: Any) -> bool:
    """Whether all are integers of 0 or more. `isinstance` would accept msgpack's `true` too."""
    return all(type(number) is int and number >= 0 for number in numbers)


def _unpack_record(packed: Any) -> Record:
    match packed:
        case [str(kind), bytes(data), *_]:
            return Record(kind, len(data), data)
        case [str(kind), int(size), bytes(prefix), [*levels], bytes(suffix), *rest]:
            skip = rest[0] if rest else 0
            if (
                not _are_counts(size, skip)
                or skip > _MAX_SKIP
                or not 0 < len(levels) <= _MAX_DEPTH
                or any(
                    not isinstance(level, bytes) or len(level) % DIGEST_BYTES for level in levels
                )
            ):
                raise CorruptCheckpointError("a record with broken refs")
            return Record(kind, size, prefix, tuple(map(split_refs, levels)), suffix, skip)
    raise CorruptCheckpointError("a record of an unknown shape")
