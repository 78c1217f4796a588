"""Values cut into chunks, and long lists of refs cut once more.

A large value is `head + chunks + tail`. The head is the first few bytes: a
msgpack array keeps its length there, which changes on every append. The tail
is the last, unfinished piece. What is between is cut where the content says
so, so equal runs of bytes give equal chunks wherever they stand, and an append
rewrites the tail alone.

A list is cut between its elements, small ones together and a large one by
itself: a message is in the same chunk bytes wherever it stands, and dropping the
first of a window changes the first chunk alone. Anything else, and a very
large element, is cut as plain bytes (FastCDC). What is new in bulk is joined
into larger chunks: less is lost to rounding, as DynamoDB bills whole KB, and it
compresses better.

The refs (digests) of a value form levels. A run of refs ends where a digest's
low bits are zero; a finished run becomes a chunk itself, and its digest a ref
of the next level. What is unfinished stays: `levels[0]` are refs to content,
`levels[1]` refs to lists of refs to content, and so on, with the oldest content
at the highest level. So a stored value stays small at any size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Set
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeAlias
from zlib import crc32

from pyfastcdc import FastCDC

from .elements import element_offsets

DIGEST_BYTES = 16

HEAD_BYTES = 5
"""A msgpack array of over 65,535 elements has a header of 5 bytes; others are shorter."""

# Plain bytes. FastCDC's parameter is the average beyond the minimum.
_MIN_BYTES = 1024
_MAX_BYTES = 8192
_AVERAGE_BEYOND_MIN = 1024

# Elements of a list that share a chunk.
_MIN_GROUP_BYTES = 512
_AVERAGE_BEYOND_MIN_GROUP = 1024
_MAX_GROUP_BYTES = 4096
_LARGE_ELEMENT_BYTES = 3072
_CUT_ELEMENT_BYTES = 8192

# What is new may stay inline for one put, and its chunks are sent along with the item.
_MAX_DEFERRED_BYTES = 2048
_MAX_OPEN_REFS = 64

_LOW_BITS = 0x07
_MIN_RUN = 20
_MAX_RUN = 160
AVERAGE_RUN = _MIN_RUN + _LOW_BITS

Leaf: TypeAlias = tuple[bytes, bytes]
"""A chunk of content: digest and bytes."""

Levels: TypeAlias = tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """A value in pieces.

    Attributes:
        head: What comes before the chunks.
        levels: The refs to the chunks.
        tail: What comes after them.
        chunks: Every chunk that the levels refer to, at any depth: digest to bytes.
        closed: If something new was left inline, the value with all of its chunks.
    """

    head: bytes
    levels: Levels
    tail: bytes
    chunks: dict[bytes, bytes] = field(repr=False)
    closed: Cut | None = None


@dataclass(frozen=True, slots=True)
class _Packing:
    """How neighbours that are all new are joined.

    Attributes:
        least: The fewest chunks that are worth joining.
        stretch: The fewest packs in a row.
        pieces: The fewest chunks of a pack.
        bits: A pack ends with a chunk whose digest has these bits zero.
        size: A pack ends once it has this many bytes.
        last: Whether the last pack may be an unfinished one. In a list that grows
            it would be another one after each append.
    """

    least: int
    stretch: int
    pieces: int
    bits: int
    size: int
    last: bool


# Coarse: a document is written once. It takes a long new stretch, so that an edit leaves
# small chunks behind, and the next edit there is a small one.
_BYTES = _Packing(least=16, stretch=3, pieces=4, bits=0x0F, size=48 * 1024, last=True)
# Fine: an element of a list is likely to be edited or dropped by itself.
_ELEMENTS = _Packing(least=2, stretch=1, pieces=2, bits=0x07, size=4096, last=False)


def digest_of(data: bytes | memoryview) -> bytes:
    """A chunk's name: 128 bits of BLAKE2b."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


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
    if offsets is None:
        head = data[:HEAD_BYTES]
        pieces = _cut_bytes(memoryview(data)[HEAD_BYTES:])
        tail = pieces.pop()[1] if pieces else b""
        leaves = _pack(pieces, known, _BYTES)
    else:
        head = data[: offsets[0]]
        leaves, tail = _cut_elements(data, offsets, known)
    closed = _assemble(head, leaves, tail)
    if not defer or closed.chunks.keys() <= known:
        return closed
    first, last = _known_stretch(leaves, known)
    head = b"".join([head, *(piece for _, piece in leaves[:first])])
    tail = b"".join([*(piece for _, piece in leaves[last:]), tail])
    opened = _assemble(head, leaves[first:last], tail, known)
    return replace(opened, closed=closed) if opened.chunks.keys() <= known else closed


def _assemble(head: bytes, leaves: list[Leaf], tail: bytes, known: Set[bytes] | None = None) -> Cut:
    chunks = dict(leaves)
    levels = _build_levels([digest for digest, _ in leaves], chunks, known)
    return Cut(head, levels, tail, chunks)


def _known_stretch(leaves: list[Leaf], known: Set[bytes]) -> tuple[int, int]:
    """The range of leaves without what is new at the ends; all of them if that is too much."""
    first, last = 0, len(leaves)
    while first < last and leaves[first][0] not in known:
        first += 1
    while last > first and leaves[last - 1][0] not in known:
        last -= 1
    new = sum(len(piece) for _, piece in [*leaves[:first], *leaves[last:]])
    return (first, last) if new <= _MAX_DEFERRED_BYTES else (0, len(leaves))


def _leaf(data: bytes) -> Leaf:
    return digest_of(data), data


def _cut_bytes(data: memoryview) -> list[Leaf]:
    # A chunker holds state while it cuts, so each call makes its own.
    chunker = FastCDC(_AVERAGE_BEYOND_MIN, min_size=_MIN_BYTES, max_size=_MAX_BYTES)
    return [_leaf(bytes(piece.data)) for piece in chunker.cut_buf(data)]


def _cut_elements(data: bytes, offsets: list[int], known: Set[bytes]) -> tuple[list[Leaf], bytes]:
    leaves: list[Leaf] = []
    groups: list[Leaf] = []
    start = offsets[0]
    for begin, end in pairwise(offsets):
        if end - begin >= _LARGE_ELEMENT_BYTES:
            if start < begin:
                groups.append(_leaf(data[start:begin]))
            leaves += _pack(groups, known, _ELEMENTS)
            leaves += _cut_element(data, begin, end, known)
            groups, start = [], end
        elif _ends_group(data, start, begin, end):
            groups.append(_leaf(data[start:end]))
            start = end
    leaves += _pack(groups, known, _ELEMENTS)
    return leaves, data[start:]


def _cut_element(data: bytes, begin: int, end: int, known: Set[bytes]) -> list[Leaf]:
    if end - begin <= _CUT_ELEMENT_BYTES:
        return [_leaf(data[begin:end])]
    return _pack(_cut_bytes(memoryview(data)[begin:end]), known, _BYTES)


def _ends_group(data: bytes, start: int, begin: int, end: int) -> bool:
    """Whether a group that began at `start` ends with the element `begin` to `end`.

    The element alone decides, the more likely the larger it is.
    """
    size = end - start
    if size < _MIN_GROUP_BYTES:
        return False
    chance = (end - begin) / _AVERAGE_BEYOND_MIN_GROUP
    return size >= _MAX_GROUP_BYTES or crc32(data[begin:end]) < chance * (1 << 32)


def _pack(pieces: list[Leaf], known: Set[bytes], packing: _Packing) -> list[Leaf]:
    """Join neighbours that are all new into larger chunks; what is known stays as it is."""
    if len(pieces) < packing.least:
        return pieces
    leaves: list[Leaf] = []
    fresh: list[tuple[Leaf, list[Leaf]]] = []

    def settle() -> None:
        # At its start, a value that was known differs when it stood elsewhere before: within
        # a graph's input, say.
        joined = len(fresh) >= packing.stretch or not leaves
        for pack, members in fresh:
            leaves.extend([pack] if joined else members)
        fresh.clear()

    for members, whole in _packs(pieces, packing):
        if not whole or any(digest in known for digest, _ in members):
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


def _packs(pieces: list[Leaf], packing: _Packing) -> Iterator[tuple[list[Leaf], bool]]:
    """Groups of neighbours that end where a digest says so, and whether they may be joined."""
    group: list[Leaf] = []
    size = 0
    for leaf in pieces:
        group.append(leaf)
        size += len(leaf[1])
        ends = len(group) >= packing.pieces and not leaf[0][-1] & packing.bits
        if ends or size >= packing.size:
            yield group, True
            group, size = [], 0
    if group:
        yield group, packing.last


def _build_levels(
    refs: list[bytes], chunks: dict[bytes, bytes], known: Set[bytes] | None
) -> Levels:
    """Levels of refs; adds the lists of refs to `chunks`.

    Args:
        refs: What to refer to, in order.
        chunks: Gets the lists that the levels refer to.
        known: If given, a finished run whose list is not known stays open.
    """
    levels: list[tuple[bytes, ...]] = []
    while True:
        upper: list[bytes] = []
        listed = 0
        for run in _finished_runs(refs):
            listing = b"".join(run)
            digest = digest_of(listing)
            if known is not None and digest not in known and len(refs) - listed <= _MAX_OPEN_REFS:
                break
            chunks[digest] = listing
            upper.append(digest)
            listed += len(run)
        levels.append(tuple(refs[listed:]))
        if not upper:
            return tuple(levels)
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
