"""Sessions of savers share botocore's loader of models, and leave nothing behind in it."""

from __future__ import annotations

from langgraph_checkpoint_dynamodb import DynamoDBConfig
from langgraph_checkpoint_dynamodb.drivers.sessions import sync_session


def test_a_further_session_adds_nothing_to_the_shared_loader() -> None:
    first, second = (
        sync_session(DynamoDBConfig())._session.get_component("data_loader") for _ in range(2)
    )
    assert first is second
    before = list(first.search_paths)
    sync_session(DynamoDBConfig())
    assert first.search_paths == before
