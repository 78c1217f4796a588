"""Content cut into leaves: the chunks that hold a value's own bytes.

Where a cut falls is decided by the content around it alone, so equal runs of bytes
give equal leaves wherever they stand.

A list is cut between its elements, small ones together and a large one by
itself: a message is in the same chunk bytes wherever it stands, and dropping the
first of a window changes the first chunk alone. Anything else, and a very
large element, is cut as plain bytes (FastCDC). What is new in bulk is joined
into larger chunks: less is lost to rounding, as DynamoDB bills whole KB, and it
compresses better.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import pairwise
from operator import attrgetter
from typing import TypeAlias
from zlib import crc32

from pyfastcdc import FastCDC

DIGEST_BYTES = 16

# Plain bytes. FastCDC's parameter is the average beyond the minimum.
_MIN_BYTES = 1024
_MAX_BYTES = 8192
_AVERAGE_BEYOND_MIN = 1024

# Plain bytes that are new are joined coarsely: a document is written once. It takes a long new
# stretch, so that an edit leaves small chunks behind, and the next edit there is a small one.
_LEAST_PIECES = 16
_LEAST_PACKS = 3
_PACK_PIECES = 4
_PACK_BITS = 0x0F
_PACK_BYTES = 48 * 1024

# Elements of a list that share a leaf.
_MIN_GROUP_BYTES = 512
_AVERAGE_BEYOND_MIN_GROUP = 1024
_MAX_GROUP_BYTES = 4096
_LARGE_ELEMENT_BYTES = 3072
_CUT_ELEMENT_BYTES = 8192

# Groups that are new are joined finely: an element is likely to be edited or dropped by itself.
_SEGMENT_GROUPS = 2
_SEGMENT_BITS = 0x07
_SEGMENT_BYTES = 2048

Leaf: TypeAlias = tuple[bytes, bytes]
"""A digest and its bytes."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of a list's elements that are cut by themselves, whatever stands around them.

    Attributes:
        elements: How many they are.
        size: How many bytes they are.
        refs: The digests of their leaves.
        skip: Bytes at the start of these leaves that are elements no more: what a window
            has dropped. Only the first segment of a list may have any.
    """

    elements: int
    size: int
    refs: tuple[bytes, ...]
    skip: int = 0


# For long lists of segments, without a step of the interpreter for each.
ELEMENTS_OF, SIZE_OF, REFS_OF = map(attrgetter, ("elements", "size", "refs"))


@dataclass(frozen=True, slots=True)
class Run:
    """Serialized elements that stand one after another in a list.

    Attributes:
        data: Bytes that hold them.
        offsets: Where each of them begins, and where the last one ends.
    """

    data: bytes
    offsets: Sequence[int]


def digest_of(data: bytes | memoryview) -> bytes:
    """A chunk's name: 128 bits of BLAKE2b."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def _leaf(data: bytes) -> Leaf:
    return digest_of(data), data


def of_bytes(data: memoryview, known: Set[bytes]) -> tuple[list[Leaf], bytes]:
    """The leaves of plain bytes, and the unfinished piece behind them.

    Args:
        data: The bytes.
        known: Chunks that are stored already; they decide what is joined.
    """
    pieces = _cut_bytes(data)
    tail = pieces.pop()[1] if pieces else b""
    return _pack(pieces, known), tail


def of_run(
    run: Run, known: Set[bytes], *, is_last: bool
) -> tuple[list[Leaf], list[Segment], bytes]:
    """The leaves of some elements, their segments, and the bytes behind all leaves.

    Args:
        run: The elements.
        known: As in `of_bytes`.
        is_last: Whether the list ends with them, and may grow there. Then the segment at
            the end may be unfinished; else no bytes are left.
    """
    data, offsets = run.data, run.offsets
    cutter = _Cutter(data, known, offsets[0], offsets[0])
    for number, (begin, end) in enumerate(pairwise(offsets)):
        if end - begin >= _LARGE_ELEMENT_BYTES:
            cutter.interrupt(begin, number)
            cutter.end_segment(_cut_element(data, begin, end, known), end, number + 1)
        elif _ends_group(data, cutter.start, begin, end):
            cutter.end_group(end, number + 1)
    if not is_last:
        cutter.interrupt(offsets[-1], len(offsets) - 1)
    return cutter.leaves + cutter.groups, cutter.segments, data[cutter.start : offsets[-1]]


@dataclass(slots=True)
class _Cutter:
    """What `of_run` has made so far.

    Attributes:
        data: The bytes that hold the elements.
        known: Chunks that are stored already.
        start: Where the group begins that has not ended.
        begun: Where the segment begins that has not ended.
        elements: How many elements stand before that segment.
        groups: That segment's leaves.
        leaves: Those of the segments before it.
        segments: These segments.
    """

    data: bytes
    known: Set[bytes]
    start: int
    begun: int
    elements: int = 0
    groups: list[Leaf] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)

    def end_group(self, end: int, elements: int) -> None:
        """End the group, and its segment if it is one that ends there."""
        self.groups.append(_leaf(self.data[self.start : end]))
        self.start = end
        if _ends_segment(self.groups):
            self.end_segment(_joined(self.groups, self.known), end, elements)

    def interrupt(self, end: int, elements: int) -> None:
        """End what is unfinished, because nothing is joined across here."""
        if self.start < end:
            self.end_group(end, elements)
        self.end_segment(self.groups, end, elements)

    def end_segment(self, leaves: list[Leaf], end: int, elements: int) -> None:
        """End the segment, with these leaves; `elements` are those before `end`."""
        if elements > self.elements:
            refs = tuple(digest for digest, _ in leaves)
            self.segments.append(Segment(elements - self.elements, end - self.begun, refs))
        self.leaves += leaves
        self.groups = []
        self.start = self.begun = end
        self.elements = elements


def _cut_bytes(data: memoryview) -> list[Leaf]:
    # A chunker holds state while it cuts, so each call makes its own.
    chunker = FastCDC(_AVERAGE_BEYOND_MIN, min_size=_MIN_BYTES, max_size=_MAX_BYTES)
    return [_leaf(bytes(piece.data)) for piece in chunker.cut_buf(data)]


def _cut_element(data: bytes, begin: int, end: int, known: Set[bytes]) -> list[Leaf]:
    if end - begin <= _CUT_ELEMENT_BYTES:
        return [_leaf(data[begin:end])]
    return _pack(_cut_bytes(memoryview(data)[begin:end]), known)


def _ends_group(data: bytes, start: int, begin: int, end: int) -> bool:
    """Whether a group that began at `start` ends with the element `begin` to `end`.

    The element alone decides, the more likely the larger it is.
    """
    size = end - start
    if size < _MIN_GROUP_BYTES:
        return False
    chance = (end - begin) / _AVERAGE_BEYOND_MIN_GROUP
    return size >= _MAX_GROUP_BYTES or crc32(data[begin:end]) < chance * (1 << 32)


def _ends_segment(groups: Sequence[Leaf]) -> bool:
    ends = len(groups) >= _SEGMENT_GROUPS and not groups[-1][0][-1] & _SEGMENT_BITS
    return ends or sum(len(data) for _, data in groups) >= _SEGMENT_BYTES


def _joined(pieces: list[Leaf], known: Set[bytes]) -> list[Leaf]:
    """Neighbours as one leaf, unless one of them is stored by itself already."""
    if len(pieces) == 1 or any(digest in known for digest, _ in pieces):
        return pieces
    return [_leaf(b"".join(piece for _, piece in pieces))]


def _pack(pieces: list[Leaf], known: Set[bytes]) -> list[Leaf]:
    """Join neighbours that are all new into larger leaves; what is known stays as it is."""
    if len(pieces) < _LEAST_PIECES:
        return pieces
    leaves: list[Leaf] = []
    fresh: list[tuple[Leaf, list[Leaf]]] = []

    def settle() -> None:
        # At its start, a value that was known differs when it stood elsewhere before: within
        # a graph's input, say.
        joined = len(fresh) >= _LEAST_PACKS or not leaves
        for pack, members in fresh:
            leaves.extend([pack] if joined else members)
        fresh.clear()

    for members in _packs(pieces):
        if any(digest in known for digest, _ in members):
            settle()
            leaves += members
            continue
        pack = _leaf(b"".join(piece for _, piece in members))
        if pack[0] in known:
            settle()
            leaves.append(pack)
        else:
            fresh.append((pack, members))
    settle()
    return leaves


def _packs(pieces: list[Leaf]) -> Iterator[list[Leaf]]:
    """Groups of neighbours that end where a digest says so, or once they are large."""
    group: list[Leaf] = []
    size = 0
    for leaf in pieces:
        group.append(leaf)
        size += len(leaf[1])
        ends = len(group) >= _PACK_PIECES and not leaf[0][-1] & _PACK_BITS
        if ends or size >= _PACK_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
