"""A saver that shows what the network alone costs.

It sends one request for each durable call and one for each resume, and keeps the checkpoints
in memory. Its clients have the settings of this project's saver.
"""

from collections.abc import Sequence
from typing import Any

import boto3
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
)

from langgraph_checkpoint_dynamodb import DynamoDBConfig
from langgraph_checkpoint_dynamodb.drivers import client_config

BODY = bytes(512)
"""What is stored: under one write unit, as most of a small turn's items are."""


class NullSaver(BaseCheckpointSaver[str]):
    """Neither serializes nor forgets: for one process, and for graphs without subgraphs."""

    def __init__(self, table: str) -> None:
        super().__init__()
        self._table = table
        self._arguments = client_config.client_arguments(DynamoDBConfig())
        self._client = boto3.Session().client("dynamodb", **self._arguments)
        self._opened: Any = None
        self._async_client: Any = None
        self._threads: dict[str, CheckpointTuple] = {}
        self._writes: dict[tuple[str, str], dict[tuple[str, int], tuple[str, str, Any]]] = {}

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,  # noqa: ARG002 - all of it is kept
    ) -> RunnableConfig:
        self._client.put_item(**self._write(config, checkpoint["id"]))
        return self._keep(config, checkpoint, metadata)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,  # noqa: ARG002 - all of it is kept
    ) -> RunnableConfig:
        client = await self._native()
        await client.put_item(**self._write(config, checkpoint["id"]))
        return self._keep(config, checkpoint, metadata)

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",  # noqa: ARG002 - one order is as good as another
    ) -> None:
        self._client.put_item(**self._write(config, task_id))
        self._keep_writes(config, writes, task_id)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",  # noqa: ARG002 - one order is as good as another
    ) -> None:
        client = await self._native()
        await client.put_item(**self._write(config, task_id))
        self._keep_writes(config, writes, task_id)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        self._client.query(**self._read(config))
        return self._newest(config)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        client = await self._native()
        await client.query(**self._read(config))
        return self._newest(config)

    async def aclose(self) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(None, None, None)

    async def _native(self) -> Any:
        """The client of the only event loop; `aget_tuple` makes it before others ask for it."""
        if self._async_client is None:
            arguments = dict(self._arguments)
            arguments["config"] = AioConfig().merge(arguments["config"])
            self._opened = get_session().create_client("dynamodb", **arguments)
            self._async_client = await self._opened.__aenter__()
        return self._async_client

    def _write(self, config: RunnableConfig, name: str) -> dict[str, Any]:
        thread = str(config["configurable"]["thread_id"])
        item = {"PK": {"S": thread}, "SK": {"S": name}, "B": {"B": BODY}}
        return {"TableName": self._table, "Item": item}

    def _read(self, config: RunnableConfig) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "KeyConditionExpression": "PK = :pk",
            "ExpressionAttributeValues": {":pk": {"S": str(config["configurable"]["thread_id"])}},
            "ScanIndexForward": False,
            "Limit": 1,
            "ConsistentRead": True,
        }

    def _keep(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata
    ) -> RunnableConfig:
        thread = config["configurable"]["thread_id"]
        parent = get_checkpoint_id(config)
        if parent is not None:
            self._writes.pop((thread, parent), None)
        place = {"thread_id": thread, "checkpoint_ns": "", "checkpoint_id": checkpoint["id"]}
        stored: RunnableConfig = {"configurable": place}
        self._threads[thread] = CheckpointTuple(stored, checkpoint, metadata, config)
        return stored

    def _keep_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str
    ) -> None:
        place = config["configurable"]
        kept = self._writes.setdefault((place["thread_id"], place["checkpoint_id"]), {})
        for index, (channel, value) in enumerate(writes):
            kept[task_id, WRITES_IDX_MAP.get(channel, index)] = (task_id, channel, value)

    def _newest(self, config: RunnableConfig) -> CheckpointTuple | None:
        place = config["configurable"]
        found = self._threads.get(place["thread_id"])
        if found is None or get_checkpoint_id(config) not in (None, found.checkpoint["id"]):
            return None
        writes = self._writes.get((place["thread_id"], found.checkpoint["id"]), {})
        return found._replace(pending_writes=list(writes.values()))
