"""Bytes: compression, the packed form of records and bodies, and their limits.

A *record* is a stored value, inline `[type, bytes]` or cut
`[type, size, head, [refs, …], tail, skip]`. A *body* is what an item holds: a header
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

from collections import deque
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, TypeAlias
from zlib import crc32

import ormsgpack
import zstandard

from .chunking import Levels, split_refs
from .errors import CorruptCheckpointError, UnsupportedFormatError
from .leaves import DIGEST_BYTES

Typed: TypeAlias = tuple[str, bytes]
"""What a serde's `dumps_typed` returns."""

FORMAT = 1
"""The format of every body that is written; those of a greater one are refused."""

_CHECKSUM_BYTES = 4
_PREFIX_BYTES = 1 + _CHECKSUM_BYTES

_RAW = b"\x00"
_ZSTD_DICTIONARY_1 = b"\x01"
_LEVEL = 6

MAX_BODY_BYTES = 1 << 17
"""A reader refuses to inflate a body to more than this (a zstd bomb): one over 16 KB is cut."""

_DISTRIBUTION = "langgraph-checkpoint-amazon-dynamodb"

_MAX_SKIP = 1 << 16  # a segment of a list, of which a window has dropped some elements, has less
_MAX_DEPTH = 8  # levels of refs: 8**8 chunks at the very least


@dataclass(frozen=True, slots=True)
class Record:
    """One stored value: inline if `levels` is empty, else `head + chunks[skip:] + tail`."""

    type: str
    size: int
    head: bytes
    levels: Levels = ()
    tail: bytes = b""
    skip: int = 0

    @property
    def inline_bytes(self) -> int:
        """The bytes that stand in the item, refs included."""
        return (
            len(self.head)
            + len(self.tail)
            + sum(len(level) for level in self.levels) * DIGEST_BYTES
        )


@dataclass(frozen=True, slots=True)
class Body:
    """What a checkpoint or writes item holds.

    Attributes:
        generation: The generation of the chunks that the records refer to.
        header: All but the values.
        records: The values.
        written: About how many chunks its chain of checkpoints has written in this
            generation: what a reader weighs reading all of them against.
    """

    generation: int
    header: Typed
    records: tuple[Record, ...]
    written: int = 0


_DICTIONARY = zstandard.ZstdCompressionDict(
    files(__package__).joinpath("dictionary-1.zstd").read_bytes()  # now: an event loop may not
)
_DICTIONARY.precompute_compress(level=_LEVEL)


class _Contexts:
    """zstd contexts, which two threads must not use at once."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL, dict_data=_DICTIONARY)
        self.decompressor = zstandard.ZstdDecompressor(dict_data=_DICTIONARY)


_idle: deque[_Contexts] = deque()
"""Used again by any thread: LangGraph makes new threads for each run, and a context's first
use takes several times as long."""


def _take() -> _Contexts:
    """Contexts to use; whoever is done appends them to the idle ones, and drops what failed."""
    try:
        return _idle.pop()
    except IndexError:
        return _Contexts()


def compress(data: bytes) -> bytes:
    """Compress, unless that makes it larger (ciphertext does not compress)."""
    contexts = _take()
    packed = contexts.compressor.compress(data)
    _idle.append(contexts)
    return _ZSTD_DICTIONARY_1 + packed if len(packed) < len(data) else _RAW + data


def decompress(data: bytes, limit: int) -> bytes:
    """Undo `compress`.

    Raises:
        CorruptCheckpointError: Unknown format, broken frame, or over `limit` bytes.
    """
    scheme, frame = data[:1], data[1:]
    if scheme == _RAW:
        plain = frame
    elif scheme == _ZSTD_DICTIONARY_1:
        try:
            # The frame's own claim of its size is checked first: zstandard allocates it, up to
            # 4 GB for a frame that is to be skipped.
            if not frame.startswith(zstandard.FRAME_HEADER):
                raise CorruptCheckpointError("compressed bytes that are no zstd frame")
            if zstandard.frame_content_size(frame) > limit:
                raise CorruptCheckpointError(f"compressed bytes claim to be over {limit} bytes")
            contexts = _take()
            plain = contexts.decompressor.decompress(
                frame, max_output_size=limit, allow_extra_data=False
            )
            _idle.append(contexts)
        except zstandard.ZstdError as error:
            raise CorruptCheckpointError(f"a broken zstd frame: {error}") from error
    elif not scheme:
        raise CorruptCheckpointError("no bytes at all")
    else:
        raise UnsupportedFormatError(
            f"bytes compressed by scheme {scheme[0]}, which this release does not know: they were "
            f"written by a later one, so upgrade {_DISTRIBUTION}; or they are damaged"
        )
    if len(plain) > limit:
        raise CorruptCheckpointError(f"compressed bytes hold over {limit} bytes")
    return plain


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
            f"later one, so upgrade {_DISTRIBUTION}; or it is damaged"
        )
    checksum, frame = stored[1:_PREFIX_BYTES], stored[_PREFIX_BYTES:]
    if crc32(frame).to_bytes(_CHECKSUM_BYTES, "big") != checksum:
        raise CorruptCheckpointError("a body that its checksum does not fit: it is damaged")
    return decompress(frame, MAX_BODY_BYTES)


def pack_body(body: Body) -> bytes:
    """A body as bytes, not yet compressed."""
    records = [_pack_record(record) for record in body.records]
    return ormsgpack.packb([body.generation, *body.header, records, body.written])


def pack_cut_body(generation: int, record: Record) -> bytes:
    """What an item holds if its body itself had to be cut: one record."""
    return ormsgpack.packb([generation, _pack_record(record)])


def _pack_record(record: Record) -> list[Any]:
    if not record.levels:
        return [record.type, record.head]
    levels = [b"".join(level) for level in record.levels]
    packed = [record.type, record.size, record.head, levels, record.tail]
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
                int(written),
                *_,
            ] if _are_counts(generation, written):
                unpacked = tuple(_unpack_record(record) for record in records)
                return Body(generation, (kind, header), unpacked, written)
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
        case [str(kind), int(size), bytes(head), [*levels], bytes(tail), *rest]:
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
            return Record(kind, size, head, tuple(map(split_refs, levels)), tail, skip)
    raise CorruptCheckpointError("a record of an unknown shape")
