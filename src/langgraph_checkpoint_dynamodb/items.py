"""Items: what stands in the table, and how it is read.

================  ==========================================================
attribute         holds
================  ==========================================================
`PK`, `SK`        thread id; see `keys`
`B`               the body (checkpoint, writes) or the bytes (chunk), compressed; a
                  head's is the id that it names, a void's `VOID` (see `fence`)
`R`               a hash of the run id, on checkpoints of a run
`T`               when a chunk was written, in epoch seconds
the TTL attribute expiry in epoch seconds, if the saver gives items one
================  ==========================================================
"""

from __future__ import annotations

import hashlib

from . import keys
from .chunking import digest_of
from .codec import MAX_BODY_BYTES, compress, decompress
from .context import NEVER, Context
from .errors import CorruptCheckpointError
from .operation import Item

VOID = b"\xffvoid"
"""A body that only keeps a checkpoint away. No truncated body is taken for one."""

MAX_CHUNK_BYTES = 1 << 16
"""A reader refuses a chunk that claims more; the cutter makes at most 8 KiB."""


def stored(
    context: Context, thread_id: str, sort_key: str, packed: bytes, run_id: str | None = None
) -> Item:
    """A checkpoint or writes item; `packed` is its body."""
    item = {"PK": {"S": thread_id}, "SK": {"S": sort_key}, "B": {"B": packed}}
    if run_id is not None:
        item["R"] = {"B": run_digest(run_id)}
    if context.expiry is not None and context.ttl_attribute is not None:
        item[context.ttl_attribute] = {"N": str(context.expiry)}
    return item


def chunk(context: Context, thread_id: str, generation: int, digest: bytes, data: bytes) -> Item:
    """A chunk item."""
    item = {
        "PK": {"S": thread_id},
        "SK": {"S": keys.chunk(generation, digest)},
        "B": {"B": compress(data)},
        "T": {"N": str(int(context.now))},
    }
    if generation != NEVER and context.ttl_attribute is not None:
        item[context.ttl_attribute] = {"N": str(generation)}
    return item


def head(context: Context, thread_id: str, ns: str, checkpoint_id: str) -> Item:
    """The item that names the newest checkpoint of a namespace."""
    return stored(context, thread_id, keys.head(ns), checkpoint_id.encode())


def named_by(head: Item) -> str:
    """The checkpoint id that a head names; empty for none."""
    return _binary(head).decode()


def void(context: Context, thread_id: str, checkpoint_key: str) -> Item:
    """An item in place of a checkpoint that must not come any more."""
    return stored(context, thread_id, checkpoint_key, VOID)


def is_void(item: Item) -> bool:
    """Whether the item only keeps a checkpoint away."""
    return bool(item.get("B", {}).get("B") == VOID)


def run_digest(run_id: str) -> bytes:
    """A run's name in the table: hashed, because metadata may be encrypted by the serde."""
    return hashlib.blake2b(run_id.encode(), digest_size=16).digest()


def sort_key(item: Item) -> str:
    """The item's sort key."""
    return str(item["SK"]["S"])


def expired(context: Context, item: Item) -> bool:
    """Whether the item's time is over; DynamoDB may keep it for days after that.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html
    A void never had a time: to who reads, it is not there either.
    """
    if is_void(item):
        return True
    if context.ttl_attribute is None:
        return False
    expiry = item.get(context.ttl_attribute, {}).get("N")
    return expiry is not None and float(expiry) <= context.now


def body_size(item: Item) -> int:
    """The bytes of an item's body, as stored."""
    return len(item.get("B", {}).get("B", b""))


def packed_body(item: Item) -> bytes:
    """The packed body of a checkpoint or writes item."""
    return decompress(_binary(item), MAX_BODY_BYTES)


def chunk_data(item: Item, digest: bytes) -> bytes:
    """The bytes of a chunk item, checked against its digest."""
    data = decompress(_binary(item), MAX_CHUNK_BYTES)
    if digest_of(data) != digest:
        raise CorruptCheckpointError(
            f"chunk {sort_key(item)} holds other bytes than its digest says"
        )
    return data


def _binary(item: Item) -> bytes:
    value = item.get("B", {}).get("B")
    if value is None:
        raise CorruptCheckpointError(f"item {sort_key(item)!r} has no body")
    return bytes(value)
