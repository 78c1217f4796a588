"""The items of the table: how they are built, and how they are read.

================  ==========================================================
attribute         content
================  ==========================================================
`PK`, `SK`        thread id; see `format/keys.py`
`B`               the body of a checkpoint or writes, or the bytes of a chunk, compressed;
                  for a head the checkpoint id that it names, for a tombstone `TOMBSTONE`
                  (see `checkpoints/fencing.py`)
`R`               a hash of the run id, on checkpoints of a run
`M`               the flag of an item that was copied from another saver; see
                  `checkpoints/copied_threads.py`
`N`               how often the item was replaced; absent if never (see
                  `storage/conditional_puts.py`)
`T`               when a chunk or a tombstone was written, in epoch seconds; on a checkpoint
                  that is kept longer than it is returned, its expiry
the TTL attribute the time until which the item is kept, in epoch seconds; absent if it
                  does not expire
`O`, `A`, `C`     of a thread's entry only: see `format/thread_entries.py`
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
"""The expiry, on a checkpoint or writes item. Chunks and tombstones have their write time there."""

FLAG = "M"
"""The attribute of an item that was copied from another saver."""

TOMBSTONE = b"\xffvoid"
"""The body of a tombstone. It cannot be confused with a truncated body, which begins with 0x01."""

MAX_CHUNK_BYTES = 1 << 16
"""A reader refuses a chunk that claims more; `chunking` makes at most 56 KiB."""


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
        context: The call's settings and time.
        thread_id: The thread.
        sort_key: The item's sort key.
        body: Its sealed body.
        lifetime: How long it is returned and kept.
        run_id: The run that put it, if any.
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
    """The checkpoint id that a head names; empty if it names none."""
    return stored_bytes(head).decode(errors="replace")


def tombstone(context: Context, thread_id: str, checkpoint_key: str) -> Item:
    """An item under a checkpoint's key that blocks a late put of it; `T` is its write time."""
    lifetime = new_lifetime(context, delta=False)
    item = checkpoint_or_writes_item(context, thread_id, checkpoint_key, TOMBSTONE, lifetime)
    return {**item, "T": {"N": str(int(context.now))}}


def marker(context: Context, thread_id: str, newest_id: str) -> Item:
    """The item of a thread that was copied; see `checkpoints/copied_threads.py`."""
    return {
        "PK": {"S": thread_id},
        "SK": {"S": keys.MARKER},
        "B": {"B": newest_id.encode()},
        "T": {"N": str(int(context.now))},
    }


def is_tombstone(item: Item) -> bool:
    """Whether the item is a tombstone."""
    return bool(item.get("B", {}).get("B") == TOMBSTONE)


def run_digest(run_id: str) -> bytes:
    """The hash that the table has of a run id, which the serde may encrypt in the metadata."""
    return hashlib.blake2b(run_id.encode(), digest_size=16).digest()


def sort_key(item: Item) -> str:
    """The item's sort key."""
    return str(item["SK"]["S"])


def parse_key(item: Item) -> keys.CheckpointKey:
    """Parse the item's sort key.

    Raises:
        CorruptCheckpointError: It is not the key of a checkpoint or of writes.
    """
    try:
        return keys.parse(sort_key(item))
    except CorruptCheckpointError as error:
        raise CorruptCheckpointError(f"thread {item['PK']['S']!r}: {error}") from None


def _number(item: Item, attribute: str) -> float | None:
    """A numeric attribute; `None` if it is missing or not a number."""
    try:
        return float(item[attribute]["N"])
    except (KeyError, ValueError):
        return None


def kept_until(context: Context, item: Item) -> float:
    """When DynamoDB may delete the item, in epoch seconds; infinity if never.

    DynamoDB ignores a TTL attribute that is not a number, and so does this:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html
    A tombstone is minus infinity, so readers treat it like an expired item.
    """
    if is_tombstone(item):
        return -math.inf
    found = _number(item, context.ttl_attribute)
    return math.inf if found is None else found


def generation(context: Context, item: Item, made_in: int) -> int:
    """The generation of the chunks that an item refers to.

    This is `made_in`, the generation in its body, unless the item is kept for longer. Its chunks
    were then moved to the generation that ends with the item.
    """
    kept = kept_until(context, item)
    return int(kept) if made_in < kept < math.inf else made_in


def moved(context: Context, item: Item, generation: int) -> Item:
    """A chunk's item in another generation."""
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
    """The time until which the item is returned, in epoch seconds; infinity if it is always."""
    kept, noted = kept_until(context, item), _number(item, EXPIRY)
    return kept if noted is None else min(kept, noted)


def expired(context: Context, item: Item) -> bool:
    """Whether the item is no longer returned; DynamoDB may keep it for days after that."""
    return expires(context, item) <= context.now


def lifetime(context: Context, item: Item, made_in: int) -> Lifetime:
    """The item's times; `made_in` is the generation in its body."""
    found = generation(context, item, made_in)
    return Lifetime(found, expires(context, item), kept_until(context, item))


def gone(context: Context, item: Item) -> bool:
    """Whether the item may be deleted; no checkpoint is then rebuilt from it either."""
    return kept_until(context, item) <= context.now


def written_at(item: Item) -> float:
    """When a chunk or a tombstone was written, in epoch seconds; infinity if unknown."""
    found = _number(item, "T")
    return math.inf if found is None else found


def body_size(item: Item) -> int:
    """The size of an item's `B`, as stored, in bytes."""
    return len(item.get("B", {}).get("B") or b"")


def packed_body(item: Item) -> bytes:
    """The packed body of a checkpoint or writes item."""
    return unseal(stored_bytes(item))


def chunk_data(item: Item, digest: bytes) -> bytes:
    """The bytes of a chunk item.

    Raises:
        CorruptCheckpointError: They are damaged, or do not match the digest.
        UnsupportedFormatError: They have an unknown compression scheme.
    """
    data = decompress(stored_bytes(item), MAX_CHUNK_BYTES)
    if digest_of(data) != digest:
        raise CorruptCheckpointError(f"the bytes of chunk {sort_key(item)} do not match its digest")
    return data


def stored_bytes(item: Item) -> bytes:
    """The item's `B`, as stored.

    Raises:
        CorruptCheckpointError: The attribute is missing or not binary.
    """
    value = item.get("B", {}).get("B")
    if value is None:
        raise CorruptCheckpointError(f"item {sort_key(item)!r} has no body")
    return bytes(value)
