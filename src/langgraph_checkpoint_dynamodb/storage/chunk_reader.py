"""Reads chunks, and checks each against its digest and each value for completeness."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

from ..chunking import segment_reuse
from ..chunking.boundaries import DIGEST_BYTES
from ..chunking.cut import AVERAGE_RUN, split_refs
from ..chunking.ref_tree import all_refs, content_refs, max_chunks, read_list
from ..errors import CorruptCheckpointError, UnsupportedFormatError
from ..format import items, keys, requests
from ..format.body import Record
from ..format.keys import ChunkRef
from ..runtime.context import Context
from ..runtime.effects import Call, Compute, Failed, Item, Operation
from . import batches
from .chunk_cache import chunk_key, remember_chunk

T = TypeVar("T")

_RANGE_READ_RATIO = 6
"""A chunk that is read by key takes half a read unit, as much as about six in a range query."""

_RANGE_CHUNKS = 200
"""About how many chunks a range has: fewer than fit in a page of a query."""

_RANGE_BYTES = 1 << 19
"""About how many bytes of values a range has: fewer than fit in a page of a query."""

_FEW_RANGES = 4
"""If there are more ranges, they are split further, because their replies arrive together. Reading
a page from each socket and parsing it blocks an event loop."""

_SPLIT_FACTOR = 3
"""The factor by which they are split."""

_RANGES_A_ROUND = batches.CALLS_A_ROUND * _SPLIT_FACTOR
"""Split ranges have the same number of bytes and round trips as larger ones."""

_MAX_RANGE_CHUNKS = 1 << 20  # a bound, because `chunk_count` may be forged

_RANGE_READ_SLACK = 16  # for chunks of other namespaces, and an uneven distribution of digests

_FEW_ITEMS = 64  # so few that the sum of their sizes is quick to compute

_REF_WORK = 128  # looking up a ref takes as long as deserializing so many bytes

_MAX_RANGE_BYTES = 64 << 20
"""The bytes of other values' chunks that range queries may return."""

_ROOM_SLACK = 1 << 20  # for lists of refs


class Content(NamedTuple):
    """The bytes of a value, and the leaves that they were cut into."""

    data: bytes
    leaves: segment_reuse.Leaves


@dataclass(slots=True)
class Chunks:
    """The chunks that were read, and why others could not be.

    Attributes:
        thread_id: The thread.
        data: The bytes of chunks, by digest.
        damage: Why a chunk could not be read, by digest.
        room: How many bytes may still be decompressed. Without this bound, a few forged items
            could fill the memory.
    """

    thread_id: str
    data: dict[bytes, bytes] = field(default_factory=dict)
    damage: dict[bytes, str] = field(default_factory=dict)
    room: int = 0

    def join(self, record: Record, where: str) -> bytes:
        """Join the bytes of a stored value.

        Raises:
            CorruptCheckpointError: A chunk is missing or damaged, or the size is not that of
                the record.
        """
        return self.content(record, where).data

    def content(self, record: Record, where: str) -> Content:
        """Like `join`, with the value's leaves."""
        if not record.levels:
            return Content(record.prefix, (len(record.prefix), ()))
        size = record.size + record.skip - len(record.prefix) - len(record.suffix)
        try:
            refs = content_refs(record.levels, size, self._get)
        except CorruptCheckpointError as error:
            raise CorruptCheckpointError(f"{where}: {error}") from None
        pieces: list[bytes | memoryview] = [*map(self._get, refs)]
        leaves = [(ref, len(piece)) for ref, piece in zip(refs, pieces, strict=True)]
        if record.skip:
            pieces = [memoryview(b"".join(pieces))[record.skip :]]
        data = b"".join([record.prefix, *pieces, record.suffix])
        return Content(data, (len(record.prefix) - record.skip, leaves))

    def refs(self, record: Record, where: str) -> frozenset[bytes]:
        """The digest of every chunk that a record refers to, at any depth.

        Raises:
            CorruptCheckpointError: A list of refs is missing or damaged.
        """
        try:
            return all_refs(record.levels, lambda ref: read_list(ref, self._get))
        except CorruptCheckpointError as error:
            raise CorruptCheckpointError(f"{where}: {error}") from None

    def reachable(self, record: Record) -> frozenset[bytes]:
        """Like `refs`, but without the refs in lists that were not read."""
        return all_refs(record.levels, lambda ref: split_refs(self.data.get(ref, b"")))

    def _get(self, digest: bytes) -> bytes:
        data = self.data.get(digest)
        if data is None:
            too_many = "was not read: the chunks have more bytes than the values that refer to them"
            reason = self.damage.get(digest, too_many if self.room < 0 else "is missing")
            raise CorruptCheckpointError(f"chunk {digest.hex()} {reason}")
        return data


def load(
    context: Context,
    thread_id: str,
    wanted: Sequence[tuple[int, Record]],
    *,
    chunk_count: int = 0,
    only_lists: bool = False,
) -> Operation[Chunks]:
    """Read the chunks of some records, level by level, beginning with the highest.

    A chunk that cannot be read is left out of the result; `Chunks.join` raises for it.

    Args:
        context: The call's settings and time.
        thread_id: The thread.
        wanted: The records, each with its generation.
        chunk_count: About how many chunks the thread has (`Body.chunk_count`); 0 if unknown.
        only_lists: Read lists of refs and no content.
    """
    chunks = Chunks(thread_id)
    if only_lists:
        wanted = [(generation, record) for generation, record in wanted if len(record.levels) > 1]
    size = sum(record.size for _, record in wanted)
    # Twice the size, for chunks that are content of one value and a list of refs of another.
    room = 2 * size + _ROOM_SLACK
    frontier = {
        (generation, ref): depth
        for generation, record in wanted
        for depth, level in enumerate(record.levels)
        for ref in level
    }
    first = True
    while frontier:
        if only_lists:
            frontier = {ref: depth for ref, depth in frontier.items() if depth}
        missing = yield _on_refs(frontier, partial(_take_cached, context, chunks, frontier))
        if first and _is_range_cheaper([frontier[ref] for ref in missing], chunk_count):
            chunks.room = room + _MAX_RANGE_BYTES
            largest = max(record.size for _, record in wanted)
            yield from _read_ranges(context, chunks, missing[0][0], chunk_count, largest)
            missing = [ref for ref in missing if ref[1] not in chunks.data]
        if first:
            chunks.room = room
            first = False
        for consistent in (False, True):
            if missing:
                yield from _read(context, chunks, missing, consistent=consistent)
                missing = [ref for ref in missing if ref[1] not in chunks.data]
        most = max_chunks(size) + len(frontier)
        frontier = yield _on_refs(frontier, partial(_children, chunks, frontier, most))
    return chunks


def _children(chunks: Chunks, frontier: Mapping[ChunkRef, int], most: int) -> dict[ChunkRef, int]:
    """The refs in the lists of refs of `frontier`, with their depths; none if over `most`."""
    found: dict[ChunkRef, int] = {}
    for (generation, ref), depth in frontier.items():
        listing = chunks.data.get(ref) if depth else None
        if listing is None or len(listing) % DIGEST_BYTES:
            continue
        for child in split_refs(listing):
            found[generation, child] = max(depth - 1, found.get((generation, child), 0))
        if len(found) > most:
            chunks.room = -1
            return {}
    return found


def _take_cached(context: Context, chunks: Chunks, frontier: Iterable[ChunkRef]) -> list[ChunkRef]:
    missing = []
    wanted = [ref for ref in frontier if ref[1] not in chunks.data]
    cached = context.cache.get_all([chunk_key(chunks.thread_id, digest) for _, digest in wanted])
    for (generation, digest), data in zip(wanted, cached, strict=True):
        if data is None:
            missing.append((generation, digest))
        else:
            chunks.data[digest] = data
    if context.counters is not None:
        context.counters.cache_hits += len(wanted) - len(missing)
        context.counters.cache_misses += len(missing)
    return missing


def _is_range_cheaper(depths: Sequence[int], chunk_count: int) -> bool:
    """Whether querying all of a thread's chunks costs less than reading some by key.

    A query is billed for the sum of its items, BatchGetItem for each item rounded up to 4 KB. A
    query also returns lists of refs together with their content.
    """
    wanted: int = sum(AVERAGE_RUN**depth for depth in depths)
    return 0 < chunk_count <= wanted * _RANGE_READ_RATIO


def _read_ranges(
    context: Context, chunks: Chunks, generation: int, chunk_count: int, size: int
) -> Operation[None]:
    """Read a thread's chunks in ranges, each smaller than a page.

    The number of items is bounded, so it ends although others write chunks at the same time.
    """
    parts = max(chunk_count // _RANGE_CHUNKS, size // _RANGE_BYTES) + 1
    if parts > _FEW_RANGES:
        parts = min(parts * _SPLIT_FACTOR, keys.MAX_CHUNK_RANGES)
    room = min(chunk_count // parts * 5 // 4, _MAX_RANGE_CHUNKS) + _RANGE_READ_SLACK
    queries = (
        requests.query(context.table, chunks.thread_id, bounds, limit=room, consistent=False)
        for bounds in keys.chunk_ranges(generation, parts)
    )
    calls = [replace(query, failure_is_reply=True) for query in queries]
    while calls and chunks.room >= 0:
        now, later = calls[:_RANGES_A_ROUND], calls[_RANGES_A_ROUND:]
        answers = yield now
        failed = [answer for answer in answers if isinstance(answer, Failed)]
        pairs = zip(now, answers, strict=True)
        replies = [(call, answer) for call, answer in pairs if not isinstance(answer, Failed)]
        more = [_rest(call, reply) for call, reply in replies]
        calls = [call for call in more if call is not None] + later
        found = [item for _, reply in replies for item in reply.pop("Items")]
        yield _decoding(context, chunks, found)
        if failed:  # what the others have read is cached for the next try
            raise failed[0].error


def _rest(call: Call, reply: Any) -> Call | None:
    """The call for the next page, with the rest of the limit; `None` if there is none."""
    room = call.params["Limit"] - len(reply["Items"])
    following = batches.next_page(call, reply) if room > 0 else None
    return following and replace(following, params={**following.params, "Limit": room})


def _read(
    context: Context, chunks: Chunks, missing: Sequence[ChunkRef], *, consistent: bool
) -> Operation[None]:
    # Round by round: if one fails, what the others have read is cached for the next try.
    for part in batches.rounds_of_keys(missing):
        wanted = yield _on_refs(part, partial(_chunk_keys, chunks.thread_id, part))
        found = yield from batches.get_all(context, wanted, consistent=consistent)
        yield _decoding(context, chunks, found)


def _chunk_keys(thread_id: str, refs: Iterable[tuple[int, bytes]]) -> list[Item]:
    return [requests.key(thread_id, keys.chunk(*ref)) for ref in refs]


def _decoding(context: Context, chunks: Chunks, found: list[Item]) -> Compute[None]:
    decode = partial(_decode, context, chunks, found)
    few = len(found) <= _FEW_ITEMS
    return Compute(decode, lambda: sum(map(items.body_size, found)) if few else None)


def _on_refs(refs: Sized, work: Callable[[], T]) -> Compute[T]:
    return Compute(work, lambda: _REF_WORK * len(refs))


def _decode(context: Context, chunks: Chunks, found: list[Item]) -> None:
    for item in found:
        digest = keys.chunk_digest(items.sort_key(item))
        if digest is None or chunks.room < 0:
            continue
        try:
            chunks.data[digest] = items.chunk_data(item, digest)
        except (CorruptCheckpointError, UnsupportedFormatError) as error:
            chunks.damage[digest] = f"is damaged: {error}"
        else:
            chunks.room -= len(chunks.data[digest])
            remember_chunk(context, chunks.thread_id, digest, chunks.data[digest])
