"""A table of its own for a campaign."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig

REGION = "eu-central-1"
KEYS = {"aws_access_key_id": "soak", "aws_secret_access_key": "soak"}


@contextmanager
def new_table(endpoint: str, **settings: Any) -> Iterator[DynamoDBConfig]:
    """The configuration of a new table, deleted at the end."""
    name = f"soak-{uuid.uuid4().hex}"
    with DynamoDBSaver(config(endpoint, name, **settings), deploy=True) as saver:
        yield saver.config
        saver.destroy()


def config(endpoint: str, table_name: str, **settings: Any) -> DynamoDBConfig:
    keys = {} if {"session", "async_session"} & settings.keys() else KEYS
    return DynamoDBConfig(
        table_config=DynamoDBTableConfig(table_name=table_name),
        thread_owner="user_id",
        region_name=REGION,
        endpoint_url=endpoint,
        **keys,
        **settings,
    )
