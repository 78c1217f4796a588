"""The result of `storage`: what a thread has in the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class StorageKind(str, Enum):
    """A kind of item."""

    CHECKPOINTS = "checkpoints"
    """Checkpoints: their headers, small values, and what they refer to chunks with."""
    WRITES = "writes"
    """Pending writes of tasks."""
    CHUNKS = "chunks"
    """Chunks of larger values."""
    OTHER = "other"
    """The entry of the thread in the index, the heads and tombstones of fencing, the marker of a
    copied thread, and items that this package did not write."""


@dataclass(frozen=True, slots=True)
class StoredItems:
    """Some items of a table.

    Attributes:
        items: How many there are.
        bytes: Their size by DynamoDB's rules, names of attributes included.
        write_units: The units that it takes to write each of them once, which are those that it
            takes to delete them. Without those of the indexes.
    """

    items: int = 0
    bytes: int = 0
    write_units: int = 0

    def __add__(self, other: StoredItems) -> StoredItems:
        """Both together."""
        return StoredItems(
            self.items + other.items,
            self.bytes + other.bytes,
            self.write_units + other.write_units,
        )


@dataclass(frozen=True, slots=True)
class ChannelStorage:
    """What a channel has in a thread.

    Attributes:
        inline: Bytes in the items of checkpoints and writes. A body is compressed as a whole, so
            its size is divided in proportion to what its parts were before.
        own: Chunks that a single checkpoint, or a single task's writes, refers to.
        shared: Chunks that several of them refer to.
    """

    inline: int = 0
    own: StoredItems = field(default_factory=StoredItems)
    shared: StoredItems = field(default_factory=StoredItems)

    @property
    def bytes(self) -> int:
        """All bytes of the channel."""
        return self.inline + self.own.bytes + self.shared.bytes


@dataclass(frozen=True, slots=True)
class StorageReport:
    """The items and bytes of a thread.

    A chunk that several channels refer to counts for the first of them by name. So the bytes of
    `channels`, `headers`, `unreferenced` and the kind `OTHER` add up to all bytes.

    Attributes:
        thread_id: The thread.
        kinds: What there is of each kind of item.
        channels: What there is of each channel, in all checkpoints and writes.
        headers: The rest of checkpoints and writes: keys, metadata, versions. A body that was
            itself cut into chunks counts here as a whole.
        unreferenced: Chunks that nothing refers to; `prune` deletes them after an hour.
    """

    thread_id: str
    kinds: Mapping[StorageKind, StoredItems]
    channels: Mapping[str, ChannelStorage]
    headers: ChannelStorage
    unreferenced: StoredItems

    @property
    def total(self) -> StoredItems:
        """All items of the thread."""
        return sum(self.kinds.values(), StoredItems())
