"""Trees of refs, read without trust.

Whoever can write the table can store a list of refs that lists one list many times, level
upon level: a few hundred bytes that name more content than any memory holds. So the
refs of a value are counted, each list once, before they are walked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..errors import CorruptCheckpointError
from .boundaries import DIGEST_BYTES
from .cut import Levels, split_refs

Get = Callable[[bytes], bytes]
"""Finds the bytes of a list of refs, or raises."""

_LEAST_AVERAGE = 128
"""A chunk of content has over 512 bytes, but where a list was cut anew between old segments."""

_SLACK = 64


def most_chunks(size: int) -> int:
    """More chunks than content of `size` bytes is ever cut into."""
    return size // _LEAST_AVERAGE + _SLACK


def content_refs(levels: Levels, size: int, get: Get) -> list[bytes]:
    """The refs to a value's content, in order.

    Raises:
        CorruptCheckpointError: The content has not `size` bytes, or is in more pieces
            than it would have been cut into.
    """
    measured: dict[tuple[bytes, int], tuple[int, int]] = {}

    def measure(refs: Iterable[bytes], depth: int) -> tuple[int, int]:
        chunks = found_bytes = 0
        for ref in refs:
            found = measured.get((ref, depth))
            if found is None:
                found = measure(listed(ref, get), depth - 1) if depth else (1, len(get(ref)))
                measured[ref, depth] = found
            chunks += found[0]
            found_bytes += found[1]
        return chunks, found_bytes

    sums = [measure(level, depth) for depth, level in enumerate(levels)]
    found_bytes = sum(found[1] for found in sums)
    if found_bytes != size:
        raise CorruptCheckpointError(
            f"the chunks of a value have {found_bytes} bytes, not {size} as its record says"
        )
    chunks = sum(found[0] for found in sums)
    if chunks > most_chunks(size):
        raise CorruptCheckpointError(f"a value of {size} bytes refers to {chunks} chunks")
    refs: list[bytes] = []
    for depth in range(len(levels) - 1, -1, -1):
        upper: Iterable[bytes] = levels[depth]
        for _ in range(depth):
            upper = [child for ref in upper for child in listed(ref, get)]
        refs += upper
    return refs


def all_refs(levels: Levels, listed_in: Callable[[bytes], Iterable[bytes]]) -> frozenset[bytes]:
    """Every chunk that the refs of a value name, at any depth; `listed_in` reads a list of refs."""
    found: set[bytes] = set()
    for depth, level in enumerate(levels):
        refs = set(level)
        for _ in range(depth):
            found |= refs
            refs = {child for ref in refs for child in listed_in(ref)}
        found |= refs
    return frozenset(found)


def listed(ref: bytes, get: Get) -> tuple[bytes, ...]:
    """The refs in a list of refs; never none, or lists of nothing could be walked for ever."""
    listing = get(ref)
    if not listing or len(listing) % DIGEST_BYTES:
        raise CorruptCheckpointError(f"chunk {ref.hex()} is no list of refs")
    return split_refs(listing)
