"""Items: what stands in the table, and how it is read.

================  ==========================================================
attribute         holds
================  ==========================================================
`PK`, `SK`        thread id; see `keys`
`B`               the body (checkpoint, writes) or the bytes (chunk), compressed; a
                  head's is the id that it names, a tombstone's `TOMBSTONE` (see `fence`)
`R`               a hash of the run id, on checkpoints of a run
`N`               how often the item was replaced, if it was; see `overwriting`
`T`               when a chunk or a tombstone was written, in epoch seconds; on a checkpoint
                  that is kept beyond its expiry: the expiry
the TTL attribute until when the item is kept, in epoch seconds, if not for ever
================  ==========================================================
"""

from __future__ import annotations

import hashlib
import math

from ..chunking.boundaries import digest_of
from ..errors import CorruptCheckpointError
from ..runtime.context import Context
from ..runtime.effects import Item
from . import keys
from .body import unseal
from .compression import compress, decompress
from .expiry import NEVER, Lifetime, new_lifetime

EXPIRY = "T"
"""On a checkpoint or writes; a chunk's and a tombstone's `T` is the time of its writing."""

TOMBSTONE = b"\xffvoid"
"""A body that only keeps a checkpoint away. No truncated body is taken for one."""

MAX_CHUNK_BYTES = 1 << 16
"""A reader refuses a chunk that claims more; the cutter makes at most 8 KiB."""


def checkpoint_or_writes_item(
    context: Context,
    thread_id: str,
    sort_key: str,
    body: bytes,
    lifetime: Lifetime,
    run_id: str | None = None,
) -> Item:
    """A checkpoint or writes item.

    Args:
        context: The call's surroundings.
        thread_id: The thread.
        sort_key: The item's sort key.
        body: Its sealed body.
        lifetime: How long it is returned and kept.
        run_id: The run that it is of.
    """
    item = {"PK": {"S": thread_id}, "SK": {"S": sort_key}, "B": {"B": body}}
    if run_id is not None:
        item["R"] = {"B": run_digest(run_id)}
    if lifetime.kept != math.inf:
        item[context.ttl_attribute] = {"N": str(int(lifetime.kept))}
        if lifetime.expires != lifetime.kept:
            item[EXPIRY] = {"N": str(int(lifetime.expires))}
    return item


def chunk(context: Context, thread_id: str, generation: int, digest: bytes, data: bytes) -> Item:
    """A chunk item."""
    item = {
        "PK": {"S": thread_id},
        "SK": {"S": keys.chunk(generation, digest)},
        "B": {"B": compress(data)},
        "T": {"N": str(int(context.now))},
    }
    if generation != NEVER:
        item[context.ttl_attribute] = {"N": str(generation)}
    return item


def head(context: Context, thread_id: str, ns: str, checkpoint_id: str) -> Item:
    """The item that names the newest checkpoint of a namespace."""
    lifetime = new_lifetime(context, delta=False)
    return checkpoint_or_writes_item(
        context, thread_id, keys.head(ns), checkpoint_id.encode(), lifetime
    )


def named_by(head: Item) -> str:
    """The checkpoint id that a head names; empty for none."""
    return stored_bytes(head).decode(errors="replace")


def tombstone(context: Context, thread_id: str, checkpoint_key: str) -> Item:
    """An item in place of a checkpoint that must not come any more; `T` tells since when."""
    lifetime = new_lifetime(context, delta=False)
    item = checkpoint_or_writes_item(context, thread_id, checkpoint_key, TOMBSTONE, lifetime)
    return {**item, "T": {"N": str(int(context.now))}}


def is_tombstone(item: Item) -> bool:
    """Whether the item only keeps a checkpoint away."""
    return bool(item.get("B", {}).get("B") == TOMBSTONE)


def run_digest(run_id: str) -> bytes:
    """A run's name in the table: hashed, because metadata may be encrypted by the serde."""
    return hashlib.blake2b(run_id.encode(), digest_size=16).digest()


def sort_key(item: Item) -> str:
    """The item's sort key."""
    return str(item["SK"]["S"])


def parse_key(item: Item) -> keys.CheckpointKey:
    """The item's sort key, taken apart.

    Raises:
        CorruptCheckpointError: It is neither a checkpoint nor its writes.
    """
    try:
        return keys.parse(sort_key(item))
    except CorruptCheckpointError as error:
        raise CorruptCheckpointError(f"thread {item['PK']['S']!r}: {error}") from None


def _number(item: Item, attribute: str) -> float | None:
    """A number, or `None` if the attribute is missing or holds anything else."""
    try:
        return float(item[attribute]["N"])
    except (KeyError, ValueError):
        return None


def kept_until(context: Context, item: Item) -> float:
    """When DynamoDB may delete the item, in epoch seconds; infinity if never.

    As DynamoDB does, an attribute that is no number is passed over:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html
    A tombstone never had a time: to who reads, it is not there either.
    """
    if is_tombstone(item):
        return -math.inf
    found = _number(item, context.ttl_attribute)
    return math.inf if found is None else found


def generation(context: Context, item: Item, made_in: int) -> int:
    """The generation of the chunks that an item refers to.

    The one it was made in, or another that they were copied to so that it could be kept for
    longer: an item is never kept beyond its chunks, so its own time tells.
    """
    kept = kept_until(context, item)
    return int(kept) if made_in < kept < math.inf else made_in


def moved(context: Context, item: Item, generation: int) -> Item:
    """A chunk's item as it stands in another generation."""
    digest = sort_key(item).rsplit("#", 1)[1]
    made = {
        **item,
        "SK": {"S": f"{keys.CHUNKS}{generation}#{digest}"},
        "T": {"N": str(int(context.now))},
        context.ttl_attribute: {"N": str(generation)},
    }
    if generation == NEVER:
        del made[context.ttl_attribute]
    return made


def expires(context: Context, item: Item) -> float:
    """Until when the item is returned, in epoch seconds; infinity if for ever."""
    kept, noted = kept_until(context, item), _number(item, EXPIRY)
    return kept if noted is None else min(kept, noted)


def expired(context: Context, item: Item) -> bool:
    """Whether the item's time is over; DynamoDB may keep it for days after that."""
    return expires(context, item) <= context.now


def lifetime(context: Context, item: Item, made_in: int) -> Lifetime:
    """The item's times; `made_in` is the generation that its body names."""
    found = generation(context, item, made_in)
    return Lifetime(found, expires(context, item), kept_until(context, item))


def gone(context: Context, item: Item) -> bool:
    """Whether the item may be deleted: it then is no ancestor of anything either."""
    return kept_until(context, item) <= context.now


def written_at(item: Item) -> float:
    """When a chunk or a tombstone was written, in epoch seconds; infinity if unknown."""
    found = _number(item, "T")
    return math.inf if found is None else found


def body_size(item: Item) -> int:
    """The bytes of an item's body, as stored."""
    return len(item.get("B", {}).get("B") or b"")


def packed_body(item: Item) -> bytes:
    """The packed body of a checkpoint or writes item."""
    return unseal(stored_bytes(item))


def chunk_data(item: Item, digest: bytes) -> bytes:
    """The bytes of a chunk item, checked against its digest."""
    data = decompress(stored_bytes(item), MAX_CHUNK_BYTES)
    if digest_of(data) != digest:
        raise CorruptCheckpointError(
            f"chunk {sort_key(item)} holds other bytes than its digest says"
        )
    return data


def stored_bytes(item: Item) -> bytes:
    """What `B` holds, as stored.

    Raises:
        CorruptCheckpointError: There is no such attribute, or it is of another type.
    """
    value = item.get("B", {}).get("B")
    if value is None:
        raise CorruptCheckpointError(f"item {sort_key(item)!r} has no body")
    return bytes(value)
