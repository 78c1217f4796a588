"""Fencing: of two writers that continue one checkpoint, the second gets an error.

A namespace has a small item, its *head*, that names its newest checkpoint. A put
that continues a checkpoint first *claims* the head (from naming the parent to naming
the new checkpoint, by a condition) and then stores the checkpoint. Each is one
conditional `PutItem`, half of what one transaction of the two costs.

============================  ==================================================
the head names                a put that continues P
============================  ==================================================
P                             claims it
the new checkpoint            goes on: an earlier try of the same put arrived
another, and P is no longer   fails: `StaleParentError`
the newest
another, and P is the newest  takes the head over: its process was killed, the
                              checkpoint deleted, or put without fencing
nothing, or there is no head  the same
============================  ==================================================

Whoever claimed a head may have paused rather than died. So taking over first puts a
*tombstone* where its checkpoint would go, and a put fails on a tombstone. Then either it finds its
checkpoint stored, or it is told that it lost; never are both children of P stored. A tombstone
stays for `retention.GRACE_SECONDS`, whatever is deleted around it (but not beyond `delete_thread`).
A head that is wrong or gone costs some requests and harms nothing, so copying, pruning and
expiry need not keep heads right. Who deletes the newest cuts its head.

A fork on purpose is stored in any case, and then moves the head to itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointMetadata, CheckpointTuple

from ..errors import ConflictError, StaleParentError
from ..format import items, keys, requests
from ..runtime.context import Context, ThreadNamespace
from ..runtime.effects import Backoff, Call, ConditionFailed, Item, Operation, Reply
from ..runtime.lru_cache import Cache
from ..storage import conditional_puts
from . import get

_CLAIM_ATTEMPTS = 12
_WAITS = 3
"""How often a claim whose checkpoint is not there is waited for before a tombstone is put."""

_ASKED_CHECKPOINTS = 4096
"""How many a saver remembers that were asked for by id."""

_FORK_SOURCES = ("fork", "update")
"""`CheckpointMetadata.source` of time travel and of `update_state`."""

_REPLAY_STATE = "__pregel_replay_state"
"""LangGraph's `CONFIG_KEY_REPLAY_STATE`: set in a subgraph while its parent replays an earlier
checkpoint. The subgraph then begins with what it was at that time."""


@dataclass(frozen=True, slots=True)
class Fence:
    """How one put is fenced.

    Attributes:
        place: The checkpoint's thread and namespace.
        checkpoint_id: The checkpoint that is put.
        parent_id: The one that it continues.
        forks: Whether it forks on purpose.
    """

    place: ThreadNamespace
    checkpoint_id: str
    parent_id: str | None
    forks: bool


def asked_checkpoints() -> Cache:
    """What a saver remembers for `Context.asked`."""
    return Cache(_ASKED_CHECKPOINTS)


def of(
    context: Context,
    place: ThreadNamespace,
    config: RunnableConfig,
    checkpoint_id: str,
    metadata: CheckpointMetadata,
    parent_id: str | None,
) -> Fence | None:
    """How a put is fenced; `None` without fencing."""
    if context.asked is None:
        return None
    forking = _forks(context, place, config, metadata, parent_id)
    return Fence(place, checkpoint_id, parent_id, forking)


def _forks(
    context: Context,
    place: ThreadNamespace,
    config: RunnableConfig,
    metadata: CheckpointMetadata,
    parent_id: str | None,
) -> bool:
    """Whether a put forks on purpose: its parent was asked for by `checkpoint_id`, or updated.

    A graph's config tells what the user asked for: LangChain copies `configurable` into
    `metadata` (`langchain_core.runnables.config.ensure_config`) before LangGraph puts the
    parent's id there. Without a graph, it is what `get_tuple` was asked for.
    """
    if metadata.get("source") in _FORK_SOURCES:
        return True
    if config["configurable"].get(_REPLAY_STATE):
        return True
    if parent_id is None:
        return False
    given = _given_by_a_graph(config)
    if given is not None:
        return given.get("checkpoint_id") == parent_id
    return context.asked is not None and context.asked.get((place, parent_id)) is not None


def _given_by_a_graph(config: RunnableConfig) -> Mapping[str, Any] | None:
    metadata = config.get("metadata") or {}
    return metadata if "thread_id" in metadata else None


def get_tuple(
    context: Context, place: ThreadNamespace, checkpoint_id: str | None, config: RunnableConfig
) -> Operation[CheckpointTuple | None]:
    """`read.get_tuple`; notes that somebody other than a graph asked for an earlier checkpoint."""
    found = yield from get.get_tuple(context, place, checkpoint_id)
    if context.asked is not None and checkpoint_id and not _given_by_a_graph(config):
        newest = yield from _newest(context, place)
        if newest != checkpoint_id:
            context.asked.put((place, checkpoint_id), True, 1)
    return found


def check_order(fence: Fence) -> None:
    """Refuse a checkpoint that would not be found as the newest, however it is stored."""
    if not fence.forks and fence.parent_id and fence.checkpoint_id <= fence.parent_id:
        raise ConflictError(
            f"{fence.place}: checkpoint {fence.checkpoint_id!r} sorts before {fence.parent_id!r}, "
            "which it continues, so no reader would take it for the newest. Ids hold the time: "
            "set the clocks of the machines that write to this thread, then run it again"
        )


def claim(context: Context, fence: Fence) -> Operation[None]:
    """Let the head name the checkpoint that is about to be stored; a fork waits for `move`.

    Raises:
        StaleParentError: The parent is not the newest.
    """
    if fence.forks:
        return
    head = _head(context, fence)
    call = _naming(context, head, fence.parent_id)
    for attempt in range(_CLAIM_ATTEMPTS):
        (reply,) = yield [call]
        if not isinstance(reply, ConditionFailed):
            return
        named = items.named_by(reply.item) if reply.item else None
        if named == fence.checkpoint_id:
            return
        newest = yield from _newest(context, fence.place)
        if newest != fence.parent_id:
            raise _stale(fence, newest)
        if named and not (yield from _give_up(context, fence, named, attempt)):
            continue
        call = _naming(context, head, named)
    raise ConflictError(
        f"{fence.place}: the head was changed by others {_CLAIM_ATTEMPTS} times while checkpoint "
        f"{fence.checkpoint_id!r} was put; run it again"
    )


def settle(context: Context, fence: Fence, item: Item, reply: Reply) -> Operation[None]:
    """What follows the reply to the put of the checkpoint's item: a fork moves the head.

    Raises:
        StaleParentError: Another writer took the head over before.
    """
    if fence.forks:
        yield [requests.put_later(context.table, _head(context, fence))]
    elif isinstance(reply, ConditionFailed):
        found = yield from conditional_puts.existing(context, item, reply.item)
        if found is not None and items.is_tombstone(found):
            raise _stale(fence, (yield from _newest(context, fence.place)))


def _naming(context: Context, head: Item, named: str | None) -> Call:
    """Put a head over one that names this; `None`: where there is none."""
    if named is None:
        return requests.put_new(context.table, head)
    return requests.put_over(context.table, head, named.encode())


def _give_up(context: Context, fence: Fence, named: str, attempt: int) -> Operation[bool]:
    """Whether a claim may be taken over: its checkpoint will not come, or is not the newest."""
    comes = named > (fence.parent_id or "")
    if comes and attempt < _WAITS:
        yield Backoff(attempt)
        return False
    ns = keys.namespace(fence.place.checkpoint_ns)
    tombstone = items.tombstone(context, fence.place.thread_id, keys.checkpoint(ns, named))
    (reply,) = yield [requests.put_new(context.table, tombstone)]
    is_there = isinstance(reply, ConditionFailed) and not (
        reply.item and items.expired(context, reply.item)
    )
    return not (comes and is_there)


def cut(context: Context, thread_id: str, checkpoint_key: str) -> Operation[None]:
    """Let a head name nothing if it names a checkpoint that was deleted."""
    if context.asked is None:
        return
    key = keys.parse(checkpoint_key)
    head = items.head(context, thread_id, key.namespace, "")
    yield [_naming(context, head, key.checkpoint_id)]


def _head(context: Context, fence: Fence) -> Item:
    ns = keys.namespace(fence.place.checkpoint_ns)
    return items.head(context, fence.place.thread_id, ns, fence.checkpoint_id)


def _newest(context: Context, place: ThreadNamespace) -> Operation[str | None]:
    group = yield from get.get_group(context, place, None)
    return group.key.checkpoint_id if group else None


def _stale(fence: Fence, newest: str | None) -> StaleParentError:
    did = f"continues {fence.parent_id!r}" if fence.parent_id else "starts it"
    now = f"the newest is {newest!r}" if newest else "it has no checkpoint"
    if newest == fence.parent_id:
        now = "another writer was faster"
    way_out = (
        "run again from the newest state"
        if newest
        else "its thread was deleted or has expired: start it again with its whole input"
    )
    if fence.parent_id and newest:
        way_out += f", or fork on purpose, with checkpoint_id={fence.parent_id!r} in the config"
    return StaleParentError(
        f"{fence.place}: checkpoint {fence.checkpoint_id!r} {did}, but {now}; nothing was stored. "
        f"To go on, {way_out}"
    )
