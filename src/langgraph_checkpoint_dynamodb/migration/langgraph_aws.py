"""Tables of langgraph-checkpoint-aws.

A checkpoint's item has the keys `CHECKPOINT_<thread>`, `<ns>#<id>`, a write's
`WRITES_<thread>#<ns>#<id>`, `<task>#<index>`. Both name their payload: an item with the keys
`<ref_key>`, `CHUNK`, or an S3 object, where `key_prefix` comes before `ref_key`. A payload may be
compressed by gzip. A checkpoint's payload has the metadata too.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, ClassVar

from ..errors import ConfigurationError, CorruptCheckpointError, StorageError
from ..format import requests
from ..format.body import Typed
from ..runtime.effects import S3, Call, Item, Operation
from ..storage import batches
from .report import LossKind
from .table_reader import StoredWrite, TableReader

_AT_ONCE = 8
"""Checkpoints, and payloads, that are read at once: in the table, a payload has up to 400 KB."""

_VALUE = "value"
"""The attribute that a payload is put in, once it has been read."""


@dataclass(frozen=True, slots=True)
class LangGraphAwsReader(TableReader):
    """Reads one thread."""

    PREFIX: ClassVar[str] = "CHECKPOINT_"

    @staticmethod
    def scan(table: str, start: Item | None) -> Call:
        """One page of a scan for threads."""
        prefix = LangGraphAwsReader.PREFIX
        return requests.scan_threads(table, "begins_with(#a, :v)", "PK", prefix, start)

    def read(self) -> Operation[None]:
        """Read the checkpoints' items, and the payload and writes of each."""
        yield from self.each_page(f"{self.PREFIX}{self.copy.thread_id}", self._take)

    def typed(self, item: Item, attribute: str) -> Typed:
        """The type and bytes of a payload."""
        data = self.binary(item, attribute)
        if "compression" in item:
            try:
                data = gzip.decompress(data)
            except (OSError, EOFError, zlib.error) as error:
                raise CorruptCheckpointError(f"{self.where(item)}: gzip: {error}") from error
        return self.text(item, "type"), data

    def _take(self, page: list[Item]) -> Operation[None]:
        for start in range(0, len(page), _AT_ONCE):
            part = page[start : start + _AT_ONCE]
            names = [(self.text(item, "ns"), self.text(item, "id")) for item in part]
            missing = [
                item
                for item, name in zip(part, names, strict=True)
                if not self.copy.has_checkpoint(*name)
            ]
            payloads = yield from self._payloads(missing)
            for item in payloads:
                parent = self.optional_text(item, "parent_checkpoint_id")
                load = partial(self._load_checkpoint, item)
                yield from self.checkpoint(item["ns"]["S"], item["id"]["S"], parent, load)
            without = {item["SK"]["S"] for item in missing} - {item["SK"]["S"] for item in payloads}
            left = [name for name in names if "#".join(name) not in without]
            yield from self._writes_of(left)

    def _load_checkpoint(self, item: Item) -> tuple[Any, Any]:
        found = self.load(self.typed(item, _VALUE), item)
        if not isinstance(found, dict) or not found.keys() >= {"checkpoint", "metadata"}:
            raise self.lacks(item, "payload")
        return found["checkpoint"], found["metadata"]

    def _writes_of(self, checkpoints: list[tuple[str, str]]) -> Operation[None]:
        if not checkpoints:
            return
        calls = [
            requests.query(
                self.source.table_name, f"WRITES_{self.copy.thread_id}#{ns}#{checkpoint_id}", None
            )
            for ns, checkpoint_id in checkpoints
        ]
        replies = yield calls
        for name, call, reply in zip(checkpoints, calls, replies, strict=True):
            found = list(reply["Items"])
            more = batches.next_page(call, reply)
            if more is not None:
                found += yield from batches.read_range(more)
            writes = [self._parse_write(name, item) for item in self.unexpired(found)]
            for _, task in groupby(writes, lambda one: one.task):
                yield from self._copy_task(list(task))

    def _parse_write(self, checkpoint: tuple[str, str], item: Item) -> StoredWrite:
        task_id, path = self.text(item, "task_id"), self.optional_text(item, "task_path") or ""
        index, channel = self.whole_number(item, "idx"), self.text(item, "channel")
        return StoredWrite(*checkpoint, task_id, path, index, channel, item)

    def _copy_task(self, task: list[StoredWrite]) -> Operation[None]:
        if not self.copy.needs_writes(*task[0].task, [one.channel for one in task]):
            return
        read = yield from self._payloads([one.item for one in task])
        by_key = {item["SK"]["S"]: item for item in read}
        yield from self.writes(
            [
                one._replace(item=by_key[key])
                for one in task
                if (key := one.item["SK"]["S"]) in by_key
            ]
        )

    def _payloads(self, found: list[Item]) -> Operation[list[Item]]:
        """The items with their payloads, without those whose payload is missing."""
        payloads: dict[str, bytes] = {}
        in_table = [self.text(item, "ref_key") for item in found if not self._is_in_s3(item)]
        for start in range(0, len(in_table), _AT_ONCE):
            wanted = [requests.key(one, "CHUNK") for one in in_table[start : start + _AT_ONCE]]
            read = yield from batches.get_all(self.context, wanted, consistent=True)
            payloads.update((item["PK"]["S"], self.binary(item, "payload")) for item in read)
        for item in found:
            if self._is_in_s3(item):
                yield from self._object(self.text(item, "ref_key"), payloads)
        whole = [
            {**item, _VALUE: {"B": payloads[item["ref_key"]["S"]]}}
            for item in found
            if item["ref_key"]["S"] in payloads
        ]
        if len(whole) < len(found):
            self.copy.lose(LossKind.MISSING_PAYLOAD, len(found) - len(whole))
        return whole

    def _object(self, ref_key: str, payloads: dict[str, bytes]) -> Operation[None]:
        """Read an S3 object, one at a time: it may be large."""
        bucket, prefix = self.source.bucket, (self.source.key_prefix or "").strip("/")
        if bucket is None:
            raise ConfigurationError(
                f"thread {self.copy.thread_id!r} of table {self.source.table_name!r} has payloads "
                "in S3: pass SourceTable the bucket (and key_prefix) of its s3_offload_config"
            )
        key = f"{prefix}/{ref_key}" if prefix else ref_key
        try:
            (reply,) = yield [Call("get_object", {"Bucket": bucket, "Key": key}, service=S3)]
        except StorageError as error:
            if error.code != "NoSuchKey":
                raise
        else:
            payloads[ref_key] = reply["Body"]

    def _is_in_s3(self, item: Item) -> bool:
        return self.text(item, "ref_loc") == "S3"
