"""Making a saver."""

from __future__ import annotations

import boto3
import pytest

from langgraph_checkpoint_dynamodb import (
    ConfigurationError,
    DynamoDBSaver,
    DynamoDBTableConfig,
)


def test_a_saver_takes_a_config_only() -> None:
    with pytest.raises(ConfigurationError, match="DynamoDBConfig"):
        DynamoDBSaver(DynamoDBTableConfig())  # type: ignore[arg-type]


def test_making_a_saver_needs_no_credentials_region_or_client_library_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(boto3, "Session", None)
    DynamoDBSaver().close()


def test_the_default_table_is_the_documented_one() -> None:
    assert DynamoDBSaver().config.table_config == DynamoDBTableConfig(
        table_name="langgraph-checkpoint"
    )
