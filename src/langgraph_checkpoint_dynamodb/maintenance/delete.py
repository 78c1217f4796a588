"""`delete_thread` and `delete_for_runs`.

Deletion runs in the reverse order of writing: checkpoints and writes first, then unreferenced
chunks. Chunks younger than the grace time are kept: a run in another process may have written them
for a checkpoint that it has not put yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import chain

from ..checkpoints import copied_threads, fencing
from ..checkpoints.memory import forget_thread
from ..directory import entries
from ..errors import ConflictError
from ..format import items, keys, requests
from ..runtime.context import Context
from ..runtime.effects import Call, Operation
from ..storage import batches
from ..storage.connection import refuse_other_keys
from .garbage_collection import sweep
from .retention import RetentionPolicy
from .survey import Survey

_ATTEMPTS = 5


def delete_thread(context: Context, thread_id: str) -> Operation[None]:
    """Delete all items of a thread's partition, and repeat until none is left.

    Checkpoints are deleted oldest first, so that a concurrent read returns the newest
    checkpoint or none, never an older one.

    Raises:
        ConflictError: Items are still being written after several rounds.
    """
    forget_thread(context, thread_id)
    for _ in range(_ATTEMPTS):
        left = False
        for bounds in (keys.UP_TO_CHECKPOINTS, keys.AFTER_CHECKPOINTS):
            found = yield from batches.read_keys(context, thread_id, bounds)
            left = left or bool(found)
            yield from batches.delete_all(context, found)
        if not left:
            yield from copied_threads.mark_deleted(context, thread_id)
            return
    raise ConflictError(
        f"thread {thread_id!r}: other writers still write to it after {_ATTEMPTS} rounds of "
        "deletion; stop its runs, then delete the thread again"
    )


def delete_for_runs(context: Context, run_ids: Iterable[str]) -> Operation[None]:
    """Delete the checkpoints that some runs made, with their writes.

    Checkpoints that the delta channels of another run's checkpoint are rebuilt from are kept.
    """
    digests = sorted({items.run_digest(run_id) for run_id in run_ids})
    threads: dict[str, dict[str, set[str]]] = {}
    for call in _find_runs(context, digests):
        for item in (yield from batches.read_range(call)):
            key = keys.parse(items.sort_key(item))
            namespaces = threads.setdefault(item["PK"]["S"], {})
            namespaces.setdefault(key.namespace, set()).add(key.checkpoint_id)
    if not threads and not context.run_index:
        yield from refuse_other_keys(context.table)
    for thread_id, namespaces in sorted(threads.items()):
        forget_thread(context, thread_id)
        yield from _delete_checkpoints(context, thread_id, namespaces)
        yield from sweep(context, thread_id)
        yield from entries.delete_if_empty(context, thread_id)


def _delete_checkpoints(
    context: Context, thread_id: str, ids: Mapping[str, Set[str]]
) -> Operation[None]:
    """Delete checkpoints, given by the key parts of their namespaces and their ids."""
    survey = Survey(context, thread_id, lambda part: [RetentionPolicy(all_but=ids[part])])
    yield from survey.read([keys.below(f"{keys.CHECKPOINTS}{part}") for part in ids])
    yield from survey.complete()
    deletable = {
        part: [key for key in found if key.checkpoint_id in ids[part]]
        for part, found in survey.deletable().items()
    }
    sort_keys = (key.sort_key for key in chain.from_iterable(deletable.values()))
    yield from batches.delete_keys(context, thread_id, sort_keys)
    for found in deletable.values():
        # If a head names one of these, it is the newest.
        checkpoints = [key.sort_key for key in found if key.task is None]
        if checkpoints:
            yield from fencing.clear_head(context, thread_id, max(checkpoints))


def _find_runs(context: Context, digests: Sequence[bytes]) -> list[Call]:
    """A query for each run if the table has the index by run id; else a scan for each 100 runs."""
    if context.run_index:
        return [requests.query_run(context.table, digest) for digest in digests]
    size = requests.MAX_IN_OPERANDS
    return [
        requests.scan_runs(context.table, digests[start : start + size])
        for start in range(0, len(digests), size)
    ]
