"""The checkpoint that a put continues: from memory, or else from the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from langgraph.checkpoint.base import CheckpointMetadata

from ..format import items, keys, requests
from ..format.expiry import Lifetime
from ..runtime.context import Context, ThreadNamespace
from ..runtime.effects import Operation
from ..serialization import encode
from ..storage import batches, chunk_reader
from ..storage.body_reader import open_bodies
from . import memory, recall
from .checkpoint_items import CheckpointItems, get_ancestor, read_headers, retry_if_changed
from .memory import StoredCheckpoint


def find(
    context: Context, place: ThreadNamespace, checkpoint_id: str
) -> Operation[StoredCheckpoint | None]:
    """What is stored for a checkpoint; `None` if there is none.

    If it is not remembered, its items and ref trees are read: two requests, or more if its body
    is stored in chunks.

    Raises:
        CorruptCheckpointError: The checkpoint lacks bytes.
    """
    found = memory.remembered(context, place, checkpoint_id)
    if found is not None:
        return found
    group = yield from get_ancestor(context, place, checkpoint_id)
    if group is None:
        return None
    read = yield from retry_if_changed(
        context,
        place.thread_id,
        [group],
        lambda groups: _read(context, place.thread_id, groups),
        items.gone,
    )
    return read[0] if read else None


def _read(
    context: Context, thread_id: str, groups: Sequence[CheckpointItems]
) -> Operation[list[StoredCheckpoint]]:
    found = []
    for entry in (yield from read_headers(context, thread_id, groups)):
        writes = yield from open_bodies(context, thread_id, entry.writes, entry.where)
        records = encode.records_of([entry.opened.body, *(one.body for one in writes)])
        loaded = yield from chunk_reader.load(context, thread_id, records, only_lists=True)
        refs = recall.write_refs(entry, writes, loaded)
        stored = recall.stored_checkpoint(context, entry, loaded)
        found.append(replace(stored, write_refs=refs))
    return found


def floor(
    context: Context,
    place: ThreadNamespace,
    parent: StoredCheckpoint | None,
    metadata: CheckpointMetadata,
) -> Operation[float]:
    """The earliest expiry of a new checkpoint, in epoch seconds: no older one may outlive it.

    Mostly this is its parent's expiry. If its parent is not the newest checkpoint, a sibling may
    have been put with a longer TTL, so the newest counts too. The first checkpoint of a subgraph
    must not expire before the enclosing graph's checkpoint, which is read together with it.
    """
    if context.ttl_seconds is None:
        return 0
    if parent is None:
        enclosing = _enclosing_checkpoint(place, metadata)
        found = (yield from lifetime_of(context, *enclosing)) if enclosing else None
        return found.expires if found else 0
    if parent.newest:
        return parent.lifetime.expires
    newest = yield from _newest_expires(context, place)
    return max(parent.lifetime.expires, newest)


def _enclosing_checkpoint(
    place: ThreadNamespace, metadata: CheckpointMetadata
) -> tuple[ThreadNamespace, str] | None:
    """The checkpoint of the innermost enclosing graph, from LangGraph's `metadata["parents"]`."""
    parents: Any = metadata.get("parents")
    outer = [ns for ns in parents if ns != place.checkpoint_ns] if isinstance(parents, dict) else []
    nearest = max(outer, key=len, default="")
    if not outer or not keys.is_checkpoint_id(parents[nearest]):
        return None
    return ThreadNamespace(place.thread_id, nearest), parents[nearest]


def _newest_expires(context: Context, place: ThreadNamespace) -> Operation[float]:
    bounds = keys.below(f"{keys.CHECKPOINTS}{keys.namespace(place.checkpoint_ns)}")
    attributes = ("PK", "SK", context.ttl_attribute, items.EXPIRY)
    (reply,) = yield [
        requests.query(
            context.table,
            place.thread_id,
            bounds,
            newest_first=True,
            limit=1,
            attributes=attributes,
        )
    ]
    return max((items.expires(context, item) for item in reply["Items"]), default=0.0)


def lifetime_of(
    context: Context, place: ThreadNamespace, checkpoint_id: str
) -> Operation[Lifetime | None]:
    """The lifetime of a checkpoint; `None` if there is none.

    Reads one item, unless the checkpoint is remembered.
    """
    found = memory.lifetime_of(context, place, checkpoint_id)
    if found is not None:
        return found
    key = keys.checkpoint(keys.namespace(place.checkpoint_ns), checkpoint_id)
    item_keys = [requests.key(place.thread_id, key)]
    stored = yield from batches.get_all(context, item_keys, consistent=True)
    if not stored or items.is_tombstone(stored[0]):
        return None
    (opened,) = yield from open_bodies(context, place.thread_id, stored, str(place))
    return items.lifetime(context, stored[0], opened.made_in)
