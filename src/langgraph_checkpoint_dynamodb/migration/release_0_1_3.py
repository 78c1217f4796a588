"""Tables of release 0.1.3 of this distribution, another author's.

The partition key is the thread id. A checkpoint has the sort key `<ns>#checkpoint#<id>`; its values
and metadata share one type. A write has `<ns>#write#<id>#<task>#<index>`. A write to a special
channel has its place in its call as index, so the same task's next call has overwritten it. Task
paths are not stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..format import requests
from ..format.body import Typed
from ..runtime.effects import Call, Item
from .table_reader import PartitionReader, StoredWrite

_CHECKPOINT = "#checkpoint#"
_WRITE = "#write#"


@dataclass(frozen=True, slots=True)
class Release013Reader(PartitionReader):
    """Reads one thread."""

    @staticmethod
    def scan(table: str, start: Item | None) -> Call:
        """One page of a scan for threads."""
        return requests.scan_threads(table, "contains(#a, :v)", "SK", _CHECKPOINT, start)

    def parse_checkpoint(self, item: Item) -> tuple[str, str] | None:
        """The namespace may contain the separators, so it is what the id leaves of the key."""
        if "checkpoint" not in item:
            return None
        checkpoint_id = self.text(item, "checkpoint_id")
        ns, separator, rest = item["SK"]["S"].rpartition(f"{_CHECKPOINT}{checkpoint_id}")
        return (ns, checkpoint_id) if separator and not rest else None

    def parse_write(self, item: Item) -> StoredWrite | None:
        """As for a checkpoint."""
        if "value" not in item or "idx" not in item:
            return None
        task_id, index = self.text(item, "task_id"), self.whole_number(item, "idx")
        of_checkpoint, separator, rest = item["SK"]["S"].rpartition(f"#{task_id}#{index:010d}")
        ns, is_write, checkpoint_id = of_checkpoint.rpartition(_WRITE)
        if not separator or rest or not is_write:
            return None
        channel = self.text(item, "channel")
        return StoredWrite(ns, checkpoint_id, task_id, None, index, channel, item)

    def load_checkpoint(self, item: Item) -> tuple[Any, Any]:
        """The checkpoint and its metadata."""
        return (
            self.load(self.typed(item, "checkpoint"), item),
            self.load(self.typed(item, "metadata"), item),
        )

    def typed(self, item: Item, attribute: str) -> Typed:
        """The type and bytes of a value."""
        return self.text(item, "type"), self.binary(item, attribute)
