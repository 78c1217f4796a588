"""Chunks written before what refers to them, and moved to a generation that is kept for longer."""

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

    The caller has entered `context.in_flight.operation(scope)`. What another operation has
    written since is not written again, and what one is writing is waited for.
    """
    missing = {digest: data for digest, data in chunks.items() if digest not in known}
    if not missing:
        return
    for digest in missing.keys() & chunk_cache.stored(context, scope):
        del missing[digest]
    mine, others = context.in_flight.claim(scope, missing)
    acknowledged: set[bytes] = set()
    try:
        yield from _write(context, scope, [(one, missing[one]) for one in mine], acknowledged)
    finally:
        written = len(acknowledged) == len(mine)
        if acknowledged and not written:
            chunk_cache.note_stored(context, scope, acknowledged)
        context.in_flight.settle(scope, mine, written=written)
    if others:
        claims = list(set(others.values()))
        arrived = yield Join(claims)
        failed = {claim for claim, there in zip(claims, arrived, strict=True) if not there}
        lost = [digest for digest, claim in others.items() if claim in failed]
        yield from _write(context, scope, [(digest, missing[digest]) for digest in lost], set())


def move(context: Context, scope: ChunkScope, refs: ChunkRefs) -> Operation[None]:
    """Write some chunks once more, into another generation: that of the scope.

    To let them live longer where they are would not do: who writes one again in its generation
    takes that back.

    Raises:
        CorruptCheckpointError: Some are not there.
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
    # A round at a time: a bound on what is held in memory twice.
    for some in batches.rounds(chunks):
        made = yield _on(some, partial(_items, context, scope, some))
        yield from batches.put_all(context, made)
        acknowledged.update(digest for digest, _ in some)
        yield _on(some, partial(_remember, context, scope[0], some))


def _on(chunks: Sequence[tuple[bytes, bytes]], work: Callable[[], T]) -> Compute[T]:
    return Compute(work, lambda: sum(len(data) for _, data in chunks))


def _items(
    context: Context, scope: ChunkScope, chunks: Iterable[tuple[bytes, bytes]]
) -> list[Item]:
    return [items.chunk(context, *scope, digest, data) for digest, data in chunks]


def _remember(context: Context, thread_id: str, chunks: Iterable[tuple[bytes, bytes]]) -> None:
    for digest, data in chunks:
        remember_chunk(context, thread_id, digest, data)
