"""A checkpointer of a project's own: `./checkpoints.py:checkpointer` in `langgraph.json`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig


@asynccontextmanager
async def checkpointer() -> AsyncIterator[DynamoDBSaver]:
    table = DynamoDBTableConfig(table_name=os.environ["LANGGRAPH_DYNAMODB_TABLE"])
    url = os.environ["LANGGRAPH_DYNAMODB_ENDPOINT_URL"]
    async with DynamoDBSaver(DynamoDBConfig(table_config=table, endpoint_url=url)) as saver:
        yield saver
