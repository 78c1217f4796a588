"""Writes chunks before the items that refer to them, and copies them to a later generation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import partial
from typing import TypeVar

from ..errors import CorruptCheckpointError
from ..format import items, keys, requests
from ..format.keys import ChunkRefs
from ..runtime.context import Context
from ..runtime.effects import Compute, Item, Join, Operation
from ..runtime.single_flight import ChunkScope
from . import batches, chunk_cache
from .chunk_cache import remember_chunk

T = TypeVar("T")

_MOVES_A_ROUND = 400


def store(
    context: Context, scope: ChunkScope, chunks: Mapping[bytes, bytes], known: Set[bytes]
) -> Operation[None]:
    """Write the chunks that are not known to exist; returns when all are acknowledged.

    Each chunk is written by a single flight: a chunk that another operation of this process has
    written is not written again, and one that it is writing is waited for. The caller must be
    inside `context.in_flight.operation(scope)`.

    Args:
        context: The call's settings and time.
        scope: The thread and the generation of the chunks.
        chunks: The chunks, by digest.
        known: Digests of chunks that are stored already.
    """
    missing = {digest: data for digest, data in chunks.items() if digest not in known}
    if not missing:
        return
    for digest in missing.keys() & chunk_cache.stored(context, scope):
        del missing[digest]
    claimed, others = context.in_flight.claim(scope, missing)
    acknowledged: set[bytes] = set()
    try:
        yield from _write(context, scope, [(one, missing[one]) for one in claimed], acknowledged)
    finally:
        written = len(acknowledged) == len(claimed)
        if acknowledged and not written:
            chunk_cache.note_stored(context, scope, acknowledged)
        context.in_flight.settle(scope, claimed, written=written)
    if others:
        claims = list(set(others.values()))
        arrived = yield Join(claims)
        failed = {claim for claim, there in zip(claims, arrived, strict=True) if not there}
        unwritten = [digest for digest, claim in others.items() if claim in failed]
        yield from _write(
            context, scope, [(digest, missing[digest]) for digest in unwritten], set()
        )


def move(context: Context, scope: ChunkScope, refs: ChunkRefs) -> Operation[None]:
    """Copy chunks to another generation: that of the scope.

    Changing the expiry of the existing items is not enough: another process may write a chunk
    again in its old generation, and so restore the old expiry.

    Raises:
        CorruptCheckpointError: A chunk is missing.
    """
    thread_id, generation = scope
    sources = [
        requests.key(thread_id, keys.chunk(*ref)) for ref in sorted(refs) if ref[0] != generation
    ]
    for start in range(0, len(sources), _MOVES_A_ROUND):
        wanted = sources[start : start + _MOVES_A_ROUND]
        found = yield from batches.get_all(context, wanted, consistent=True)
        if len(found) < len(wanted):
            missing = {key["SK"]["S"] for key in wanted} - set(map(items.sort_key, found))
            raise CorruptCheckpointError(
                f"thread {thread_id!r}: chunk {min(missing)!r} is missing, and "
                f"{len(missing) - 1} more"
            )
        yield from batches.put_all(
            context, [items.moved(context, one, generation) for one in found]
        )


def _write(
    context: Context,
    scope: ChunkScope,
    chunks: Sequence[tuple[bytes, bytes]],
    acknowledged: set[bytes],
) -> Operation[None]:
    # One round at a time, to bound how many chunks are in memory twice.
    for part in batches.rounds(chunks):
        made = yield _compute_on(part, partial(_build_items, context, scope, part))
        yield from batches.put_all(context, made)
        acknowledged.update(digest for digest, _ in part)
        yield _compute_on(part, partial(_remember, context, scope[0], part))


def _compute_on(chunks: Sequence[tuple[bytes, bytes]], work: Callable[[], T]) -> Compute[T]:
    return Compute(work, lambda: sum(len(data) for _, data in chunks))


def _build_items(
    context: Context, scope: ChunkScope, chunks: Iterable[tuple[bytes, bytes]]
) -> list[Item]:
    return [items.chunk(context, *scope, digest, data) for digest, data in chunks]


def _remember(context: Context, thread_id: str, chunks: Iterable[tuple[bytes, bytes]]) -> None:
    for digest, data in chunks:
        remember_chunk(context, thread_id, digest, data)
