"""Tables of langgraph-dynamodb-checkpoint.

The partition key is the thread id. A checkpoint has its id as sort key, a write
`<checkpoint id>$<task>$<index>`. The attribute `checkpoint_key` also has the namespace:
`checkpoint$<thread>$<ns>$<id>` and `writes$<thread>$<ns>$<id>$<task>$<index>`. Values are
in Base64.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

from ..format import requests
from ..format.body import Typed
from ..runtime.effects import Call, Item
from .table_reader import PartitionReader, StoredWrite

_INDEX = re.compile(r"-?\d{1,9}")


@dataclass(frozen=True, slots=True)
class DynamoDBCheckpointReader(PartitionReader):
    """Reads one thread."""

    @staticmethod
    def scan(table: str, start: Item | None) -> Call:
        """One page of a scan for threads."""
        condition = "begins_with(#a, :v)"
        return requests.scan_threads(table, condition, "checkpoint_key", "checkpoint$", start)

    def parse_checkpoint(self, item: Item) -> tuple[str, str] | None:
        """The namespace and id of a checkpoint's item."""
        ns = self._namespace(item, "checkpoint")
        return None if ns is None else (ns, item["SK"]["S"])

    def parse_write(self, item: Item) -> StoredWrite | None:
        """The write in an item."""
        ns = self._namespace(item, "writes")
        if ns is None:
            return None
        checkpoint_id, _, rest = item["SK"]["S"].partition("$")
        task_id, _, index = rest.rpartition("$")
        if not _INDEX.fullmatch(index):
            raise self.lacks(item, "SK")
        path, channel = self.optional_text(item, "task_path") or "", self.text(item, "channel")
        return StoredWrite(ns, checkpoint_id, task_id, path, int(index), channel, item)

    def _namespace(self, item: Item, kind: str) -> str | None:
        """What is in the key between thread and sort key, which may contain the separator too."""
        key = item.get("checkpoint_key", {}).get("S", "")
        before, after = f"{kind}${self.copy.thread_id}$", f"${item['SK']['S']}"
        is_whole = key.startswith(before) and key.endswith(after)
        return key[len(before) : -len(after)] if is_whole else None

    def load_checkpoint(self, item: Item) -> tuple[Any, Any]:
        """The checkpoint and its metadata, a list of type and value."""
        try:
            kind, value = (one["S"] for one in item["metadata"]["L"])
        except (KeyError, ValueError) as error:
            raise self.lacks(item, "metadata") from error
        metadata = (kind, self._decode(item, "metadata", value))
        return self.load(self.typed(item, "checkpoint"), item), self.load(metadata, item)

    def typed(self, item: Item, attribute: str) -> Typed:
        """The type and bytes of a value."""
        return self.text(item, "type"), self._decode(item, attribute, self.text(item, attribute))

    def _decode(self, item: Item, attribute: str, value: str) -> bytes:
        try:
            return base64.b64decode(value, validate=True)
        except ValueError as error:  # also for text that is not ASCII
            raise self.lacks(item, attribute) from error
