"""Making a saver."""

from __future__ import annotations

import pickle
import re
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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda saver: saver.prune(["t"], keep=1), "DynamoDBSaver.prune() got an unexpected"),
        (lambda saver: saver.prune_threads(), "DynamoDBSaver.prune_threads() missing 1 required"),
        (lambda saver: saver.warm(1, 2), "DynamoDBSaver.warm() takes from 1 to 2 positional"),
        (lambda saver: saver.list_threads(owners=1), "DynamoDBSaver.list_threads() got an"),
        (lambda saver: saver.migrate(), "DynamoDBSaver.migrate() missing 1 required"),
        (lambda saver: saver.afrom_stack("s", ttl=1), "DynamoDBSaver.afrom_stack() got an"),
        (lambda saver: type(saver).from_stack("s", ttl=1), "DynamoDBSaver.from_stack() got an"),
    ],
)
def test_an_unknown_argument_is_reported_under_the_saver_s_name(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
        call(DynamoDBSaver())


def test_a_method_is_found_by_its_name() -> None:
    for method in (DynamoDBSaver.prune, DynamoDBSaver.alist_threads, DynamoDBSaver.get_tuple):
        assert pickle.loads(pickle.dumps(method)) is method


def test_the_default_table_is_the_documented_one() -> None:
    assert DynamoDBSaver().config.table_config == DynamoDBTableConfig(
        table_name="langgraph-checkpoint"
    )
