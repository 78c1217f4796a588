"""The chunk store: chunks written before what refers to them, read and checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from functools import partial

from . import batches, items, keys, requests
from .chunking import AVERAGE_CHUNK_BYTES, split_refs
from .codec import Record
from .context import Context, chunk_key
from .errors import CorruptCheckpointError
from .operation import Compute, Item, Operation

_RANGE_READ_FROM = 8
"""From so many missing chunks on, one query over the thread's chunks is tried first."""

_RANGE_READ_SLACK = 16  # chunks that a young thread has already left behind

_CACHE_OVERHEAD = 250  # bytes of Python objects around a cached chunk


@dataclass(slots=True)
class Chunks:
    """Chunks at hand, and why others are not."""

    thread_id: str
    data: dict[bytes, bytes] = field(default_factory=dict)
    damage: dict[bytes, str] = field(default_factory=dict)

    def join(self, record: Record, where: str) -> bytes:
        """The bytes of a stored value.

        Raises:
            CorruptCheckpointError: A chunk is missing or damaged, or the bytes do not add up.
        """
        if not record.levels:
            return record.head
        parts = [record.head]
        room = record.size
        for digest in self._leaves(record, where):
            parts.append(self._get(digest, where))
            room -= len(parts[-1])
            if room < 0:  # before a crafted tree of refs fills the memory
                break
        parts.append(record.tail)
        value = b"".join(parts)
        if len(value) != record.size:
            raise CorruptCheckpointError(
                f"{where}: a value has {len(value)} bytes, not {record.size} as its record says"
            )
        return value

    def refs(self, record: Record, where: str) -> frozenset[bytes]:
        """Every chunk that a record refers to, at any depth."""
        found: set[bytes] = set()
        for depth, level in enumerate(record.levels):
            refs: Iterable[bytes] = level
            for _ in range(depth):
                found.update(refs)
                refs = [ref for node in refs for ref in split_refs(self._get(node, where))]
            found.update(refs)
        return frozenset(found)

    def _leaves(self, record: Record, where: str) -> Iterable[bytes]:
        for depth in range(len(record.levels) - 1, -1, -1):
            yield from self._expand(record.levels[depth], depth, where)

    def _expand(self, refs: Iterable[bytes], depth: int, where: str) -> Iterable[bytes]:
        if depth == 0:
            yield from refs
            return
        for ref in refs:
            yield from self._expand(split_refs(self._get(ref, where)), depth - 1, where)

    def _get(self, digest: bytes, where: str) -> bytes:
        data = self.data.get(digest)
        if data is None:
            reason = self.damage.get(digest, "is missing")
            raise CorruptCheckpointError(f"{where}: chunk {digest.hex()} {reason}")
        return data


def store(
    context: Context, thread_id: str, generation: int, chunks: dict[bytes, bytes], known: Set[bytes]
) -> Operation[None]:
    """Write the chunks that are not known to exist; returns when all are acknowledged."""
    missing = {digest: data for digest, data in chunks.items() if digest not in known}
    if missing:
        made = yield Compute(
            lambda: [
                items.chunk(context, thread_id, generation, digest, data)
                for digest, data in missing.items()
            ]
        )
        yield from batches.put_all(context, made)
    for digest, data in missing.items():
        _remember(context, thread_id, digest, data)


def _remember(context: Context, thread_id: str, digest: bytes, data: bytes) -> None:
    context.cache.put(chunk_key(thread_id, digest), data, len(data) + _CACHE_OVERHEAD)


def load(
    context: Context, thread_id: str, wanted: Sequence[tuple[int, Record]]
) -> Operation[Chunks]:
    """Read the chunks of some records, given with their generations.

    Level by level: lists of refs first name what is read next. What cannot be
    read is left out of the result; `Chunks.join` raises for it.
    """
    chunks = Chunks(thread_id)
    frontier = {
        (generation, ref): depth
        for generation, record in wanted
        for depth, level in enumerate(record.levels)
        for ref in level
    }
    tried_range = False
    while frontier:
        missing = _take_cached(context, chunks, frontier)
        if missing and not tried_range:
            tried_range = True
            if len(missing) >= _RANGE_READ_FROM or any(frontier[ref] for ref in missing):
                yield from _read_range(context, chunks, missing[0][0], _expected(wanted, missing))
                missing = [ref for ref in missing if ref[1] not in chunks.data]
        for consistent in (False, True):
            if missing:
                yield from _read(context, chunks, missing, consistent=consistent)
                missing = [ref for ref in missing if ref[1] not in chunks.data]
        frontier = {
            (generation, child): depth - 1
            for (generation, ref), depth in frontier.items()
            if depth and ref in chunks.data
            for child in split_refs(chunks.data[ref])
        }
    return chunks


def _take_cached(
    context: Context, chunks: Chunks, frontier: Iterable[tuple[int, bytes]]
) -> list[tuple[int, bytes]]:
    missing = []
    for generation, digest in frontier:
        if digest in chunks.data:
            continue
        data = context.cache.get(chunk_key(chunks.thread_id, digest))
        if data is None:
            missing.append((generation, digest))
        else:
            chunks.data[digest] = data
    return missing


def _expected(wanted: Sequence[tuple[int, Record]], missing: Sequence[object]) -> int:
    largest = max(record.size for _, record in wanted)
    return len(missing) + largest // AVERAGE_CHUNK_BYTES


def _read_range(
    context: Context, chunks: Chunks, generation: int, expected: int
) -> Operation[None]:
    """Read a thread's chunks in key order, about as many as are wanted.

    A query pays for the sum of its items, a batch for each of them rounded up to
    4 KB, and it brings lists of refs together with what they list. In a thread
    whose chunks are mostly in use (a conversation), it finds nearly all of them
    in one request; in another it costs at most a fraction of what it may save.
    """
    room = expected + expected // 2 + _RANGE_READ_SLACK
    bounds = keys.below(f"{keys.CHUNKS}{generation}")
    call = requests.query(context.table, chunks.thread_id, bounds, limit=room, consistent=False)
    while room > 0:
        (reply,) = yield [call]
        yield Compute(partial(_take, context, chunks, reply["Items"]))
        room -= len(reply["Items"])
        following = batches.next_page(call, reply)
        if following is None:
            return
        call = following
        call.params["Limit"] = max(room, 1)


def _read(
    context: Context, chunks: Chunks, missing: Sequence[tuple[int, bytes]], *, consistent: bool
) -> Operation[None]:
    wanted = [
        requests.key(chunks.thread_id, keys.chunk(generation, digest))
        for generation, digest in missing
    ]
    found = yield from batches.get_all(context, wanted, consistent=consistent)
    yield Compute(lambda: _take(context, chunks, found))


def _take(context: Context, chunks: Chunks, found: Iterable[Item]) -> None:
    for item in found:
        digest = keys.chunk_digest(items.sort_key(item))
        try:
            chunks.data[digest] = items.chunk_data(item, digest)
        except CorruptCheckpointError as error:
            chunks.damage[digest] = f"is damaged: {error}"
        else:
            _remember(context, chunks.thread_id, digest, chunks.data[digest])
