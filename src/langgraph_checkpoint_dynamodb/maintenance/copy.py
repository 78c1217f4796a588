"""Copies of whole threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from ..errors import ConflictError
from ..format import items, keys, requests
from ..format.keys import ALL_CHECKPOINTS, ALL_CHUNKS
from ..runtime.context import Context
from ..runtime.effects import Item, Operation
from ..storage import batches
from .copy_metadata import Renamed, Renaming, renamed, same

_ATTEMPTS = 5


def copy_thread(context: Context, source: str, target: str) -> Operation[None]:
    """Copy a thread's items as they are, but for checkpoints whose metadata names the thread.

    The checkpoints are read first and written last, so that every chunk they
    refer to is there when they are; a copy that failed can be repeated. If some were deleted
    from the source meanwhile, it begins anew: their chunks may have gone before they were read.
    """
    if source == target:
        return
    for _ in range(_ATTEMPTS):
        found: list[Item] = yield from batches.read_range(
            requests.query(context.table, source, ALL_CHECKPOINTS)
        )
        living = [item for item in found if not items.gone(context, item)]
        renaming = yield from renamed(context, source, target, living)
        wanted = {items.sort_key(item): {**item, "PK": {"S": target}} for item in living}
        wanted.update((key, one.item) for key, one in renaming.checkpoints.items())
        there = yield from _check_target(context, wanted, renaming, source, target)
        if not wanted:
            return
        yield from _copy_chunks(context, source, target, renaming.left)
        yield from _put_chunks(
            context, target, [one for key, one in renaming.checkpoints.items() if key not in there]
        )
        left = yield from batches.read_keys(context, source, ALL_CHECKPOINTS)
        if wanted.keys() <= set(map(items.sort_key, left)):
            missing = [item for key, item in wanted.items() if key not in there]
            yield from batches.put_all(context, missing)
            return
    raise ConflictError(
        f"source_thread_id={source!r}: checkpoints were deleted during each of {_ATTEMPTS} "
        "attempts to copy it; wait for the deletion to end, then copy it again"
    )


def _copy_chunks(
    context: Context, source: str, target: str, left: Set[tuple[int, bytes]]
) -> Operation[None]:
    """Copy all chunks but those that are `left` behind."""
    # A copied chunk is young: nothing refers to it yet, and a prune of the target spares it.
    changes = {"PK": {"S": target}, "T": {"N": str(int(context.now))}}

    def copy(page: Sequence[Item]) -> Operation[None]:
        copied = [item for item in page if keys.chunk_ref(items.sort_key(item)) not in left]
        yield from batches.put_all(context, [{**item, **changes} for item in copied])

    yield from batches.each_page(requests.query(context.table, source, ALL_CHUNKS), copy)


def _put_chunks(context: Context, target: str, changed: Sequence[Renamed]) -> Operation[None]:
    pieces = {ref: data for one in changed for ref, data in one.chunks.items()}
    made = [items.chunk(context, target, *ref, data) for ref, data in pieces.items()]
    yield from batches.put_all(context, made)


def _check_target(
    context: Context, wanted: Mapping[str, Item], renaming: Renaming, source: str, target: str
) -> Operation[set[str]]:
    """Refuse a target that holds anything else.

    Returns:
        The keys of checkpoints that are there already, in other bytes.
    """
    call = requests.query(context.table, target, ALL_CHECKPOINTS)
    found = yield from batches.read_range(call)
    there = {items.sort_key(item): item for item in found if not items.gone(context, item)}
    other = [
        key
        for key, item in there.items()
        if key not in wanted or wanted[key].get("B") != item.get("B")
    ]
    changed = [there[key] for key in other if key in renaming.checkpoints]
    equal = (yield from same(context, target, changed, renaming.checkpoints)) if changed else {}
    for key in other:
        # What cannot be read, under the key of a copy, is replaced.
        if key not in renaming.checkpoints or not equal.get(key, True):
            raise ConflictError(
                f"target_thread_id={target!r} holds other checkpoints or writes than "
                f"source_thread_id={source!r}: delete the target thread or choose a new one"
            )
    return set(equal)
