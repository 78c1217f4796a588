"""Write threads with another package's saver; run by `scripts/write_migration_sources.py`.

    python migration_worker.py <source> <table> <bucket> <file>

The file then has what was put, as JSON: LangGraph's `InMemorySaver` is given the same calls.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver

from migration_graph import CountingSaver, converse

BLOB = b"blob " * 75_000  # over 350 KB, from which on langgraph-checkpoint-aws uses S3


def open_saver(source: str, table: str, bucket: str) -> Any:
    if source.startswith("aws"):
        from langgraph_checkpoint_aws import DynamoDBSaver

        options: dict[str, Any] = {}
        if source == "aws-gzip":
            options = {"enable_checkpoint_compression": True, "ttl_seconds": 30 * 24 * 3600}
        if source == "aws-s3":
            options = {"s3_offload_config": {"bucket_name": bucket, "key_prefix": "some/prefix/"}}
        return DynamoDBSaver(table_name=table, **options)
    if source == "dynamodb-checkpoint":
        from langgraph_dynamodb_checkpoint import DynamoDBSaver as Other

        return Other(table_name=table)
    from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig

    return DynamoDBSaver(DynamoDBConfig(DynamoDBTableConfig(table_name=table)), deploy=True)


class Both(BaseCheckpointSaver[Any]):
    """Writes to both savers and reads from the one in memory."""

    def __init__(self, saver: Any) -> None:
        super().__init__()
        self.saver, self.memory = saver, CountingSaver()

    def get_tuple(self, config: Any) -> Any:
        return self.memory.get_tuple(config)

    def list(self, config: Any, **options: Any) -> Any:
        return self.memory.list(config, **options)

    def put(self, *arguments: Any) -> Any:
        self.saver.put(*arguments)
        return self.memory.put(*arguments)

    def put_writes(self, *arguments: Any) -> None:
        self.saver.put_writes(*arguments)
        self.memory.put_writes(*arguments)

    def get_delta_channel_history(self, **arguments: Any) -> Any:
        return self.memory.get_delta_channel_history(**arguments)

    def get_next_version(self, *arguments: Any) -> Any:
        return self.saver.get_next_version(*arguments)


def put_in(memory: InMemorySaver) -> list[Any]:
    found = []
    for one in memory.list(None):
        name = one.config["configurable"]
        stored = memory.writes[name["thread_id"], name["checkpoint_ns"], name["checkpoint_id"]]
        parent = one.parent_config and one.parent_config["configurable"]["checkpoint_id"]
        writes = [
            [task_id, path, index, channel, typed(memory, memory.serde.loads_typed(value))]
            for (task_id, index), (_, channel, value, path) in stored.items()
        ]
        values = typed(memory, (one.checkpoint, one.metadata))
        found.append([name, parent, values, writes])
    return found


def typed(memory: InMemorySaver, value: Any) -> list[str]:
    kind, data = memory.serde.dumps_typed(value)
    return [kind, base64.b64encode(data).decode()]


if __name__ == "__main__":
    source, table, bucket, target = sys.argv[1:]
    both = Both(open_saver(source, table, bucket))
    converse(both, BLOB if source == "aws-s3" else b"")
    Path(target).write_text(json.dumps(put_in(both.memory)))
