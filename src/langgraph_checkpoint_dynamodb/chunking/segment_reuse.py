"""Which segments of a stored list can be reused for a changed list.

After an append, all segments are reused. After an edit, all but one. A window that drops its first
elements reuses all segments after these. It also reuses the segment in which it now begins, and
skips the dropped bytes of that segment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, takewhile
from typing import TypeAlias

from .boundaries import ELEMENTS_OF, REFS_OF, Run, Segment

_SMALL_BYTES = 512
"""A smaller segment next to elements that are cut is cut again with them. Otherwise a list that
grows at its start, one element at a time, would become all small chunks."""

Leaves: TypeAlias = tuple[int, Sequence[tuple[bytes, int]]]
"""The offset of a value's first leaf, and the digest and the size of each leaf, in order."""


def segments(leaves: Leaves, offsets: Sequence[int]) -> tuple[Segment, ...]:
    """The segments of a list that was read.

    A segment ends with each leaf that ends where an element does.

    Args:
        leaves: The list's leaves.
        offsets: The offset of each of its elements, and the end of the last.
    """
    number_at = {offset: number for number, offset in enumerate(offsets)}
    start, sized = leaves
    found: list[Segment] = []
    if start > offsets[0]:
        return ()  # some elements are before the leaves
    begun, first, refs = offsets[0], 0, list[bytes]()
    end = start
    for digest, size in sized:
        refs.append(digest)
        end += size
        number = number_at.get(end)
        if number is not None and number > first:
            found.append(Segment(number - first, end - begun, tuple(refs), begun - start))
            begun, first, refs = end, number, []
            start = end
    return tuple(found)


@dataclass(frozen=True, slots=True)
class StoredList:
    """A list as it is stored.

    Attributes:
        sizes: The bytes of each element.
        segments: The segments of its first elements.
    """

    sizes: Sequence[int]
    segments: Sequence[Segment]


@dataclass(frozen=True, slots=True)
class ReusePlan:
    """What to reuse and what to serialize of a list, in order.

    Attributes:
        kept: The stored segments that are reused at the start, in their old places.
        pieces: After them, other stored segments, and ranges of elements to serialize.
    """

    kept: tuple[Segment, ...]
    pieces: list[Segment | range]

    @property
    def to_serialize(self) -> list[int]:
        """The indexes of the elements to serialize."""
        return [number for piece in self.pieces if isinstance(piece, range) for number in piece]

    def parts(self, data: bytes, offsets: Sequence[int]) -> list[Segment | Run]:
        """The pieces, with bytes for the serialized elements.

        Args:
            data: Bytes that contain the serialized elements.
            offsets: The offset of each of them, and the end of the last.
        """
        parts: list[Segment | Run] = []
        done = 0
        for piece in self.pieces:
            if isinstance(piece, Segment):
                parts.append(piece)
            else:
                parts.append(Run(data, offsets[done : done + len(piece) + 1]))
                done += len(piece)
        return parts


def plan_reuse(
    stored: StoredList, same: int, later: Sequence[int | None], known: frozenset[bytes]
) -> ReusePlan:
    """Plan which stored segments a changed list reuses.

    Args:
        stored: The list before the change.
        same: How many elements at the start are unchanged.
        later: For each element after them, its index in the list before; `None` for a new
            one.
        known: Digests of the chunks that are stored.
    """
    pieces: list[Segment | range] = []
    starts = [*accumulate(map(ELEMENTS_OF, stored.segments), initial=0)]
    kept = bisect_right(starts, same) - 1
    if not known.issuperset(chain.from_iterable(map(REFS_OF, stored.segments[:kept]))):
        is_stored = (known.issuperset(segment.refs) for segment in stored.segments[:kept])
        kept = sum(1 for _ in takewhile(bool, is_stored))
    count = same + len(later)
    if kept and stored.segments[kept - 1].size < _SMALL_BYTES and starts[kept] < count:
        kept -= 1
    number = starts[kept]
    candidates = _StoredSegments.of(stored, stored.segments[kept:], number, known)
    origins = [*range(number, same), *later]
    pending = start = number
    while number < count:
        found = candidates.find(origins, number - start, is_first=number == 0)
        if found is None or (pending < number and found.size < _SMALL_BYTES):
            number += 1
            continue
        if pending < number:
            pieces.append(range(pending, number))
        pieces.append(found)
        number += found.elements
        pending = number
    if pending < number:
        pieces.append(range(pending, number))
    return ReusePlan(tuple(stored.segments[:kept]), pieces)


@dataclass(frozen=True, slots=True)
class _StoredSegments:
    """Stored segments that may have moved, by the index of their first element.

    Attributes:
        stored: The list before the change.
        by_index: The segments, by the index of their first element in that list.
    """

    stored: StoredList
    by_index: dict[int, Segment]

    @classmethod
    def of(
        cls, stored: StoredList, segments: Sequence[Segment], start: int, known: frozenset[bytes]
    ) -> _StoredSegments:
        """Those of the segments whose leaves are all stored; `start` is the index of the first."""
        starts = accumulate((segment.elements for segment in segments), initial=start)
        numbered = zip(starts, segments, strict=False)
        return cls(stored, {at: one for at, one in numbered if known.issuperset(one.refs)})

    def find(self, origins: list[int | None], at: int, *, is_first: bool) -> Segment | None:
        """The segment whose elements are exactly the next ones from index `at` of `origins`."""
        origin = origins[at]
        if origin is None:
            return None
        found = self.by_index.get(origin)
        if found is None and is_first:
            found = self._rest_from(origin)
        if found is None or (found.skip and not is_first):
            return None
        together = list(range(origin, origin + found.elements))
        return found if origins[at : at + found.elements] == together else None

    def _rest_from(self, origin: int) -> Segment | None:
        """The rest of a segment from an element within it."""
        for start, segment in self.by_index.items():
            if start < origin < start + segment.elements:
                dropped = sum(self.stored.sizes[start:origin])
                return replace(
                    segment,
                    elements=segment.elements - (origin - start),
                    size=segment.size - dropped,
                    skip=segment.skip + dropped,
                )
        return None
