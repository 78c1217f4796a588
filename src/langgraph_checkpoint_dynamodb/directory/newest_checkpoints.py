"""The newest checkpoint of each of some threads, and what its keys say; no state is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from langgraph.checkpoint.serde.types import ERROR, INTERRUPT

from ..format import items, keys, requests
from ..runtime.context import Context
from ..runtime.effects import Call, Item, Operation
from ..storage import batches

_FEW_KEYS = 2
"""How many keys are read of each thread: those of a checkpoint with at most one write."""

_MORE_KEYS = 16
"""How many keys each further query of a thread reads."""

_ROOT = keys.below(f"{keys.CHECKPOINTS}{keys.namespace('')}")


class ThreadStatus(str, Enum):
    """What the newest checkpoint of a thread says, as far as its keys tell it."""

    IDLE = "idle"
    """No task waits or has failed. The run has finished, is under way, was cut off, or has stopped
    at `interrupt_before` or `interrupt_after`: LangGraph stores no write for these. The `next` of
    `graph.get_state(config)` is empty if it has finished."""
    INTERRUPTED = "interrupted"
    """A task waits in `interrupt()`."""
    ERROR = "error"
    """A task has failed."""


@dataclass(frozen=True, slots=True)
class NewestCheckpoint:
    """The newest checkpoint of a thread.

    Attributes:
        checkpoint_id: Its id.
        status: What its keys and those of its writes say of the thread.
    """

    checkpoint_id: str
    status: ThreadStatus


def find(
    context: Context, thread_ids: Sequence[str], *, consistent: bool = False
) -> Operation[dict[str, NewestCheckpoint]]:
    """The newest checkpoint of each thread that has one which has not expired.

    That of the root graph, or of a subgraph if the root graph has none.
    """
    found: dict[str, NewestCheckpoint] = {}
    seen: dict[str, list[Item]] = {one: [] for one in thread_ids}
    roots = set(thread_ids)
    calls = {one: _keys(context, one, _ROOT, _FEW_KEYS, consistent=consistent) for one in seen}
    while calls:
        replies = yield list(calls.values())
        following: dict[str, Call] = {}
        for (thread_id, call), reply in zip(calls.items(), replies, strict=True):
            seen[thread_id] += reply["Items"]
            stored = [one for one in seen[thread_id] if items.parse_key(one).task is None]
            if stored:
                current = [one for one in stored if not items.expired(context, one)]
                if current:  # else all have expired
                    found[thread_id] = _newest(current, seen[thread_id])
            elif (more := batches.next_page(call, reply)) is not None:
                more.params["Limit"] = _MORE_KEYS
                following[thread_id] = more
            elif thread_id in roots:  # it has subgraphs alone, or nothing
                following[thread_id] = _keys(
                    context, thread_id, keys.ALL_CHECKPOINTS, _MORE_KEYS, consistent=consistent
                )
                roots.remove(thread_id)
        calls = following
    return found


def _keys(
    context: Context,
    thread_id: str,
    bounds: tuple[str, str],
    limit: int,
    *,
    consistent: bool,
) -> Call:
    """The last keys within bounds, without tombstones; at half a unit for 4 KB of items."""
    call = requests.query(
        context.table,
        thread_id,
        bounds,
        newest_first=True,
        limit=limit,
        consistent=consistent,
        attributes=("PK", "SK", context.ttl_attribute, items.EXPIRY),
    )
    params = call.params
    params["FilterExpression"] = "#b <> :tombstone"
    params["ExpressionAttributeNames"]["#b"] = "B"
    params["ExpressionAttributeValues"][":tombstone"] = {"B": items.TOMBSTONE}
    return call


def _newest(stored: Sequence[Item], found: Sequence[Item]) -> NewestCheckpoint:
    """The newest of some stored checkpoints: a failed task comes before a waiting one.

    Args:
        stored: Their keys.
        found: All keys that were read. A checkpoint's key comes before those of its writes, so in
            descending order all of its writes were read before it.
    """
    newest = max(map(items.parse_key, stored), key=lambda key: key.checkpoint_id)
    written = [items.parse_key(one) for one in found]
    of_newest = [key for key in written if key.checkpoint == newest.checkpoint]
    finished = {key.task for key in of_newest if key.channel is None}
    waiting = {key.channel for key in of_newest if key.task not in finished}
    status = next((_STATUSES[name] for name in _STATUSES if name in waiting), ThreadStatus.IDLE)
    return NewestCheckpoint(newest.checkpoint_id, status)


_STATUSES = {ERROR: ThreadStatus.ERROR, INTERRUPT: ThreadStatus.INTERRUPTED}
"""What a task's write to a special channel says of the thread."""
