"""Which segments of a stored list a changed list can take over as they are.

An append leaves all of them, an edit all but one, and a window that drops its first
elements all that stood behind these: of the segment in which it now begins, it skips
what it has dropped.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, takewhile
from typing import TypeAlias

from .boundaries import ELEMENTS_OF, REFS_OF, Run, Segment

_SMALL_BYTES = 512
"""A segment beside elements that are cut anew is cut with them if it has less: else a list to
which one element after the other is added at its start would be all small chunks."""

Leaves: TypeAlias = tuple[int, Sequence[tuple[bytes, int]]]
"""The offset of a value's first leaf, and the digest and the size of each, in order."""


def segments(leaves: Leaves, offsets: Sequence[int]) -> tuple[Segment, ...]:
    """The segments of a list that was read: its leaves, as far as they end with an element.

    Args:
        leaves: Those of the list.
        offsets: Where each of its elements begins, and where the last one ends.
    """
    number_at = {offset: number for number, offset in enumerate(offsets)}
    start, sized = leaves
    found: list[Segment] = []
    if start > offsets[0]:
        return ()  # elements stand before the leaves
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
class Stored:
    """A list as it is stored: the bytes of each of its elements, and how it begins."""

    sizes: Sequence[int]
    segments: Sequence[Segment]


@dataclass(frozen=True, slots=True)
class ReusePlan:
    """A list, in order.

    Attributes:
        kept: The segments that stand where they stood.
        pieces: Other segments that are stored, and ranges of elements to serialize.
    """

    kept: tuple[Segment, ...]
    pieces: list[Segment | range]

    @property
    def loose(self) -> list[int]:
        """The numbers of the elements to serialize."""
        return [number for piece in self.pieces if isinstance(piece, range) for number in piece]

    def parts(self, data: bytes, offsets: Sequence[int]) -> list[Segment | Run]:
        """The pieces; `data` holds the loose elements, `offsets` part them."""
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
    stored: Stored, same: int, later: Sequence[int | None], known: frozenset[bytes]
) -> ReusePlan:
    """Take over what can be.

    Args:
        stored: The list before.
        same: How many elements at the start stand where they stood.
        later: For each element behind them, its number in the list before; `None` for one
            that is new.
        known: Chunks that are stored.
    """
    pieces: list[Segment | range] = []
    starts = [*accumulate(map(ELEMENTS_OF, stored.segments), initial=0)]
    keep = bisect_right(starts, same) - 1
    if not known.issuperset(chain.from_iterable(map(REFS_OF, stored.segments[:keep]))):
        is_stored = (known.issuperset(segment.refs) for segment in stored.segments[:keep])
        keep = sum(1 for _ in takewhile(bool, is_stored))
    count = same + len(later)
    if keep and stored.segments[keep - 1].size < _SMALL_BYTES and starts[keep] < count:
        keep -= 1
    number = starts[keep]
    others = _Others.of(stored, stored.segments[keep:], number, known)
    origins = [*range(number, same), *later]
    loose = start = number
    while number < count:
        found = others.find(origins, number - start, is_first=number == 0)
        if found is None or (loose < number and found.size < _SMALL_BYTES):
            number += 1
            continue
        if loose < number:
            pieces.append(range(loose, number))
        pieces.append(found)
        number += found.elements
        loose = number
    if loose < number:
        pieces.append(range(loose, number))
    return ReusePlan(tuple(stored.segments[:keep]), pieces)


@dataclass(frozen=True, slots=True)
class _Others:
    """Segments that are looked for wherever they stand now, by their first element's number."""

    stored: Stored
    beginning: dict[int, Segment]

    @classmethod
    def of(
        cls, stored: Stored, segments: Sequence[Segment], start: int, known: frozenset[bytes]
    ) -> _Others:
        """Those of the segments, the first of which begins at `start`, whose leaves are stored."""
        starts = accumulate((segment.elements for segment in segments), initial=start)
        numbered = zip(starts, segments, strict=False)
        return cls(stored, {at: one for at, one in numbered if known.issuperset(one.refs)})

    def find(self, origins: list[int | None], at: int, *, is_first: bool) -> Segment | None:
        """The segment of which all elements stand together from this place on."""
        origin = origins[at]
        if origin is None:
            return None
        found = self.beginning.get(origin)
        if found is None and is_first:
            found = self._without_start(origin)
        if found is None or (found.skip and not is_first):
            return None
        together = list(range(origin, origin + found.elements))
        return found if origins[at : at + found.elements] == together else None

    def _without_start(self, origin: int) -> Segment | None:
        """What a segment has from an element within it on."""
        for start, segment in self.beginning.items():
            if start < origin < start + segment.elements:
                dropped = sum(self.stored.sizes[start:origin])
                return replace(
                    segment,
                    elements=segment.elements - (origin - start),
                    size=segment.size - dropped,
                    skip=segment.skip + dropped,
                )
        return None
