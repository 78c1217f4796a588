"""Tables that other savers wrote (`scripts/write_migration_sources.py`), and what was put."""

from __future__ import annotations

import base64
import gzip
import json
import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from clients import REGION, sync_session
from golden_table import GoldenTable
from langgraph_checkpoint_dynamodb import SourceTable
from migration_graph import CountingSaver

_DIRECTORY = Path(__file__).parents[1] / "migration_sources"
LAYOUTS = {
    "aws": "langgraph-checkpoint-aws",
    "aws-gzip": "langgraph-checkpoint-aws",
    "aws-s3": "langgraph-checkpoint-aws",
    "dynamodb-checkpoint": "langgraph-dynamodb-checkpoint",
    "0.1.3": "0.1.3",
}
_BATCH = 25
BUCKET, PREFIX = "offloaded", "some/prefix"


class Dump:
    """A table as it was written."""

    def __init__(self, name: str) -> None:
        text = gzip.decompress((_DIRECTORY / f"{name}.json.gz").read_bytes())
        self._dump = json.loads(text, object_hook=_decoded)
        self.name = name
        self.written_at: int = self._dump["written_at"]
        self.items: list[dict[str, Any]] = self._dump["items"]

    def load(self, dynamodb: Any, table: str) -> SourceTable:
        """Create the table; returns what `migrate` takes."""
        create_table(dynamodb, table)
        self.put_items(dynamodb, table)
        return self.source(table)

    def source(self, table: str) -> SourceTable:
        """What `migrate` takes."""
        s3 = {"bucket": BUCKET, "key_prefix": PREFIX} if self.objects else {}
        return SourceTable(layout=LAYOUTS[self.name], table_name=table, **s3)

    def in_memory(self) -> GoldenTable:
        """A table in memory that has the items, at the time at which they were written."""
        table = GoldenTable()
        table.now = self.written_at
        table.items = {(item["PK"]["S"], item["SK"]["S"]): item for item in self.items}
        table.objects = {(BUCKET, key): body for key, body in self.objects.items()}
        return table

    def put_items(self, dynamodb: Any, table: str) -> None:
        for start in range(0, len(self.items), _BATCH):
            batch = [{"PutRequest": {"Item": i}} for i in self.items[start : start + _BATCH]]
            reply = dynamodb.batch_write_item(RequestItems={table: batch})
            assert not reply["UnprocessedItems"]

    @property
    def objects(self) -> dict[str, bytes]:
        return dict(self._dump["objects"])

    @cached_property
    def put(self) -> list[Put]:
        return [Put(*one) for one in self._dump["put"]]

    def writes_of(self, put: Put) -> list[Any]:
        """The writes of a checkpoint that the table has, in the order of replay."""
        if self.name != "0.1.3":
            return sorted(put.writes, key=lambda write: (write[1], write[0], write[2]))
        # It numbers the writes of each call from 0, also those to special channels, so a task's
        # later call overwrites them. It stores no paths.
        last = {(write[0], max(write[2], 0)): write for write in put.writes}
        return [(task, "", *rest) for task, _, *rest in (last[key] for key in sorted(last))]

    def memory(self) -> InMemorySaver:
        """LangGraph's own saver with what the table has."""
        saver = CountingSaver()
        for one in sorted(self.put, key=lambda one: one.id):
            parent = {**one.config["configurable"], "checkpoint_id": one.parent_id}
            versions = one.checkpoint["channel_versions"]
            saver.put({"configurable": parent}, one.checkpoint, one.metadata, versions)
            writes = self.writes_of(one)
            for task_id, path in dict.fromkeys((write[0], write[1]) for write in writes):
                own = [(channel, value) for task, _, _, channel, value in writes if task == task_id]
                saver.put_writes(one.config, own, task_id, path)
        return saver


@contextmanager
def run_s3() -> Iterator[str]:
    """A server of moto with what langgraph-checkpoint-aws has stored in S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    s3 = sync_session().client("s3", endpoint_url=url)
    location = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=location)
    for key, body in Dump("aws-s3").objects.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    try:
        yield url
    finally:
        server.stop()


def create_table(dynamodb: Any, table: str) -> None:
    keys = {"PK": "HASH", "SK": "RANGE"}
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        BillingMode="PAY_PER_REQUEST",
    )


def small_table(thread_id: str, ids: tuple[str, str] = ("1", "2")) -> SourceTable:
    """A table of langgraph-checkpoint-aws with two checkpoints of a thread; the newest is in S3."""
    table = f"small-{uuid.uuid4().hex}"
    dynamodb, s3 = sync_session().client("dynamodb"), sync_session().client("s3")
    create_table(dynamodb, table)
    for checkpoint_id in ids:
        checkpoint = empty_checkpoint() | {"id": checkpoint_id}
        checkpoint["channel_values"] = {"a": random.Random(1).randbytes(5000)}
        checkpoint["channel_versions"] = {"a": checkpoint_id}
        value = {"checkpoint": checkpoint, "metadata": {"step": 1}}
        kind, payload = JsonPlusSerializer().dumps_typed(value)
        is_in_s3 = checkpoint_id == ids[1]
        ref_key = f"CHUNK_{thread_id}##{checkpoint_id}"
        item = {
            "PK": f"CHECKPOINT_{thread_id}",
            "SK": f"#{checkpoint_id}",
            "id": checkpoint_id,
            "ns": "",
            "type": kind,
            "ref_loc": "S3" if is_in_s3 else "DYNAMODB",
            "ref_key": ref_key,
        }
        if is_in_s3:
            item["parent_checkpoint_id"] = ids[0]
            s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{ref_key}", Body=payload)
        else:
            chunk = {"PK": {"S": ref_key}, "SK": {"S": "CHUNK"}, "payload": {"B": payload}}
            dynamodb.put_item(TableName=table, Item=chunk)
        dynamodb.put_item(TableName=table, Item={n: {"S": value} for n, value in item.items()})
    return SourceTable(layout=LAYOUTS["aws"], table_name=table, bucket=BUCKET, key_prefix=PREFIX)


class Put:
    """A checkpoint and its writes, as the graph has put them."""

    def __init__(self, name: Any, parent_id: str | None, values: Any, writes: Any) -> None:
        self.config = {"configurable": name}
        self.name = (name["thread_id"], name["checkpoint_ns"], name["checkpoint_id"])
        self.id, self.parent_id = name["checkpoint_id"], parent_id
        self.checkpoint, self.metadata = _value(values)
        self.writes = [(*write[:4], _value(write[4])) for write in writes]
        """Task, path, index, channel and value."""


def _decoded(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["base64"]) if value.keys() == {"base64"} else value


def _value(typed: Any) -> Any:
    kind, data = typed
    return InMemorySaver().serde.loads_typed((kind, base64.b64decode(data)))
