"""`prune`: delete checkpoints that a retention policy does not keep."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from ..checkpoints.copied_threads import ensure_here
from ..checkpoints.memory import forget_thread
from ..format import items, keys, requests
from ..format.keys import ALL_CHECKPOINTS, ALL_HEADS
from ..runtime.context import Context
from ..runtime.effects import Call, Operation
from ..storage import batches
from . import subgraphs
from .garbage_collection import sweep
from .retention import RetentionPolicy, SurveyedNamespace, may_be_under_way
from .survey import Survey


def prune(context: Context, thread_id: str, keep: RetentionPolicy) -> Operation[None]:
    """Delete a thread's checkpoints, except those to keep and the ancestors they need."""
    yield from ensure_here(context, thread_id)
    forget_thread(context, thread_id)
    found, head_deletions = yield from find_deletable(context, thread_id, keep)
    yield from batches.conditional_deletes(head_deletions)
    yield from batches.delete_keys(context, thread_id, found)
    yield from sweep(context, thread_id)


def find_deletable(
    context: Context, thread_id: str, keep: RetentionPolicy
) -> Operation[tuple[list[str], list[Call]]]:
    """What `prune` deletes, except chunks.

    Returns:
        The sort keys of checkpoints and writes, oldest first in each namespace, and the deletions
        of the heads of namespaces that will be empty.
    """
    survey = Survey(context, thread_id, lambda part: subgraphs.policies(part, keep))
    yield from survey.read([ALL_CHECKPOINTS])
    subgraphs.Subgraphs(context, survey.namespaces).resolve()
    yield from survey.complete()
    deletable = survey.deletable()
    emptied = [
        namespace
        for part, namespace in survey.namespaces.items()
        if len(deletable[part]) == len(namespace.found)
    ]
    head_deletions = yield from _head_deletions(context, thread_id, emptied)
    found = chain.from_iterable(deletable.values())
    return [key.sort_key for key in found], head_deletions


def _head_deletions(
    context: Context, thread_id: str, emptied: Sequence[SurveyedNamespace]
) -> Operation[list[Call]]:
    """The deletions of the heads of some namespaces, unless a put may be under way there."""
    if not emptied:
        return []
    call = requests.query(context.table, thread_id, ALL_HEADS, attributes=("PK", "SK", "B"))
    heads = {items.sort_key(head): head for head in (yield from batches.read_range(call))}
    calls = []
    for namespace in emptied:
        head = heads.get(keys.head(namespace.part))
        named = None if head is None else items.named_by(head)
        if head is None or named is None:
            continue
        if named and named not in namespace.ids and may_be_under_way(context, named):
            continue
        item_key = requests.key(thread_id, items.sort_key(head))
        calls.append(requests.delete_body(context.table, item_key, items.stored_bytes(head)))
    return calls
