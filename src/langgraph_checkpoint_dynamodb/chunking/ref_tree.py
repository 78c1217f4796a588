"""Reads reference trees that may be forged.

A user who can write to the table can store a list of refs that names one list many times, on
several levels. A few hundred bytes then refer to more content than fits in memory. So the chunks
and bytes of a value are counted before its tree is expanded, and the count reads each list once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..errors import CorruptCheckpointError
from .boundaries import DIGEST_BYTES
from .cut import Levels, split_refs

GetChunk = Callable[[bytes], bytes]
"""Returns the bytes of a chunk by its digest, or raises."""

_MIN_AVERAGE_BYTES = 128
"""A lower bound of the average chunk in bytes. A chunk of content has over 512, except where
elements between two reused segments were cut again."""

_SLACK = 64


def max_chunks(size: int) -> int:
    """An upper bound of the chunks that content of `size` bytes is cut into."""
    return size // _MIN_AVERAGE_BYTES + _SLACK


def content_refs(levels: Levels, size: int, get: GetChunk) -> list[bytes]:
    """The refs to a value's content, in order.

    Args:
        levels: The levels of the value's refs.
        size: The bytes of its content, according to its record.
        get: Returns the bytes of a chunk.

    Raises:
        CorruptCheckpointError: The content is not `size` bytes long, or has more chunks than
            it can have been cut into.
    """
    measured: dict[tuple[bytes, int], tuple[int, int]] = {}

    def measure(refs: Iterable[bytes], depth: int) -> tuple[int, int]:
        chunks = found_bytes = 0
        for ref in refs:
            found = measured.get((ref, depth))
            if found is None:
                found = measure(read_list(ref, get), depth - 1) if depth else (1, len(get(ref)))
                measured[ref, depth] = found
            chunks += found[0]
            found_bytes += found[1]
        return chunks, found_bytes

    counts = [measure(level, depth) for depth, level in enumerate(levels)]
    found_bytes = sum(found[1] for found in counts)
    if found_bytes != size:
        raise CorruptCheckpointError(
            f"the chunks of a value have {found_bytes} bytes, but its record says {size}"
        )
    chunks = sum(found[0] for found in counts)
    if chunks > max_chunks(size):
        raise CorruptCheckpointError(
            f"a value of {size} bytes refers to {chunks} chunks, which is too many"
        )
    refs: list[bytes] = []
    for depth in range(len(levels) - 1, -1, -1):
        expanded: Iterable[bytes] = levels[depth]
        for _ in range(depth):
            expanded = [child for ref in expanded for child in read_list(ref, get)]
        refs += expanded
    return refs


def all_refs(levels: Levels, read: Callable[[bytes], Iterable[bytes]]) -> frozenset[bytes]:
    """The digest of every chunk that a value refers to, at any depth.

    `read` returns the refs in a list of refs.
    """
    found: set[bytes] = set()
    for depth, level in enumerate(levels):
        refs = set(level)
        for _ in range(depth):
            found |= refs
            refs = {child for ref in refs for child in read(ref)}
        found |= refs
    return frozenset(found)


def read_list(ref: bytes, get: GetChunk) -> tuple[bytes, ...]:
    """The refs in a list of refs.

    Raises:
        CorruptCheckpointError: The chunk is not a list of refs. An empty list is refused too:
            a forged tree of empty lists has no content to count, but takes endless time to expand.
    """
    listing = get(ref)
    if not listing or len(listing) % DIGEST_BYTES:
        raise CorruptCheckpointError(f"chunk {ref.hex()} is not a list of refs")
    return split_refs(listing)
