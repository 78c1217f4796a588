"""Operations on whole threads: delete, copy, prune, delete by run.

Deletion runs in reverse of writing: checkpoints and writes first, then chunks
that nothing refers to. Chunks younger than a grace time stay: a run in another
process may have written them for a checkpoint that it is about to put.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import chain

from ..checkpoints import fencing
from ..checkpoints.memory import forget_thread
from ..errors import ConflictError
from ..format import items, keys, requests
from ..runtime.context import Context
from ..runtime.effects import Call, Operation
from ..storage import batches
from .garbage_collection import sweep
from .retention import RetentionPolicy
from .survey import Survey

_ATTEMPTS = 5


def delete_thread(context: Context, thread_id: str) -> Operation[None]:
    """Empty a thread's partition, whatever stands in it, and look again until nothing is left.

    Oldest first: whoever reads meanwhile finds the newest checkpoint or none,
    never an older one in its place.
    """
    forget_thread(context, thread_id)
    for _ in range(_ATTEMPTS):
        left = False
        for bounds in (keys.UP_TO_CHECKPOINTS, keys.AFTER_CHECKPOINTS):
            found = yield from batches.read_keys(context, thread_id, bounds)
            left = left or bool(found)
            yield from batches.delete_all(context, found)
        if not left:
            return
    raise ConflictError(
        f"thread {thread_id!r}: still written to after {_ATTEMPTS} rounds of deletion; stop "
        "its runs, then delete it again"
    )


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
        yield from _delete_made(context, thread_id, namespaces)
        yield from sweep(context, thread_id)


def _delete_made(context: Context, thread_id: str, made: Mapping[str, Set[str]]) -> Operation[None]:
    """Delete checkpoints of some namespaces, given by their ids."""
    survey = Survey(context, thread_id, lambda part: [RetentionPolicy(all_but=made[part])])
    yield from survey.read([keys.below(f"{keys.CHECKPOINTS}{part}") for part in made])
    yield from survey.complete()
    doomed = {
        part: [key for key in found if keys.parse(key).checkpoint_id in made[part]]
        for part, found in survey.doomed().items()
    }
    yield from batches.delete_keys(context, thread_id, chain.from_iterable(doomed.values()))
    for found in doomed.values():
        # A head names the newest checkpoint, if any of these.
        checkpoints = [key for key in found if keys.parse(key).task is None]
        if checkpoints:
            yield from fencing.clear_head(context, thread_id, max(checkpoints))


def _find_runs(context: Context, digests: Sequence[bytes]) -> list[Call]:
    """A query for each run if the table has the index, else a scan for each 100 runs."""
    if context.run_index:
        return [requests.query_run(context.table, digest) for digest in digests]
    size = requests.MAX_IN_OPERANDS
    return [
        requests.scan_runs(context.table, digests[start : start + size])
        for start in range(0, len(digests), size)
    ]
