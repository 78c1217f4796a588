"""Operations on whole threads: delete, copy, prune, delete by run.

Deletion runs in reverse of writing: checkpoints and writes first, then chunks
that nothing refers to. Chunks younger than a grace time stay: a run in another
process may have written them for a checkpoint that it is about to put.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import batches, fence, items, keys, requests
from .context import Context
from .errors import ConflictError
from .listing import find_namespaces
from .memory import forget_thread
from .opening import refs_of
from .operation import Call, Item, Operation
from .selection import GRACE_SECONDS, Keep, Selection

_VERIFY_ATTEMPTS = 5

_WHOLE_CHECKPOINTS = keys.below(keys.CHECKPOINTS.rstrip("#"))
_WHOLE_CHUNKS = keys.below(keys.CHUNKS.rstrip("#"))


def _read_keys(context: Context, thread_id: str, bounds: tuple[str, str]) -> Operation[list[Item]]:
    call = requests.query(context.table, thread_id, bounds, attributes=("PK", "SK"))
    return (yield from batches.read_range(call))


def delete_thread(context: Context, thread_id: str) -> Operation[None]:
    """Empty a thread's partition, whatever stands in it, and look again until nothing is left.

    Oldest first: whoever reads meanwhile finds the newest checkpoint or none,
    never an older one in its place.
    """
    forget_thread(context, thread_id)
    for _ in range(_VERIFY_ATTEMPTS):
        left = False
        for bounds in (keys.UP_TO_CHECKPOINTS, keys.AFTER_CHECKPOINTS):
            found = yield from _read_keys(context, thread_id, bounds)
            left = left or bool(found)
            yield from batches.delete_all(context, found)
        if not left:
            return
    raise ConflictError(
        f"thread {thread_id!r}: still written to after {_VERIFY_ATTEMPTS} rounds of deletion; stop "
        "its runs, then delete it again"
    )


def copy_thread(context: Context, source: str, target: str) -> Operation[None]:
    """Copy a thread's items as they are.

    The checkpoints are read first and written last, so that every chunk they
    refer to is there when they are; a copy that failed can be repeated. If some were deleted
    from the source meanwhile, it begins anew: their chunks may have gone before they were read.
    """
    if source == target:
        return
    for _ in range(_VERIFY_ATTEMPTS):
        found: list[Item] = yield from batches.read_range(
            requests.query(context.table, source, _WHOLE_CHECKPOINTS)
        )
        living = [item for item in found if not items.gone(context, item)]
        wanted = [{**item, "PK": {"S": target}} for item in living]
        yield from _check_target(context, wanted, source, target)
        if not wanted:
            return
        yield from _copy_chunks(context, source, target)
        there = yield from _read_keys(context, source, _WHOLE_CHECKPOINTS)
        if set(map(items.sort_key, wanted)) <= set(map(items.sort_key, there)):
            yield from batches.put_all(context, wanted)
            return
    raise ConflictError(
        f"source_thread_id={source!r}: checkpoints were deleted during each of {_VERIFY_ATTEMPTS} "
        "attempts to copy it; wait for the deletion to end, then copy it again"
    )


def _copy_chunks(context: Context, source: str, target: str) -> Operation[None]:
    # A copied chunk is young: nothing refers to it yet, and a prune of the target spares it.
    changes = {"PK": {"S": target}, "T": {"N": str(int(context.now))}}

    def copy(page: Sequence[Item]) -> Operation[None]:
        yield from batches.put_all(context, [{**item, **changes} for item in page])

    yield from batches.each_page(requests.query(context.table, source, _WHOLE_CHUNKS), copy)


def _check_target(
    context: Context, wanted: Sequence[Item], source: str, target: str
) -> Operation[None]:
    call = requests.query(context.table, target, _WHOLE_CHECKPOINTS)
    there = yield from batches.read_range(call)
    same = {items.sort_key(item): item.get("B") for item in wanted}
    for item in there:
        if items.gone(context, item):
            continue
        key = items.sort_key(item)
        if key not in same or same[key] != item.get("B"):
            raise ConflictError(
                f"target_thread_id={target!r} holds other checkpoints or writes than "
                f"source_thread_id={source!r}: delete the target thread or choose a new one"
            )


def prune(context: Context, thread_id: str, keep: Keep) -> Operation[None]:
    """Delete a thread's checkpoints but those to keep and what they are built from."""
    forget_thread(context, thread_id)
    for ns in (yield from find_namespaces(context, thread_id)):
        selection = Selection(context, thread_id, ns, keep)
        yield from selection.read()
        doomed = [requests.key(thread_id, key) for key in selection.doomed()]
        yield from batches.delete_all(context, doomed)
    yield from sweep(context, thread_id)


def delete_for_runs(context: Context, run_ids: Iterable[str]) -> Operation[None]:
    """Delete the checkpoints that some runs made, with their writes.

    Those stay that the delta channels of another run's checkpoint are rebuilt from.
    """
    digests = sorted({items.run_digest(run_id) for run_id in run_ids})
    made: dict[str, dict[str, set[str]]] = {}
    for call in _find_runs(context, digests):
        for item in (yield from batches.read_range(call)):
            key = keys.parse(items.sort_key(item))
            namespaces = made.setdefault(item["PK"]["S"], {})
            namespaces.setdefault(key.namespace, set()).add(key.checkpoint_id)
    for thread_id, namespaces in sorted(made.items()):
        forget_thread(context, thread_id)
        for ns, checkpoint_ids in namespaces.items():
            yield from _delete_made(context, thread_id, ns, checkpoint_ids)
        yield from sweep(context, thread_id)


def _delete_made(
    context: Context, thread_id: str, ns: str, checkpoint_ids: set[str]
) -> Operation[None]:
    selection = Selection(context, thread_id, ns, Keep(all_but=checkpoint_ids))
    yield from selection.read()
    doomed = [key for key in selection.doomed() if keys.parse(key).checkpoint_id in checkpoint_ids]
    yield from batches.delete_all(context, [requests.key(thread_id, key) for key in doomed])
    # A head names the newest checkpoint, if any of these.
    checkpoints = [key for key in doomed if keys.parse(key).task is None]
    if checkpoints:
        yield from fence.cut(context, thread_id, max(checkpoints))


def _find_runs(context: Context, digests: Sequence[bytes]) -> list[Call]:
    """A query for each run if the table has the index, else a scan for each 100 runs."""
    if context.run_index:
        return [requests.query_run(context.table, digest) for digest in digests]
    size = requests.MAX_IN_OPERANDS
    return [
        requests.scan_runs(context.table, digests[start : start + size])
        for start in range(0, len(digests), size)
    ]


def sweep(context: Context, thread_id: str) -> Operation[None]:
    """Delete a thread's chunks that nothing refers to and that are past the grace time."""
    candidates = yield from batches.read_range(
        requests.query(context.table, thread_id, _WHOLE_CHUNKS, attributes=("PK", "SK", "T")),
    )
    oldest = context.now - GRACE_SECONDS
    candidates = [item for item in candidates if _is_written_before(item, oldest)]
    if not candidates:
        return
    # Read after the candidates: what is put from now on can only refer to chunks that
    # its parent, read here, refers to or that are younger than the grace time.
    referred = yield from referred_chunks(context, thread_id)
    calls = [
        requests.delete_written_at(
            context.table, requests.key(thread_id, items.sort_key(item)), item["T"]["N"]
        )
        for item in candidates
        if keys.chunk_ref(items.sort_key(item)) not in referred
    ]
    # One by one, which takes a condition: a put may have written such a chunk once more
    # meanwhile, for a checkpoint that is not there yet.
    for start in range(0, len(calls), batches.CALLS_A_ROUND):
        yield calls[start : start + batches.CALLS_A_ROUND]


def _is_written_before(item: Item, oldest: float) -> bool:
    """Whether it is a chunk, as we write it, of that age; `verify` tells of others."""
    return keys.chunk_ref(items.sort_key(item)) is not None and items.written_at(item) < oldest


def referred_chunks(context: Context, thread_id: str) -> Operation[set[tuple[int, bytes]]]:
    """Every chunk that a thread's checkpoints and writes refer to, with its generation."""
    referred: set[tuple[int, bytes]] = set()

    def take(found: Sequence[Item]) -> Operation[None]:
        there = [item for item in found if not items.is_void(item)]
        referred.update((yield from refs_of(context, thread_id, there, f"thread {thread_id!r}")))

    call = requests.query(context.table, thread_id, _WHOLE_CHECKPOINTS)
    yield from batches.each_page(call, take)
    return referred
