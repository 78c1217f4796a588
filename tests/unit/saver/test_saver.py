"""Making a saver."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

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


@pytest.mark.parametrize("deploy", ["no", 1, None])
def test_deploy_is_true_or_false(deploy: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"deploy={deploy!r}: use True or False"):
        DynamoDBSaver(deploy=deploy)


@pytest.mark.parametrize("serde", [5, 0, "json", SimpleNamespace(dumps_typed=str, loads=str)])
def test_a_serde_serializes(serde: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"serde is a .*dumps_typed and loads_typed"):
        DynamoDBSaver(serde=serde)


def test_a_serde_of_the_earlier_protocol_is_accepted() -> None:
    DynamoDBSaver(serde=SimpleNamespace(dumps=str, loads=str))  # type: ignore[arg-type]


def test_making_a_saver_needs_no_credentials_region_or_client_library_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(boto3, "Session", None)
    DynamoDBSaver().close()


def test_the_default_table_is_the_documented_one() -> None:
    assert DynamoDBSaver().config.table_config == DynamoDBTableConfig(
        table_name="langgraph-checkpoint"
    )
