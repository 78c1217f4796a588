"""Values cut into chunks, and long lists of refs cut once more.

A large value is `head + chunks + tail`. The head is the first few bytes: a
msgpack array keeps its length there, which changes on every append. The tail
is the last, unfinished piece. What is between is cut into leaves (`leaves`), so an
append rewrites the tail alone.

The refs (digests) of a value form levels. A run of refs ends where a digest's
low bits are zero; a finished run becomes a chunk itself, and its digest a ref
of the next level. What is unfinished stays: `levels[0]` are refs to content,
`levels[1]` refs to lists of refs to content, and so on, with the oldest content
at the highest level. So a stored value stays small at any size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TypeAlias

from . import leaves
from .elements import element_offsets
from .leaves import DIGEST_BYTES, REFS_OF, SIZE_OF, Run, Segment, digest_of

HEAD_BYTES = 5
"""A msgpack array of over 65,535 elements has a header of 5 bytes; others are shorter."""

# What is new may stay inline for one put, and its chunks are sent along with the item.
_MAX_DEFERRED_BYTES = 2048
_MAX_OPEN_REFS = 64

_LOW_BITS = 0x07
_MIN_RUN = 20
_MAX_RUN = 160
AVERAGE_RUN = _MIN_RUN + _LOW_BITS

Levels: TypeAlias = tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """A value in pieces.

    Attributes:
        head: What comes before the chunks.
        levels: The refs to the chunks.
        tail: What comes after them.
        refs: Every chunk that the levels refer to, at any depth.
        chunks: The bytes of these chunks, less those that the value was said to have.
        skip: Bytes at the start of the leaves that are not the value's.
        segments: Of a list: what of it can be said to be stored when it is cut again.
        closed: If something new was left inline, the value with all of its chunks.
    """

    head: bytes
    levels: Levels
    tail: bytes
    refs: frozenset[bytes] = field(repr=False)
    chunks: dict[bytes, bytes] = field(repr=False)
    skip: int = 0
    segments: tuple[Segment, ...] = ()
    closed: Cut | None = None


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


def cut(data: bytes, known: Set[bytes] = frozenset(), *, defer: bool = False) -> Cut:
    """Cut a value into head, chunks and tail.

    Args:
        data: The value.
        known: Chunks that are stored already; they decide what is joined.
        defer: Leave what is new inline, and refer to known chunks only, if it is small
            and stands at the ends. Then the value can be stored at the same time as
            the chunks that `closed` will refer to.
    """
    offsets = element_offsets(data)
    if offsets is not None:
        elements = Elements(data[: offsets[0]], [Run(data, offsets)], data[offsets[-1] :])
        return cut_list(elements, known, defer=defer)
    made, tail = leaves.of_bytes(memoryview(data)[HEAD_BYTES:], known)
    refs = [digest for digest, _ in made]
    return _finish(_Pieces(data[:HEAD_BYTES], refs, dict(made), tail), known, defer=defer)


def cut_list(elements: Elements, known: Set[bytes] = frozenset(), *, defer: bool = False) -> Cut:
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
            more, ended, tail = leaves.of_run(part, known, is_last=is_last)
            refs += [digest for digest, _ in more]
            made.update(more)
            segments += ended
    skip = segments[0].skip if segments else 0
    pieces = _Pieces(elements.header, refs, made, tail + elements.trailer, skip, tuple(segments))
    return _finish(pieces, known, defer=defer)


@dataclass(frozen=True, slots=True)
class _Pieces:
    """A value's leaves, and what stands around them.

    Attributes:
        refs: The leaves' digests, in order.
        made: The leaves' bytes, but for those that are stored already: theirs are not at hand.
    """

    head: bytes
    refs: list[bytes]
    made: dict[bytes, bytes]
    tail: bytes
    skip: int = 0
    segments: tuple[Segment, ...] = ()

    def assemble(self, known: Set[bytes] | None = None) -> Cut:
        """Refer to the leaves; for `known` see `_build_levels`."""
        levels, lists = _build_levels(self.refs, known)
        found = frozenset(self.refs).union(lists)
        return Cut(
            self.head, levels, self.tail, found, {**self.made, **lists}, self.skip, self.segments
        )

    def without_ends(self, known: Set[bytes]) -> _Pieces:
        """With what is new at the ends inline; as they are if that is too much."""
        refs, made = self.refs, self.made
        first, last = 0, len(refs)
        while first < last and refs[first] not in known:
            first += 1
        while last > first and refs[last - 1] not in known:
            last -= 1
        before = b"".join(made[ref] for ref in refs[:first])
        behind = b"".join(made[ref] for ref in refs[last:])
        if len(before) + len(behind) > _MAX_DEFERRED_BYTES:
            return self
        head, tail = self.head + before, behind + self.tail
        return replace(self, head=head, refs=refs[first:last], tail=tail)


def _finish(pieces: _Pieces, known: Set[bytes], *, defer: bool) -> Cut:
    closed = pieces.assemble()
    if not defer or closed.refs <= known:
        return closed
    opened = pieces.without_ends(known).assemble(known)
    return replace(opened, closed=closed) if opened.refs <= known else closed


def _build_levels(refs: list[bytes], known: Set[bytes] | None) -> tuple[Levels, dict[bytes, bytes]]:
    """Levels of refs, and the lists of refs that they refer to.

    Args:
        refs: What to refer to, in order.
        known: If given, a finished run whose list is not known stays open.
    """
    levels: list[tuple[bytes, ...]] = []
    lists: dict[bytes, bytes] = {}
    while True:
        upper: list[bytes] = []
        listed = 0
        for run in _finished_runs(refs):
            listing = b"".join(run)
            digest = digest_of(listing)
            if known is not None and digest not in known and len(refs) - listed <= _MAX_OPEN_REFS:
                break
            lists[digest] = listing
            upper.append(digest)
            listed += len(run)
        levels.append(tuple(refs[listed:]))
        if not upper:
            return tuple(levels), lists
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
