"""`storage`: the items and bytes of a thread, by kind and by channel.

The partition is read once, in pages: chunks first, then what refers to them, as in garbage
collection. Only the sizes of what was read are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..format import items, keys, requests
from ..format.item_size import item_size, write_units
from ..runtime.context import Context
from ..runtime.effects import Compute, Item, Operation
from ..serialization import encode, headers
from ..storage import batches, chunk_reader
from ..storage.body_reader import Opened, open_bodies
from ..storage.chunk_reader import Chunks
from .storage_report import ChannelStorage, StorageKind, StorageReport, StoredItems

_HEADERS = None
"""Stands for no channel: what a checkpoint or writes item has beside values."""

_Name = str | None
_Ref = tuple[int, bytes]


def storage(context: Context, thread_id: str) -> Operation[StorageReport]:
    """Count what a thread has in the table; expired items are included.

    Raises:
        CorruptCheckpointError: A checkpoint or writes item is damaged.
        DeserializationError: The serde cannot read a header.
    """
    count = _Count(context, thread_id)
    for bounds, take in (
        (keys.AFTER_CHECKPOINTS, count.take_chunks),
        (keys.UP_TO_CHECKPOINTS, count.take_items),
    ):
        call = requests.query(context.table, thread_id, bounds)
        yield from batches.each_page(call, take)
    return count.report()


@dataclass(slots=True)
class _Use:
    """How a chunk is used: the first channel by name, and how many items refer to it."""

    name: _Name
    items: int = 0


@dataclass(slots=True)
class _Count:
    context: Context
    thread_id: str
    kinds: dict[StorageKind, StoredItems] = field(
        default_factory=lambda: dict.fromkeys(StorageKind, StoredItems())
    )
    chunks: dict[_Ref, StoredItems] = field(default_factory=dict)
    inline: Counter[_Name] = field(default_factory=Counter)
    uses: dict[_Ref, _Use] = field(default_factory=dict)

    def take_chunks(self, page: Sequence[Item]) -> Operation[None]:
        """Count a page of chunks, and of whatever else has such keys."""
        for item in page:
            ref = keys.chunk_ref(items.sort_key(item))
            found = self._add(StorageKind.OTHER if ref is None else StorageKind.CHUNKS, item)
            if ref is not None:
                self.chunks[ref] = found
        yield from ()

    def take_items(self, page: Sequence[Item]) -> Operation[None]:
        """Count a page of checkpoints, writes and whatever else has such keys."""
        context, thread_id = self.context, self.thread_id
        found: list[Item] = []
        for item in page:
            is_ours = keys.is_checkpoint_or_writes(items.sort_key(item))
            if is_ours and not items.is_tombstone(item):
                found.append(item)
            else:
                self._add(StorageKind.OTHER, item)
        opened = yield from open_bodies(context, thread_id, found, f"thread {thread_id!r}")
        channels: list[list[str]] = yield Compute(
            lambda: list(map(self._channels, found, opened)),
            lambda: sum(map(items.body_size, found)),
        )
        records = encode.records_of(one.body for one in opened)
        loaded = yield from chunk_reader.load(context, thread_id, records, only_lists=True)
        for item, one, names in zip(found, opened, channels, strict=True):
            self._take_inline(item, one, names)
            self._take_refs(one, names, loaded)

    def report(self) -> StorageReport:
        """The report on all that was taken."""
        found = {name: ChannelStorage(inline) for name, inline in self.inline.items()}
        unreferenced = StoredItems()
        for ref, chunk in self.chunks.items():
            use = self.uses.get(ref)
            if use is None:
                unreferenced += chunk
                continue
            before = found.get(use.name, ChannelStorage())
            found[use.name] = (
                replace(before, own=before.own + chunk)
                if use.items == 1
                else replace(before, shared=before.shared + chunk)
            )
        rest = found.pop(_HEADERS, ChannelStorage())
        channels = {name: one for name, one in sorted(found.items()) if name is not None}
        return StorageReport(self.thread_id, self.kinds, channels, rest, unreferenced)

    def _add(self, kind: StorageKind, item: Item) -> StoredItems:
        size = item_size(item)
        found = StoredItems(1, size, write_units(size))
        self.kinds[kind] += found
        return found

    def _channels(self, item: Item, opened: Opened) -> list[str]:
        key = items.parse_key(item)
        where = f"thread {self.thread_id!r}, checkpoint {key.checkpoint_id!r}"
        if key.task is None:
            return headers.read_checkpoint_header(self.context, opened.body, where).channels
        return headers.read_writes_header(self.context, opened.body, where).channels

    def _take_inline(self, item: Item, opened: Opened, channels: Sequence[str]) -> None:
        """Divide an item's size among its channels and the rest of it."""
        is_checkpoint = items.parse_key(item).task is None
        kind = StorageKind.CHECKPOINTS if is_checkpoint else StorageKind.WRITES
        size = left = self._add(kind, item).bytes
        records = opened.body.records
        whole = len(opened.body.header[1]) + sum(record.inline_bytes for record in records)
        for channel, record in zip(channels, records, strict=True):
            # The values of a body that was cut are in its chunks.
            share = 0 if opened.refs else size * record.inline_bytes // whole
            self.inline[channel] += share
            left -= share
        self.inline[_HEADERS] += left

    def _take_refs(self, opened: Opened, channels: Sequence[str], loaded: Chunks) -> None:
        """Note which chunks an item refers to, and for which channel."""
        names: dict[bytes, _Name] = dict.fromkeys(opened.refs, _HEADERS)
        for channel, record in sorted(
            zip(channels, opened.body.records, strict=True), key=lambda pair: pair[0], reverse=True
        ):
            names |= dict.fromkeys(loaded.reachable(record), channel)
        for digest, name in names.items():
            use = self.uses.setdefault((opened.body.generation, digest), _Use(name))
            use.items += 1
            if name is not _HEADERS and (use.name is _HEADERS or name < use.name):
                use.name = name
