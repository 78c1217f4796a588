"""Cuts content into leaves: the chunks that hold a value's own bytes.

Only the content around a boundary decides where it is, so equal runs of bytes give equal leaves
wherever they are.

A list is cut between its elements: small elements share a leaf, and a large element has its own.
A message therefore gives the same chunk bytes at any index, and dropping the first message of a
window changes only the first chunk. Other values, and very large elements, are cut as plain bytes
with FastCDC. Many new neighbours are joined into larger chunks. These compress better, and lose
less to rounding, because DynamoDB bills whole KB.
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

# Plain bytes. FastCDC's first parameter is the average size beyond the minimum.
_MIN_BYTES = 1024
_MAX_BYTES = 8192
_AVERAGE_BEYOND_MIN = 1024

# New plain bytes are joined into large packs, because a document is written once. Only a long
# stretch of new pieces is joined: an edit leaves small chunks, so that the next edit there
# rewrites little.
_MIN_PIECES = 16
_MIN_PACKS = 3
_MIN_PACK_PIECES = 4
_PACK_MASK = 0x0F
_MAX_PACK_BYTES = 48 * 1024

# Elements of a list that share a leaf.
_MIN_GROUP_BYTES = 512
_AVERAGE_BEYOND_MIN_GROUP = 1024
_MAX_GROUP_BYTES = 4096
_LARGE_ELEMENT_BYTES = 3072
_MAX_ELEMENT_LEAF_BYTES = 8192

# New groups are joined into small segments, because single elements are edited or dropped.
_MIN_SEGMENT_GROUPS = 2
_SEGMENT_MASK = 0x07
_MAX_SEGMENT_BYTES = 2048

Leaf: TypeAlias = tuple[bytes, bytes]
"""A digest and its bytes."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Successive elements of a list that are cut independently of the elements around them.

    Attributes:
        elements: Their number.
        size: Their bytes.
        refs: The digests of their leaves.
        skip: Bytes at the start of the leaves that belong to elements which a window has
            dropped. Only the first segment of a list may have any.
    """

    elements: int
    size: int
    refs: tuple[bytes, ...]
    skip: int = 0


# For `map` over long lists of segments, which runs in C.
ELEMENTS_OF, SIZE_OF, REFS_OF = map(attrgetter, ("elements", "size", "refs"))


@dataclass(frozen=True, slots=True)
class Run:
    """Successive serialized elements of a list.

    Attributes:
        data: Bytes that contain them.
        offsets: The offset of each element, and the end of the last.
    """

    data: bytes
    offsets: Sequence[int]


def digest_of(data: bytes | memoryview) -> bytes:
    """The digest that identifies a chunk: 128 bits of BLAKE2b."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def _leaf(data: bytes) -> Leaf:
    return digest_of(data), data


def cut_bytes(data: memoryview, known: Set[bytes]) -> tuple[list[Leaf], bytes]:
    """Cut plain bytes into leaves and an unfinished last piece.

    Args:
        data: The bytes.
        known: Digests of chunks that are stored already. Such chunks are not joined with
            others, so that they can be referred to as they are.
    """
    pieces = _fastcdc(data)
    tail = pieces.pop()[1] if pieces else b""
    return _pack(pieces, known), tail


def cut_run(
    run: Run, known: Set[bytes], *, is_last: bool
) -> tuple[list[Leaf], list[Segment], bytes]:
    """Cut some elements into leaves, in segments.

    Args:
        run: The elements.
        known: As in `cut_bytes`.
        is_last: Whether the list ends with them, and may grow there.

    Returns:
        The leaves, their segments, and the remaining bytes. If `is_last`, the last segment
        may be unfinished, and the remaining bytes are then its last elements; otherwise
        there are none.
    """
    data, offsets = run.data, run.offsets
    cutter = _Cutter(data, known, offsets[0], offsets[0])
    for number, (begin, end) in enumerate(pairwise(offsets)):
        if end - begin >= _LARGE_ELEMENT_BYTES:
            cutter.flush(begin, number)
            cutter.end_segment(_cut_element(data, begin, end, known), end, number + 1)
        elif _ends_group(data, cutter.group_start, begin, end):
            cutter.end_group(end, number + 1)
    if not is_last:
        cutter.flush(offsets[-1], len(offsets) - 1)
    return cutter.leaves + cutter.groups, cutter.segments, data[cutter.group_start : offsets[-1]]


@dataclass(slots=True)
class _Cutter:
    """The state of `cut_run`.

    Attributes:
        data: The bytes that contain the elements.
        known: Digests of chunks that are stored already.
        group_start: The offset of the current group.
        segment_start: The offset of the current segment.
        elements_before: The number of elements before the current segment.
        groups: The leaves of the current segment's finished groups.
        leaves: The leaves of the finished segments.
        segments: The finished segments.
    """

    data: bytes
    known: Set[bytes]
    group_start: int
    segment_start: int
    elements_before: int = 0
    groups: list[Leaf] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)

    def end_group(self, end: int, elements: int) -> None:
        """End the current group, and the segment if this group is its last."""
        self.groups.append(_leaf(self.data[self.group_start : end]))
        self.group_start = end
        if _ends_segment(self.groups):
            self.end_segment(_joined(self.groups, self.known), end, elements)

    def flush(self, end: int, elements: int) -> None:
        """End the current group and segment, because nothing may be joined across `end`."""
        if self.group_start < end:
            self.end_group(end, elements)
        self.end_segment(self.groups, end, elements)

    def end_segment(self, leaves: list[Leaf], end: int, elements: int) -> None:
        """End the current segment with these leaves; `elements` is the number before `end`."""
        if elements > self.elements_before:
            refs = tuple(digest for digest, _ in leaves)
            self.segments.append(
                Segment(elements - self.elements_before, end - self.segment_start, refs)
            )
        self.leaves += leaves
        self.groups = []
        self.group_start = self.segment_start = end
        self.elements_before = elements


def _fastcdc(data: memoryview) -> list[Leaf]:
    # A chunker has state while it cuts, so each call creates its own.
    chunker = FastCDC(_AVERAGE_BEYOND_MIN, min_size=_MIN_BYTES, max_size=_MAX_BYTES)
    return [_leaf(bytes(piece.data)) for piece in chunker.cut_buf(data)]


def _cut_element(data: bytes, begin: int, end: int, known: Set[bytes]) -> list[Leaf]:
    if end - begin <= _MAX_ELEMENT_LEAF_BYTES:
        return [_leaf(data[begin:end])]
    return _pack(_fastcdc(memoryview(data)[begin:end]), known)


def _ends_group(data: bytes, start: int, begin: int, end: int) -> bool:
    """Whether a group that began at `start` ends with the element from `begin` to `end`.

    Within the bounds of a group's size, the element's own bytes decide. The larger the element,
    the more likely it ends the group.
    """
    size = end - start
    if size < _MIN_GROUP_BYTES:
        return False
    chance = (end - begin) / _AVERAGE_BEYOND_MIN_GROUP
    return size >= _MAX_GROUP_BYTES or crc32(data[begin:end]) < chance * (1 << 32)


def _ends_segment(groups: Sequence[Leaf]) -> bool:
    ends = len(groups) >= _MIN_SEGMENT_GROUPS and not groups[-1][0][-1] & _SEGMENT_MASK
    return ends or sum(len(data) for _, data in groups) >= _MAX_SEGMENT_BYTES


def _joined(pieces: list[Leaf], known: Set[bytes]) -> list[Leaf]:
    """Join neighbours into one leaf, unless one of them is stored already."""
    if len(pieces) == 1 or any(digest in known for digest, _ in pieces):
        return pieces
    return [_leaf(b"".join(piece for _, piece in pieces))]


def _pack(pieces: list[Leaf], known: Set[bytes]) -> list[Leaf]:
    """Join neighbours that are all new into larger leaves; known pieces are not joined."""
    if len(pieces) < _MIN_PIECES:
        return pieces
    leaves: list[Leaf] = []
    new: list[tuple[Leaf, list[Leaf]]] = []

    def flush() -> None:
        # A value that was stored before in another place, such as within a graph's input,
        # differs from it only at its start. There, even a short new stretch is joined.
        joined = len(new) >= _MIN_PACKS or not leaves
        for pack, members in new:
            leaves.extend([pack] if joined else members)
        new.clear()

    for members in _packs(pieces):
        if any(digest in known for digest, _ in members):
            flush()
            leaves += members
            continue
        pack = _leaf(b"".join(piece for _, piece in members))
        if pack[0] in known:
            flush()
            leaves.append(pack)
        else:
            new.append((pack, members))
    flush()
    return leaves


def _packs(pieces: list[Leaf]) -> Iterator[list[Leaf]]:
    """Groups of neighbours. The last digest of a group, or the group's size, ends it."""
    group: list[Leaf] = []
    size = 0
    for leaf in pieces:
        group.append(leaf)
        size += len(leaf[1])
        ends = len(group) >= _MIN_PACK_PIECES and not leaf[0][-1] & _PACK_MASK
        if ends or size >= _MAX_PACK_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
