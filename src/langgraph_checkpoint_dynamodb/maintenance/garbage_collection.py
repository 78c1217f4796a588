"""Garbage collection of chunks."""

from __future__ import annotations

from collections.abc import Sequence, Set

from ..format import items, keys, requests
from ..format.keys import ALL_CHECKPOINTS, ALL_CHUNKS, ChunkRef
from ..runtime.context import Context
from ..runtime.effects import Item, Operation
from ..storage import batches
from ..storage.body_reader import refs_of
from .retention import GRACE_SECONDS


def sweep(context: Context, thread_id: str) -> Operation[None]:
    """Delete a thread's unreferenced chunks that are older than the grace time."""
    found = yield from unreferenced(context, thread_id)
    calls = [
        requests.delete_written_at(
            context.table, requests.key(thread_id, items.sort_key(item)), item["T"]["N"]
        )
        for item in found
    ]
    # Single deletes, because `BatchWriteItem` takes no conditions: a put may have written such a
    # chunk again since, for a checkpoint that is not stored yet.
    yield from batches.conditional_deletes(calls)


def unreferenced(
    context: Context, thread_id: str, without: Set[str] = frozenset()
) -> Operation[list[Item]]:
    """The keys and `T` of a thread's unreferenced chunks that are older than the grace time.

    Args:
        context: The call's settings and clock.
        thread_id: The thread.
        without: The sort keys of items that are about to be deleted.
    """
    found = yield from batches.read_range(
        requests.query(context.table, thread_id, ALL_CHUNKS, attributes=("PK", "SK", "T")),
    )
    chunks = {ref: item for item in found if (ref := keys.chunk_ref(items.sort_key(item)))}
    oldest = context.now - GRACE_SECONDS
    old = {ref: item for ref, item in chunks.items() if items.written_at(item) < oldest}
    if not old:
        return []
    # Read after the chunks: a checkpoint that is put from now on refers only to chunks that its
    # parent, which is read here, refers to, or that are younger than the grace time.
    referred, before = yield from referred_chunks(context, thread_id, without)
    # A process that read an item before it was moved uses its old generation for less than the
    # grace time.
    just_moved = {digest for _, digest in chunks.keys() - old.keys()}
    return [
        item
        for ref, item in old.items()
        if ref not in referred and not (ref in before and ref[1] in just_moved)
    ]


def referred_chunks(
    context: Context, thread_id: str, without: Set[str] = frozenset()
) -> Operation[tuple[set[ChunkRef], set[ChunkRef]]]:
    """Every chunk that a thread's checkpoints and writes refer to; see `refs_of`.

    Those whose sort keys are in `without` are left out.
    """
    referred: set[ChunkRef] = set()
    before: set[ChunkRef] = set()

    def take(found: Sequence[Item]) -> Operation[None]:
        with_body = [
            item
            for item in found
            if not items.is_tombstone(item) and items.sort_key(item) not in without
        ]
        refs = yield from refs_of(context, thread_id, with_body, f"thread {thread_id!r}")
        referred.update(refs[0])
        before.update(refs[1])

    call = requests.query(context.table, thread_id, ALL_CHECKPOINTS)
    yield from batches.each_page(call, take)
    return referred, before
