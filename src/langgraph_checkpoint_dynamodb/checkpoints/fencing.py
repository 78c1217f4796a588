"""Fencing: if two writers continue one checkpoint, the second gets a `StaleParentError`.

Each namespace has a small *head item* that names its newest checkpoint. A put that continues a
checkpoint first *claims* the head: a conditional put replaces the parent's id in the head with the
new checkpoint's. Then it stores the checkpoint. These are two conditional `PutItem` calls, half
the price of a transaction of both.

============================  ==================================================
the head names                a put that continues P
============================  ==================================================
P                             claims the head
the new checkpoint            continues: an earlier attempt of this put claimed it
another, and P is no longer   fails: `StaleParentError`
the newest
another, and P is the newest  takes the head over: the writer that claimed it was
                              killed, its checkpoint was deleted, or P was put
                              without fencing
nothing, or there is no head  takes the head over
============================  ==================================================

The writer that claimed a head may be paused instead of killed. So before a put takes a head over,
it puts a *tombstone* under the sort key of the checkpoint that the head names. A put whose key
holds a tombstone fails. So either the takeover finds that checkpoint stored, or the paused writer
finds the tombstone and gets a `StaleParentError`; two children of P are never stored. A tombstone
stays for `retention.GRACE_SECONDS`; only `delete_thread` deletes it earlier. A wrong or missing
head costs some requests and does no harm, so copying, pruning and expiry need not update heads.
What deletes a namespace's newest checkpoint clears its head.

A deliberate fork is always stored. Then it moves the head to itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointMetadata

from ..errors import ConflictError, StaleParentError
from ..format import items, keys, requests
from ..runtime.context import Context, ThreadNamespace
from ..runtime.effects import Backoff, Call, ConditionFailed, Item, Operation, Reply
from ..runtime.lru_cache import Cache
from ..storage import conditional_puts
from .checkpoint_items import newest_id

_CLAIM_ATTEMPTS = 12
_WAITS = 3
"""How often to wait for the checkpoint of another writer's claim before putting a tombstone."""

_MAX_REQUESTED = 4096
"""How many checkpoints that were requested by id a saver remembers."""

_FORK_SOURCES = ("fork", "update")
"""`CheckpointMetadata.source` of time travel and of `update_state`."""

_REPLAY_STATE = "__pregel_replay_state"
"""LangGraph's `CONFIG_KEY_REPLAY_STATE`: set in a subgraph while the parent graph replays an
earlier checkpoint. The subgraph then starts from its state at that time."""


@dataclass(frozen=True, slots=True)
class Fence:
    """How one put is fenced.

    Attributes:
        place: The checkpoint's thread and namespace.
        checkpoint_id: The checkpoint to put.
        parent_id: The checkpoint that it continues.
        forks: Whether it is a deliberate fork.
    """

    place: ThreadNamespace
    checkpoint_id: str
    parent_id: str | None
    forks: bool


def requested_checkpoints() -> Cache:
    """An empty cache for `Context.asked`."""
    return Cache(_MAX_REQUESTED)


def fence_for(
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
    """Whether a put is a deliberate fork: its parent was requested by `checkpoint_id`, or updated.

    A graph's config holds the user's request: LangChain copies `configurable` into `metadata`
    (`langchain_core.runnables.config.ensure_config`) before LangGraph sets the parent's id in
    `configurable`. Without a graph, it is a request that `note_request` has noted.
    """
    if metadata.get("source") in _FORK_SOURCES:
        return True
    if config["configurable"].get(_REPLAY_STATE):
        return True
    if parent_id is None:
        return False
    request = _request_to_graph(config)
    if request is not None:
        return request.get("checkpoint_id") == parent_id
    return context.asked is not None and context.asked.get((place, parent_id)) is not None


def _request_to_graph(config: RunnableConfig) -> Mapping[str, Any] | None:
    """What the user passed to a graph as `configurable`; `None` if no graph made this config."""
    metadata = config.get("metadata") or {}
    return metadata if "thread_id" in metadata else None


def note_request(
    context: Context, place: ThreadNamespace, checkpoint_id: str, config: RunnableConfig
) -> Operation[None]:
    """Note that a caller other than a graph requested an earlier checkpoint: it may fork there."""
    if context.asked is None or _request_to_graph(config):
        return
    newest = yield from newest_id(context, place)
    if newest != checkpoint_id:
        context.asked.put((place, checkpoint_id), True, 1)


def check_order(fence: Fence) -> None:
    """Refuse a checkpoint that sorts before its parent: it would never be read as the newest."""
    if not fence.forks and fence.parent_id and fence.checkpoint_id <= fence.parent_id:
        raise ConflictError(
            f"{fence.place}: checkpoint {fence.checkpoint_id!r} sorts before {fence.parent_id!r}, "
            "which it continues, so it would never be read as the newest. Ids contain the time: "
            "set the clocks of the machines that write to this thread, then run the graph again"
        )


def claim(context: Context, fence: Fence) -> Operation[None]:
    """Make the head name the checkpoint that is about to be stored; a fork does so in `finish`.

    Raises:
        StaleParentError: The parent is not the newest.
    """
    if fence.forks:
        return
    head = _head(context, fence)
    call = _put_head_over(context, head, fence.parent_id)
    for attempt in range(_CLAIM_ATTEMPTS):
        (reply,) = yield [call]
        if not isinstance(reply, ConditionFailed):
            return
        named = items.named_by(reply.item) if reply.item else None
        if named == fence.checkpoint_id:
            return
        newest = yield from newest_id(context, fence.place)
        if newest != fence.parent_id:
            raise _stale(fence, newest)
        if named and not (yield from _may_take_over(context, fence, named, attempt)):
            continue
        call = _put_head_over(context, head, named)
    raise ConflictError(
        f"{fence.place}: other writers changed the head item {_CLAIM_ATTEMPTS} times during the "
        f"put of checkpoint {fence.checkpoint_id!r}; run the graph again"
    )


def finish(context: Context, fence: Fence, item: Item, reply: Reply) -> Operation[None]:
    """After the put of the checkpoint's item: move the head to a fork, or check for a tombstone.

    Raises:
        StaleParentError: Another writer took the head over before the put.
    """
    if fence.forks:
        yield [requests.put_if_greater(context.table, _head(context, fence))]
    elif isinstance(reply, ConditionFailed):
        found = yield from conditional_puts.existing(context, item, reply.item)
        if found is not None and items.is_tombstone(found):
            raise _stale(fence, (yield from newest_id(context, fence.place)))


def _put_head_over(context: Context, head: Item, named: str | None) -> Call:
    """Put a head if the stored one names this checkpoint; for `None`, if there is none."""
    if named is None:
        return requests.put_new(context.table, head)
    return requests.put_if_body(context.table, head, named.encode())


def _may_take_over(context: Context, fence: Fence, named: str, attempt: int) -> Operation[bool]:
    """Whether to take a claimed head over: its checkpoint cannot be put, or is not the newest."""
    newer = named > (fence.parent_id or "")
    if newer and attempt < _WAITS:
        yield Backoff(attempt)
        return False
    ns = keys.namespace(fence.place.checkpoint_ns)
    tombstone = items.tombstone(context, fence.place.thread_id, keys.checkpoint(ns, named))
    (reply,) = yield [requests.put_new(context.table, tombstone)]
    is_there = isinstance(reply, ConditionFailed) and not (
        reply.item and items.expired(context, reply.item)
    )
    return not (newer and is_there)


def clear_head(context: Context, thread_id: str, checkpoint_key: str) -> Operation[None]:
    """If a head names this deleted checkpoint, make it name none."""
    if context.asked is None:
        return
    key = keys.parse(checkpoint_key)
    head = items.head(context, thread_id, key.namespace, "")
    yield [_put_head_over(context, head, key.checkpoint_id)]


def _head(context: Context, fence: Fence) -> Item:
    ns = keys.namespace(fence.place.checkpoint_ns)
    return items.head(context, fence.place.thread_id, ns, fence.checkpoint_id)


def _stale(fence: Fence, newest: str | None) -> StaleParentError:
    role = f"continues {fence.parent_id!r}" if fence.parent_id else "has no parent"
    now = f"the newest is {newest!r}" if newest else "there is no checkpoint"
    if newest == fence.parent_id:
        now = "another writer took the head over"
    if newest:
        way_out = "Run the graph again: it resumes from the newest checkpoint"
    else:
        way_out = "The thread was deleted or has expired: run the graph again with its whole input"
    if fence.parent_id and newest:
        way_out += f". To fork instead, pass checkpoint_id={fence.parent_id!r} in the config"
    return StaleParentError(
        f"{fence.place}: checkpoint {fence.checkpoint_id!r} {role}, but {now}; it was not stored. "
        f"{way_out}"
    )
