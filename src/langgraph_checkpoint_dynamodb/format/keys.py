"""Partition and sort keys.

The partition key is the thread id. The sort keys are

    C#<ns>#<checkpoint_id>                        a checkpoint
    C#<ns>#<checkpoint_id>#W#<task_id>            a task's regular writes
    C#<ns>#<checkpoint_id>#W#<task_id>#<channel>  a task's write to a special channel
    D#                                            the thread's entry in the thread directory
    H#<ns>                                        the head of a namespace (`fence=True`)
    S#<generation>#<digest>                       a chunk
    M#                                            the marker of a thread that was copied

Every part is percent-encoded so that it has no character at or below `%`. The separator `#`
therefore sorts before every character of a part. This has two consequences: the key range of an
id never overlaps that of another (`1` and `10`), and encoded parts sort like the parts
themselves, so the newest checkpoint id has the greatest key.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote

from ..errors import CorruptCheckpointError, InvalidInputError

MAX_THREAD_ID_BYTES = 2048
"""The limit of a partition key.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

# A sort key holds 1,024 bytes: "C#" + 400 + "#" + 256 + "#W#" + 320 + "#" + 13 fits.
_MAX_NAMESPACE_BYTES = 400
_MAX_TASK_BYTES = 320
_MAX_CHECKPOINT_ID_BYTES = 256

_LOW = re.compile(r"[\x00-%]")
_HASHED = "%="  # never in an encoded part: there, two hex digits follow each "%"

# Exactly the parts that `encode` returns, so that two different keys never mean the same item.
_PART = r"[^\x00-%]*(?:%(?:[01][0-9A-F]|2[0-5])[^\x00-%]*)*"
_HASH = r"%=[A-Za-z0-9_-]{22}"
_CHECKPOINT_KEY = re.compile(
    rf"C#({_HASH}|{_PART})#({_PART})(?:#W#({_HASH}|{_PART})(?:#({_PART}))?)?", re.DOTALL
)
_CHUNK_KEY = re.compile(r"S#(0|[1-9][0-9]{0,15})#([A-Za-z0-9_-]{22})")

CHECKPOINTS = "C#"
_FIRST_OF_0_1_3 = "#checkpoint#"
_OF_0_1_3 = (_FIRST_OF_0_1_3, "#write#")
_ALPHABET = sorted("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
"""The characters of a digest in a sort key, in the order of DynamoDB's keys (UTF-8)."""

MAX_CHUNK_RANGES = 1024
"""A bound on the requests that a forged `chunk_count` can cause."""

CHUNKS = "S#"
HEADS = "H#"
MARKER = "M#"
THREAD_ENTRY = "D#"
"""The sort key of a thread's entry. It comes after the checkpoints, which are deleted first."""

UP_TO_CHECKPOINTS = ("\x00", "C$")
AFTER_CHECKPOINTS = ("C$\x00", "\U0010ffff" * 256)
"""Two ranges that together cover all items of a thread, whatever their keys: one with checkpoints
and writes, one with chunks. `$` comes right after `#`, and the last bound is the greatest key."""

_CHECKPOINT_OR_WRITES = re.compile(r"C#[^#]*#[^#]+(#W#[^#]*(#[^#]+)?)?", re.DOTALL)
_UUID_6 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-6[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_UNIX_EPOCH_TICKS = 0x01B21DD213814000  # a UUID counts 100 ns from 1582-10-15


ChunkRef: TypeAlias = tuple[int, bytes]
"""A chunk: its generation and digest."""

ChunkRefs: TypeAlias = frozenset[ChunkRef]


class CheckpointKey(NamedTuple):
    """A parsed sort key. `namespace` and `task` are still encoded, and may be hashes."""

    namespace: str
    checkpoint_id: str
    task: str | None
    channel: str | None
    sort_key: str

    @property
    def checkpoint(self) -> tuple[str, str]:
        """What the keys of a checkpoint and its writes share."""
        return self.namespace, self.checkpoint_id


def encode(part: str) -> str:
    """Percent-encode every character at or below `%`; the sort order stays the same."""
    return _LOW.sub(lambda match: f"%{ord(match[0]):02X}", part)


def decode(part: str) -> str | None:
    """Undo `encode`; `None` if the part is a hash."""
    return None if part.startswith(_HASHED) else unquote(part)


def _bounded(part: str, limit: int) -> str:
    encoded = encode(part)
    if len(encoded.encode()) <= limit:
        return encoded
    return _HASHED + _text(hashlib.blake2b(part.encode(), digest_size=16).digest())


def _text(digest: bytes) -> str:
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def namespace(checkpoint_ns: str) -> str:
    """The key part of a namespace: encoded, or hashed if that is over 400 bytes."""
    return _bounded(checkpoint_ns, _MAX_NAMESPACE_BYTES)


def checkpoint(ns: str, checkpoint_id: str) -> str:
    """The sort key of a checkpoint; `ns` is a key part from `namespace`.

    Raises:
        InvalidInputError: The checkpoint id is too long for a sort key.
    """
    encoded = encode(checkpoint_id)
    if len(encoded.encode()) > _MAX_CHECKPOINT_ID_BYTES:
        raise InvalidInputError(
            f"checkpoint_id={checkpoint_id[:40]!r}… takes over {_MAX_CHECKPOINT_ID_BYTES} bytes in "
            "a sort key; use shorter ids, such as LangGraph's own (36 characters)"
        )
    return f"{CHECKPOINTS}{ns}#{encoded}"


def of_namespace(ns: str) -> tuple[str, str]:
    """Bounds of a namespace's checkpoints and writes; of the root's, with what 0.1.3 stored there.

    A descending query reaches those items only after all checkpoints of this package.
    """
    low, high = below(f"{CHECKPOINTS}{ns}")
    return (_FIRST_OF_0_1_3 if not ns else low), high


def is_of_0_1_3(sort_key: str) -> bool:
    """Whether release 0.1.3 of this distribution, another author's, stored the item."""
    return sort_key.startswith(_OF_0_1_3)


def task(task_id: str) -> str:
    """The key part of a task: encoded, or hashed if that is over 320 bytes."""
    return _bounded(task_id, _MAX_TASK_BYTES)


def writes(checkpoint_key: str, task_id: str, channel: str | None = None) -> str:
    """The sort key of a task's writes; `channel` only for a special channel."""
    key = f"{checkpoint_key}#W#{task(task_id)}"
    return key if channel is None else f"{key}#{encode(channel)}"


def head(ns: str) -> str:
    """The sort key of a namespace's head; `ns` is a key part from `namespace`."""
    return f"{HEADS}{ns}"


def chunk(generation: int, digest: bytes) -> str:
    """The sort key of a chunk."""
    return f"{CHUNKS}{generation}#{_text(digest)}"


def chunk_digest(sort_key: str) -> bytes | None:
    """The digest in a chunk's sort key; `None` if it is not a chunk's."""
    ref = chunk_ref(sort_key)
    return ref and ref[1]


def is_chunk(sort_key: str) -> bool:
    """Whether a sort key is a chunk's."""
    return sort_key.startswith(CHUNKS)


def is_checkpoint_or_writes(sort_key: str) -> bool:
    """Whether a sort key has the form of a checkpoint's or writes item's key."""
    return _CHECKPOINT_OR_WRITES.fullmatch(sort_key) is not None


def chunk_ref(sort_key: str) -> ChunkRef | None:
    """The generation and the digest in a chunk's sort key; `None` if it is not a chunk's."""
    match = _CHUNK_KEY.fullmatch(sort_key)
    return (int(match[1]), urlsafe_b64decode(match[2] + "==")) if match else None


def chunk_ranges(generation: int, count: int) -> list[tuple[str, str]]:
    """Bounds (both inclusive) that split a generation's chunks into `count` ranges.

    Digests are distributed evenly, so the ranges have about the same number of chunks.
    """
    prefix = f"{CHUNKS}{generation}#"
    base = len(_ALPHABET)
    places = [divmod(base * base * part // count, base) for part in range(count)]
    starts = [_ALPHABET[first] + _ALPHABET[second] for first, second in places]
    ends = [*starts[1:], "~"]  # `~` comes after all of the alphabet
    return [(f"{prefix}{start}", f"{prefix}{end}") for start, end in zip(starts, ends, strict=True)]


def parse(sort_key: str) -> CheckpointKey:
    """Parse the sort key of a checkpoint or writes item.

    Raises:
        CorruptCheckpointError: The saver writes no such key.
    """
    match = _CHECKPOINT_KEY.fullmatch(sort_key)
    if match is None or not 0 < len(match[2].encode()) <= _MAX_CHECKPOINT_ID_BYTES:
        raise CorruptCheckpointError(
            f"sort key {sort_key!r} is not one of a checkpoint or its writes: the item is damaged, "
            "or another application writes to the table"
        )
    ns, checkpoint_id, task, channel = match.groups()
    channel = unquote(channel) if channel else None
    return CheckpointKey(ns, unquote(checkpoint_id), task, channel, sort_key)


def is_checkpoint_id(value: object) -> bool:
    """Whether the value can be the id of a stored checkpoint."""
    return isinstance(value, str) and 0 < len(encode(value).encode()) <= _MAX_CHECKPOINT_ID_BYTES


def made_at(checkpoint_id: str) -> float | None:
    """When a checkpoint id was made, in epoch seconds; `None` for an id without a time.

    LangGraph's ids are UUIDs of version 6, which hold a time in units of 100 ns:
    https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-6
    """
    if not _UUID_6.fullmatch(checkpoint_id):
        return None
    digits = checkpoint_id.replace("-", "")
    ticks = int(digits[:12] + digits[13:16], 16)
    return (ticks - _UNIX_EPOCH_TICKS) / 10_000_000


def below(prefix: str) -> tuple[str, str]:
    """Bounds (both inclusive) of all keys that equal `prefix` or begin with `prefix` and `#`.

    `$` comes right after `#`, and no part begins with it.
    """
    return prefix, f"{prefix}$"


ALL_CHECKPOINTS = below(CHECKPOINTS.rstrip("#"))
ALL_HEADS = below(HEADS.rstrip("#"))
ALL_CHUNKS = below(CHUNKS.rstrip("#"))
ALL_BUT_CHUNKS = ALL_CHECKPOINTS[0], ALL_HEADS[1]
