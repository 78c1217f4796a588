"""Cuts values into chunks, and long lists of refs into chunks of refs.

A large value is stored as `prefix + chunks + suffix`. The prefix is the first few bytes, where a
msgpack array has its length, which changes with every append. The suffix is the last, unfinished
piece. The content between is cut into leaves (see `boundaries`), so an append rewrites only the
suffix.

The refs (digests) of a value form levels. A run of refs ends where a digest's low bits are zero.
A finished run becomes a chunk, and its digest a ref of the next level. The unfinished run stays
in its level: `levels[0]` are refs to content, `levels[1]` refs to lists of refs to content, and
so on. The oldest content is at the highest level. So the record of a value is small whatever the
value's size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

from . import boundaries
from .boundaries import DIGEST_BYTES, REFS_OF, SIZE_OF, Run, Segment, digest_of
from .msgpack_arrays import element_offsets

PREFIX_BYTES = 5
"""The longest header of a msgpack array, that of one with over 65,535 elements."""

_RUN_MASK = 0x07
_MIN_RUN = 20
_MAX_RUN = 160
AVERAGE_RUN = _MIN_RUN + _RUN_MASK

Levels: TypeAlias = tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True, slots=True)
class ChunkedValue:
    """A value that was cut.

    Attributes:
        prefix: The bytes before the chunks.
        levels: The refs to the chunks.
        suffix: The bytes after the chunks.
        refs: The digest of every chunk that the levels refer to, at any depth.
        chunks: The chunks by digest, except the leaves of segments that were passed in.
        skip: Bytes at the start of the leaves that do not belong to the value.
        segments: For a list, the segments that can be passed in when it is cut again.
    """

    prefix: bytes
    levels: Levels
    suffix: bytes
    refs: frozenset[bytes] = field(repr=False)
    chunks: dict[bytes, bytes] = field(repr=False)
    skip: int = 0
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of a list.

    Attributes:
        header: The bytes before the first element.
        parts: The elements in order. The leaves of a segment are stored already.
        trailer: The bytes after the last element.
        kept: Segments before all parts, which are stored already.
    """

    header: bytes
    parts: Sequence[Segment | Run]
    trailer: bytes = b""
    kept: Sequence[Segment] = ()

    @property
    def size(self) -> int:
        """The size of the whole value in bytes."""
        sizes = [
            part.size if isinstance(part, Segment) else part.offsets[-1] - part.offsets[0]
            for part in self.parts
        ]
        kept: int = sum(map(SIZE_OF, self.kept))
        return len(self.header) + kept + sum(sizes) + len(self.trailer)


def cut(data: bytes, known: Set[bytes] = frozenset()) -> ChunkedValue:
    """Cut a value into prefix, chunks and suffix.

    Args:
        data: The value, serialized.
        known: Digests of chunks that are stored already. Such chunks are not joined with
            others, so that they can be referred to as they are.
    """
    offsets = element_offsets(data)
    if offsets is not None:
        elements = Elements(data[: offsets[0]], [Run(data, offsets)], data[offsets[-1] :])
        return cut_list(elements, known)
    made, tail = boundaries.cut_bytes(memoryview(data)[PREFIX_BYTES:], known)
    levels, found, lists = _build_levels([digest for digest, _ in made])
    return ChunkedValue(data[:PREFIX_BYTES], levels, tail, found, {**dict(made), **lists})


def cut_list(elements: Elements, known: Set[bytes] = frozenset()) -> ChunkedValue:
    """Cut a list between its elements; see `cut`."""
    refs = [*chain.from_iterable(map(REFS_OF, elements.kept))]
    made: dict[bytes, bytes] = {}
    segments = [*elements.kept]
    tail = b""
    for number, part in enumerate(elements.parts, 1):
        if isinstance(part, Segment):
            refs += part.refs
            segments.append(part)
        else:
            is_last = number == len(elements.parts)
            leaves, finished, tail = boundaries.cut_run(part, known, is_last=is_last)
            refs += [digest for digest, _ in leaves]
            made.update(leaves)
            segments += finished
    levels, found, lists = _build_levels(refs)
    return ChunkedValue(
        prefix=elements.header,
        levels=levels,
        suffix=tail + elements.trailer,
        refs=found,
        chunks={**made, **lists},
        skip=segments[0].skip if segments else 0,
        segments=tuple(segments),
    )


def _build_levels(refs: list[bytes]) -> tuple[Levels, frozenset[bytes], dict[bytes, bytes]]:
    """Build the levels of some refs.

    Returns:
        The levels, the digest of every chunk that they refer to, and those of the chunks that
        are lists of refs.
    """
    levels: list[tuple[bytes, ...]] = []
    lists: dict[bytes, bytes] = {}
    found = set(refs)
    while True:
        next_level: list[bytes] = []
        listed = 0
        for run in _finished_runs(refs):
            listing = b"".join(run)
            digest = digest_of(listing)
            lists[digest] = listing
            next_level.append(digest)
            listed += len(run)
        levels.append(tuple(refs[listed:]))
        if not next_level:
            return tuple(levels), frozenset(found.union(lists)), lists
        refs = next_level


def _finished_runs(refs: list[bytes]) -> Iterator[list[bytes]]:
    start = 0
    while len(refs) - start >= _MIN_RUN:
        end = start + _MIN_RUN
        latest_end = min(start + _MAX_RUN, len(refs))
        while end < latest_end and refs[end - 1][-1] & _RUN_MASK:
            end += 1
        if end - start < _MAX_RUN and refs[end - 1][-1] & _RUN_MASK:
            return
        yield refs[start:end]
        start = end


def split_refs(listing: bytes) -> tuple[bytes, ...]:
    """Split the bytes of a list of refs into the refs."""
    return tuple(
        listing[start : start + DIGEST_BYTES] for start in range(0, len(listing), DIGEST_BYTES)
    )
