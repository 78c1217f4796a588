"""`copy_thread`: copies of whole threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from ..checkpoints import checkpoint_items, copied_threads
from ..directory import entries
from ..errors import ConflictError
from ..format import items, keys, requests
from ..format.keys import ALL_CHECKPOINTS, ALL_CHUNKS, ChunkRef
from ..runtime.context import Context, ThreadNamespace
from ..runtime.effects import Item, Operation
from ..storage import batches
from .copy_metadata import RenamedCheckpoint, Renames, are_equal, rename_checkpoints

_ATTEMPTS = 5


def copy_thread(context: Context, source: str, target: str) -> Operation[None]:
    """Copy a thread's items unchanged, except checkpoints whose metadata names the thread.

    The checkpoints are read first and written last, so that their chunks are stored before them.
    A failed copy can be repeated. If checkpoints were deleted from the source during the copy, it
    starts again: their chunks may have been deleted before they were read.

    Raises:
        ConflictError: The target holds something else, or checkpoints were deleted from the
            source during each attempt.
        UnsupportedFormatError: Release 0.1.3 stored the source.
    """
    if source == target:
        return
    yield from copied_threads.ensure_here(context, source)
    for _ in range(_ATTEMPTS):
        found: list[Item] = yield from batches.read_range(
            requests.query(context.table, source, (ALL_CHECKPOINTS[0], keys.THREAD_ENTRY))
        )
        listed = entries.copies(context, found, target)
        found = [item for item in found if items.sort_key(item) != keys.THREAD_ENTRY]
        current = [item for item in found if not items.gone(context, item)]
        renames = yield from rename_checkpoints(context, source, target, current)
        copies = {items.sort_key(item): {**item, "PK": {"S": target}} for item in current}
        copies.update((key, one.item) for key, one in renames.checkpoints.items())
        copied = yield from _check_target(context, copies, renames, source, target)
        if not copies:
            # Raises if release 0.1.3 has stored the thread.
            yield from checkpoint_items.newest_id(context, ThreadNamespace(source, ""))
            return
        yield from _copy_chunks(context, source, target, renames.unreferenced)
        yield from _put_chunks(
            context, target, [one for key, one in renames.checkpoints.items() if key not in copied]
        )
        remaining = yield from batches.read_keys(context, source, ALL_CHECKPOINTS)
        if copies.keys() <= set(map(items.sort_key, remaining)):
            missing = [item for key, item in copies.items() if key not in copied]
            yield from batches.put_all(context, listed)  # before the checkpoints, as in a put
            yield from batches.put_all(context, missing)
            return
    raise ConflictError(
        f"source_thread_id={source!r}: checkpoints were deleted during each of {_ATTEMPTS} "
        "attempts to copy the thread; wait until the deletion has ended, then copy it again"
    )


def _copy_chunks(
    context: Context, source: str, target: str, unreferenced: Set[ChunkRef]
) -> Operation[None]:
    """Copy all chunks but the unreferenced ones."""
    # Nothing refers to a copied chunk yet: by its new `T`, a prune of the target keeps it.
    changes = {"PK": {"S": target}, "T": {"N": str(int(context.now))}}

    def copy(page: Sequence[Item]) -> Operation[None]:
        copied = [item for item in page if keys.chunk_ref(items.sort_key(item)) not in unreferenced]
        yield from batches.put_all(context, [{**item, **changes} for item in copied])

    yield from batches.each_page(requests.query(context.table, source, ALL_CHUNKS), copy)


def _put_chunks(
    context: Context, target: str, renamed: Sequence[RenamedCheckpoint]
) -> Operation[None]:
    chunks = {ref: data for one in renamed for ref, data in one.chunks.items()}
    chunk_items = [items.chunk(context, target, *ref, data) for ref, data in chunks.items()]
    yield from batches.put_all(context, chunk_items)


def _check_target(
    context: Context, copies: Mapping[str, Item], renames: Renames, source: str, target: str
) -> Operation[set[str]]:
    """Refuse a target that holds anything but copies.

    Returns:
        The sort keys of renamed checkpoints that are copied already, in other bytes.

    Raises:
        ConflictError: The target holds something else.
    """
    call = requests.query(context.table, target, ALL_CHECKPOINTS)
    found = yield from batches.read_range(call)
    stored = {items.sort_key(item): item for item in found if not items.gone(context, item)}
    different = [
        key
        for key, item in stored.items()
        if key not in copies or copies[key].get("B") != item.get("B")
    ]
    renamed = [stored[key] for key in different if key in renames.checkpoints]
    equal = (yield from are_equal(context, target, renamed, renames.checkpoints)) if renamed else {}
    for key in different:
        # A checkpoint that cannot be read, under the sort key of a copy, is replaced.
        if key not in renames.checkpoints or not equal.get(key, True):
            raise ConflictError(
                f"target_thread_id={target!r} holds other checkpoints or writes than "
                f"source_thread_id={source!r}: delete the target thread or choose a new one"
            )
    return set(equal)
