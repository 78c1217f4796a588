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
from ..runtime.single_flight import ChunkScope, Claim
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
    parts, others = _claim(context, scope, missing)
    stored: set[bytes] = set()
    try:
        while parts:
            yield from _write(context, scope, [(one, missing[one]) for one in parts[0]], stored)
            context.in_flight.settle(scope, parts.pop(0), written=True)
        unwritten = yield from _wait_for(others)
        # The operation that has given up may have stored some.
        there = chunk_cache.stored(context, scope)
        left = [(one, missing[one]) for one in unwritten if one not in there]
        yield from _write(context, scope, left, stored)
    except BaseException:  # a cancellation, too
        if stored:
            chunk_cache.note_stored(context, scope, stored)
        raise
    finally:
        for part in parts:
            context.in_flight.settle(scope, part, written=False)


def _claim(
    context: Context, scope: ChunkScope, missing: Mapping[bytes, bytes]
) -> tuple[list[list[bytes]], dict[bytes, Claim]]:
    """The chunks to write, in parts with a claim each, and the claims of other operations."""
    parts = []
    others: dict[bytes, Claim] = {}
    for part in batches.rounds(list(missing)):
        mine, elsewhere = context.in_flight.claim(scope, part)
        parts.append(mine)
        others |= elsewhere
    return parts, others


def _wait_for(others: Mapping[bytes, Claim]) -> Operation[list[bytes]]:
    """The chunks that others have not written, although they claimed them.

    A large value takes a partition many seconds, so the wait is bounded for each part of it, and
    not for the whole: an operation that makes progress is waited for to its end.
    """
    for claim in dict.fromkeys(others.values()):
        arrived = yield Join(claim)
        if not arrived and not claim.done():
            break
    return [one for one, claim in others.items() if not (claim.done() and claim.result())]


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
    stored: set[bytes],
) -> Operation[None]:
    """Write chunks, and add to `stored` each one as soon as it is acknowledged."""

    def note(sort_key: str) -> None:
        digest = keys.chunk_digest(sort_key)
        if digest is not None:
            stored.add(digest)

    # One round at a time, to bound how many chunks are in memory twice.
    for part in batches.rounds(chunks):
        made = yield _compute_on(part, partial(_build_items, context, scope, part))
        yield from batches.put_all(context, made, note)
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
