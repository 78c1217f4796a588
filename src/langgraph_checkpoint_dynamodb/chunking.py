"""Values cut into chunks, and long lists of refs cut once more.

A large value is `head + chunks + tail`. The head is the first few bytes: a
msgpack array keeps its length there, which changes on every append. The tail
is the last, unfinished piece. What is between is cut where the content says
so (FastCDC), so equal runs of bytes give equal chunks wherever they stand, and
an append rewrites the tail alone.

The refs (digests) of a value form levels. A run of refs ends where a digest's
low bits are zero; a finished run becomes a chunk itself, and its digest a ref
of the next level. What is unfinished stays: `levels[0]` are refs to content,
`levels[1]` refs to lists of refs to content, and so on, with the oldest content
at the highest level. So a stored value stays small at any size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from pyfastcdc import FastCDC

DIGEST_BYTES = 16

HEAD_BYTES = 5
"""A msgpack array of over 65,535 elements has a header of 5 bytes; others are shorter."""

AVERAGE_CHUNK_BYTES = 2048
_MIN_BYTES = 1024
_MAX_BYTES = 8192
# FastCDC's parameter is the average beyond the minimum.
_AVERAGE_BEYOND_MIN = AVERAGE_CHUNK_BYTES - _MIN_BYTES

_MIN_RUN = 8
_MAX_RUN = 64
_RUN_MASK = 0x07

Levels: TypeAlias = tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """A value in pieces, and the chunks that have to exist for it."""

    head: bytes
    levels: Levels
    tail: bytes
    chunks: dict[bytes, bytes] = field(repr=False)
    """Every chunk that the levels refer to, at any depth: digest to bytes."""


def digest_of(data: bytes | memoryview) -> bytes:
    """A chunk's name: 128 bits of BLAKE2b."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def cut(data: bytes) -> Cut:
    """Cut a value into head, chunks and tail."""
    body = memoryview(data)[HEAD_BYTES:]
    # A chunker holds state while it cuts, so each call makes its own.
    chunker = FastCDC(_AVERAGE_BEYOND_MIN, min_size=_MIN_BYTES, max_size=_MAX_BYTES)
    pieces = [bytes(piece.data) for piece in chunker.cut_buf(body)]
    tail = pieces.pop() if pieces else b""
    refs = []
    chunks = {}
    for piece in pieces:
        digest = digest_of(piece)
        refs.append(digest)
        chunks[digest] = piece
    levels = _build_levels(refs, chunks)
    return Cut(data[:HEAD_BYTES], levels, tail, chunks)


def _build_levels(refs: list[bytes], chunks: dict[bytes, bytes]) -> Levels:
    levels: list[tuple[bytes, ...]] = []
    while True:
        upper: list[bytes] = []
        rest = refs
        for run in _runs(refs):
            if not _ends_run(run):
                rest = run
                break
            listing = b"".join(run)
            digest = digest_of(listing)
            chunks[digest] = listing
            upper.append(digest)
        else:
            rest = []
        levels.append(tuple(rest))
        if not upper:
            return tuple(levels)
        refs = upper


def _ends_run(run: list[bytes]) -> bool:
    return len(run) == _MAX_RUN or (len(run) >= _MIN_RUN and not run[-1][-1] & _RUN_MASK)


def _runs(refs: Iterable[bytes]) -> Iterator[list[bytes]]:
    run: list[bytes] = []
    for ref in refs:
        run.append(ref)
        if _ends_run(run):
            yield run
            run = []
    if run:
        yield run


def split_refs(listing: bytes) -> tuple[bytes, ...]:
    """The refs in the bytes of a list of refs."""
    return tuple(
        listing[start : start + DIGEST_BYTES] for start in range(0, len(listing), DIGEST_BYTES)
    )
