"""Bytes: compression, the packed form of records and bodies, and their limits.

A *record* is a stored value, inline `[type, bytes]` or cut
`[type, size, prefix, [refs, …], suffix, skip]`. A *body* is what an item holds: a header
(serialized by the saver's serde, so encryption covers it) and records. As stored it is

    format (1 byte)   CRC-32 of the rest (4 bytes)   compressed bytes

and compressed bytes, of bodies and chunks alike, begin with a byte for the scheme:

====  ===================================================
0x00  stored as they are
0x01  one zstd frame, made with dictionary 1 (a file beside)
====  ===================================================

Arrays may have more elements than this release knows: a later one of the same format may add
some, which are passed over here. `docs/format.md` has all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias
from zlib import crc32

import ormsgpack

from ..chunking.boundaries import DIGEST_BYTES
from ..chunking.cut import Levels, split_refs
from ..errors import DISTRIBUTION, CorruptCheckpointError, UnsupportedFormatError
from .compression import compress, decompress

Typed: TypeAlias = tuple[str, bytes]
"""What a serde's `dumps_typed` returns."""

FORMAT = 1
"""The format of every body that is written; those of a greater one are refused."""

_CHECKSUM_BYTES = 4
_PREFIX_BYTES = 1 + _CHECKSUM_BYTES

MAX_BODY_BYTES = 1 << 17
"""A reader refuses to inflate a body to more than this (a zstd bomb): one over 16 KB is cut."""

_MAX_SKIP = 1 << 16  # a segment of a list, of which a window has dropped some elements, has less
_MAX_DEPTH = 8  # levels of refs: 8**8 chunks at the very least


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
        """The bytes that stand in the item, refs included."""
        return (
            len(self.prefix)
            + len(self.suffix)
            + sum(len(level) for level in self.levels) * DIGEST_BYTES
        )


@dataclass(frozen=True, slots=True)
class Body:
    """What a checkpoint or writes item holds.

    Attributes:
        generation: The generation of the chunks that the records refer to.
        header: All but the values.
        records: The values.
        chunk_count: About how many chunks its chain of checkpoints has written in this
            generation: what a reader weighs reading all of them against.
    """

    generation: int
    header: Typed
    records: tuple[Record, ...]
    chunk_count: int = 0


def seal(packed: bytes) -> bytes:
    """A packed body as an item holds it: format, checksum, compressed."""
    frame = compress(packed)
    return bytes([FORMAT]) + crc32(frame).to_bytes(_CHECKSUM_BYTES, "big") + frame


def unseal(stored: bytes) -> bytes:
    """Undo `seal`.

    Raises:
        UnsupportedFormatError: A later release wrote it.
        CorruptCheckpointError: Its checksum is of other bytes, or it holds too many.
    """
    if not stored or stored[0] != FORMAT:
        found = f"format {stored[0]}" if stored else "no format"
        raise UnsupportedFormatError(
            f"an item of {found}, and this release reads format {FORMAT}: it was written by a "
            f"later one, so upgrade {DISTRIBUTION}; or it is damaged"
        )
    checksum, frame = stored[1:_PREFIX_BYTES], stored[_PREFIX_BYTES:]
    if crc32(frame).to_bytes(_CHECKSUM_BYTES, "big") != checksum:
        raise CorruptCheckpointError("a body that its checksum does not fit: it is damaged")
    return decompress(frame, MAX_BODY_BYTES)


def pack_body(body: Body) -> bytes:
    """A body as bytes, not yet compressed."""
    records = [_pack_record(record) for record in body.records]
    return ormsgpack.packb([body.generation, *body.header, records, body.chunk_count])


def pack_cut_body(generation: int, record: Record) -> bytes:
    """What an item holds if its body itself had to be cut: one record."""
    return ormsgpack.packb([generation, _pack_record(record)])


def _pack_record(record: Record) -> list[Any]:
    if not record.levels:
        return [record.type, record.prefix]
    levels = [b"".join(level) for level in record.levels]
    packed = [record.type, record.size, record.prefix, levels, record.suffix]
    return [*packed, record.skip] if record.skip else packed


def unpack_body(packed: bytes) -> Body | tuple[int, Record]:
    """Undo `pack_body`, or `pack_cut_body` (then: generation and record).

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
                *_,
            ] if _are_counts(generation, chunk_count):
                unpacked = tuple(_unpack_record(record) for record in records)
                return Body(generation, (kind, header), unpacked, chunk_count)
    except (ValueError, TypeError, RecursionError) as error:
        raise CorruptCheckpointError(f"a body that cannot be read: {error}") from error
    raise CorruptCheckpointError("a body of an unknown shape")


def _are_counts(*numbers: Any) -> bool:
    """Whether all are whole numbers from 0 up; msgpack's `true` is an `int` to Python too."""
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
