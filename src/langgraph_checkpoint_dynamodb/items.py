"""Items: what stands in the table, and how it is read.

================  ==========================================================
attribute         holds
================  ==========================================================
`PK`, `SK`        thread id; see `keys`
`B`               the body (checkpoint, writes) or the bytes (chunk), compressed
`R`               a hash of the run id, on checkpoints of a run
`T`               when a chunk was written, in epoch seconds
the TTL attribute expiry in epoch seconds, if the saver gives items one
================  ==========================================================
"""

from __future__ import annotations

import hashlib
import math

from . import keys
from .chunking import digest_of
from .codec import MAX_BODY_BYTES, compress, decompress
from .context import NEVER, Context
from .errors import CorruptCheckpointError
from .operation import Item

MAX_CHUNK_BYTES = 1 << 16
"""A reader refuses a chunk that claims more; the cutter makes at most 8 KiB."""


def stored(
    context: Context, thread_id: str, sort_key: str, packed: bytes, run_id: str | None = None
) -> Item:
    """A checkpoint or writes item; `packed` is its body."""
    item = {"PK": {"S": thread_id}, "SK": {"S": sort_key}, "B": {"B": packed}}
    if run_id is not None:
        item["R"] = {"B": run_digest(run_id)}
    if context.expiry is not None:
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
    if generation != NEVER:
        item[context.ttl_attribute] = {"N": str(generation)}
    return item


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


def expiry(context: Context, item: Item) -> float:
    """When the item expires, in epoch seconds; infinity if never.

    As DynamoDB does, an attribute that is no number is passed over:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html
    """
    found = _number(item, context.ttl_attribute)
    return math.inf if found is None else found


def expired(context: Context, item: Item) -> bool:
    """Whether the item's time is over; DynamoDB may keep it for days after that."""
    return expiry(context, item) <= context.now


def written_at(item: Item) -> float:
    """When a chunk was written, in epoch seconds; one that does not tell counts as new."""
    found = _number(item, "T")
    return math.inf if found is None else found


def body_size(item: Item) -> int:
    """The bytes of an item's body, as stored."""
    return len(item.get("B", {}).get("B") or b"")


def packed_body(item: Item) -> bytes:
    """The packed body of a checkpoint or writes item."""
    return decompress(stored_bytes(item), MAX_BODY_BYTES)


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
