"""Savers on a table of DynamoDB Local."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig

TABLE = "hosts-agents"

os.environ.update(
    {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": os.environ["DYNAMODB_ENDPOINT"],
        "LANGSMITH_TRACING": "false",
    }
)
CONFIG = DynamoDBConfig(table_config=DynamoDBTableConfig(table_name=TABLE))


@pytest.fixture(scope="session", autouse=True)
def table() -> Iterator[None]:
    with DynamoDBSaver(CONFIG, deploy=True) as saver:
        yield
        saver.destroy()


@pytest.fixture
def new_saver(table: None) -> Iterator[Callable[[], DynamoDBSaver]]:
    """Savers that have nothing in memory, as in processes of their own."""
    made: list[DynamoDBSaver] = []

    def make() -> DynamoDBSaver:
        made.append(DynamoDBSaver(CONFIG))
        return made[-1]

    yield make
    for saver in made:
        saver.close()


@pytest.fixture
def thread() -> Any:
    return {"configurable": {"thread_id": str(uuid.uuid4())}}
