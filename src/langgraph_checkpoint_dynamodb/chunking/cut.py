"""Values cut into chunks, and long lists of refs cut once more.

A large value is `prefix + chunks + suffix`. The prefix is the first few bytes: a
msgpack array keeps its length there, which changes on every append. The suffix
is the last, unfinished piece. What is between is cut into leaves (`leaves`), so an
append rewrites the suffix alone.

The refs (digests) of a value form levels. A run of refs ends where a digest's
low bits are zero; a finished run becomes a chunk itself, and its digest a ref
of the next level. What is unfinished stays: `levels[0]` are refs to content,
`levels[1]` refs to lists of refs to content, and so on, with the oldest content
at the highest level. So a stored value stays small at any size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

from . import boundaries
from .boundaries import DIGEST_BYTES, REFS_OF, SIZE_OF, Run, Segment, digest_of
from .msgpack_arrays import element_offsets

HEAD_BYTES = 5
"""A msgpack array of over 65,535 elements has a header of 5 bytes; others are shorter."""

_LOW_BITS = 0x07
_MIN_RUN = 20
_MAX_RUN = 160
AVERAGE_RUN = _MIN_RUN + _LOW_BITS

Levels: TypeAlias = tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True, slots=True)
class ChunkedValue:
    """A value in pieces.

    Attributes:
        prefix: What comes before the chunks.
        levels: The refs to the chunks.
        suffix: What comes after them.
        refs: Every chunk that the levels refer to, at any depth.
        chunks: The bytes of these chunks, less those that the value was said to have.
        skip: Bytes at the start of the leaves that are not the value's.
        segments: Of a list: what of it can be said to be stored when it is cut again.
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
        trailer: The bytes behind the last one.
        kept: Segments that stand before all parts.
    """

    header: bytes
    parts: Sequence[Segment | Run]
    trailer: bytes = b""
    kept: Sequence[Segment] = ()

    @property
    def size(self) -> int:
        """The bytes of the whole value."""
        sizes = [
            part.size if isinstance(part, Segment) else part.offsets[-1] - part.offsets[0]
            for part in self.parts
        ]
        kept: int = sum(map(SIZE_OF, self.kept))
        return len(self.header) + kept + sum(sizes) + len(self.trailer)


def cut(data: bytes, known: Set[bytes] = frozenset()) -> ChunkedValue:
    """Cut a value into prefix, chunks and suffix.

    Args:
        data: The value.
        known: Chunks that are stored already; they decide what is joined.
    """
    offsets = element_offsets(data)
    if offsets is not None:
        elements = Elements(data[: offsets[0]], [Run(data, offsets)], data[offsets[-1] :])
        return cut_list(elements, known)
    made, tail = boundaries.of_bytes(memoryview(data)[HEAD_BYTES:], known)
    levels, found, lists = _build_levels([digest for digest, _ in made])
    return ChunkedValue(data[:HEAD_BYTES], levels, tail, found, {**dict(made), **lists})


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
            more, ended, tail = boundaries.of_run(part, known, is_last=is_last)
            refs += [digest for digest, _ in more]
            made.update(more)
            segments += ended
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
    """Levels of refs, every chunk that they name, and the lists of refs among these."""
    levels: list[tuple[bytes, ...]] = []
    lists: dict[bytes, bytes] = {}
    found = set(refs)
    while True:
        upper: list[bytes] = []
        listed = 0
        for run in _finished_runs(refs):
            listing = b"".join(run)
            digest = digest_of(listing)
            lists[digest] = listing
            upper.append(digest)
            listed += len(run)
        levels.append(tuple(refs[listed:]))
        if not upper:
            return tuple(levels), frozenset(found.union(lists)), lists
        refs = upper


def _finished_runs(refs: list[bytes]) -> Iterator[list[bytes]]:
    start = 0
    while len(refs) - start >= _MIN_RUN:
        end = start + _MIN_RUN
        longest = min(start + _MAX_RUN, len(refs))
        while end < longest and refs[end - 1][-1] & _LOW_BITS:
            end += 1
        if end - start < _MAX_RUN and refs[end - 1][-1] & _LOW_BITS:
            return
        yield refs[start:end]
        start = end


def split_refs(listing: bytes) -> tuple[bytes, ...]:
    """The refs in the bytes of a list of refs."""
    return tuple(
        listing[start : start + DIGEST_BYTES] for start in range(0, len(listing), DIGEST_BYTES)
    )
