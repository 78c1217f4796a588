"""A misspelt or misplaced argument is answered with the right one."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import pytest

from langgraph_checkpoint_dynamodb import (
    ConfigurationError,
    DynamoDBConfig,
    DynamoDBSaver,
    DynamoDBTableConfig,
    SourceTable,
)

SLIPS: dict[str, tuple[type[Any], str, str]] = {
    "the table's name for the saver": (
        DynamoDBSaver,
        "table_name",
        "DynamoDBSaver has no argument 'table_name': DynamoDBTableConfig has it; pass "
        "DynamoDBConfig(table_config=DynamoDBTableConfig(table_name=…))",
    ),
    "the table's name for the configuration": (
        DynamoDBConfig,
        "table_name",
        "DynamoDBConfig has no argument 'table_name': DynamoDBTableConfig has it; pass "
        "DynamoDBConfig(table_config=DynamoDBTableConfig(table_name=…))",
    ),
    "the region for the table": (
        DynamoDBTableConfig,
        "region_name",
        "DynamoDBTableConfig has no argument 'region_name': DynamoDBConfig has it; pass "
        "DynamoDBConfig(region_name=…)",
    ),
    "the deployment for the configuration": (
        DynamoDBConfig,
        "deploy",
        "DynamoDBConfig has no argument 'deploy': DynamoDBSaver has it; pass "
        "DynamoDBSaver(deploy=…)",
    ),
    "misspelt": (
        DynamoDBConfig,
        "max_retrys",
        "DynamoDBConfig has no argument 'max_retrys': did you mean 'max_retries'?",
    ),
    "misspelt and misplaced": (
        DynamoDBSaver,
        "ttl_second",
        "DynamoDBSaver has no argument 'ttl_second': did you mean 'ttl_seconds', in "
        "DynamoDBConfig(table_config=DynamoDBTableConfig(ttl_seconds=…))?",
    ),
    "a part of the name": (
        DynamoDBConfig,
        "region",
        "DynamoDBConfig has no argument 'region': did you mean 'region_name'?",
    ),
    "a part of several names": (
        DynamoDBTableConfig,
        "ttl",
        "DynamoDBTableConfig has no argument 'ttl': did you mean 'enable_ttl' or 'ttl_attribute' "
        "or 'ttl_seconds'?",
    ),
    "another unit": (
        DynamoDBTableConfig,
        "ttl_days",
        "DynamoDBTableConfig has no argument 'ttl_days': did you mean 'ttl_seconds'?",
    ),
    "another unit, misplaced": (
        DynamoDBConfig,
        "ttl_hours",
        "DynamoDBConfig has no argument 'ttl_hours': did you mean 'ttl_seconds', in "
        "DynamoDBConfig(table_config=DynamoDBTableConfig(ttl_seconds=…))?",
    ),
    "a unit that the name has not": (
        DynamoDBConfig,
        "max_retry_delay_seconds",
        "DynamoDBConfig has no argument 'max_retry_delay_seconds': did you mean 'max_retry_delay'?",
    ),
    "a part of a name, misplaced": (
        DynamoDBSaver,
        "region",
        "DynamoDBSaver has no argument 'region': did you mean 'region_name', in "
        "DynamoDBConfig(region_name=…)?",
    ),
    "like nothing": (
        DynamoDBSaver,
        "colour",
        "DynamoDBSaver has no argument 'colour': its arguments are config, deploy, serde, "
        "read_through",
    ),
}


@pytest.mark.parametrize("case", SLIPS)
def test_the_error_names_the_way_out(case: str) -> None:
    cls, name, message = SLIPS[case]
    with pytest.raises(ConfigurationError) as caught:
        cls(**{name: "x"})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("cls", "arguments", "message"),
    [
        (
            DynamoDBConfig,
            ("x",),
            "DynamoDBConfig has a str without a name: pass "
            "DynamoDBConfig(table_config=…), or another of table_config, region_name,",
        ),
        (
            DynamoDBTableConfig,
            ("chats",),
            "DynamoDBTableConfig has a str without a name: pass "
            "DynamoDBConfig(table_config=DynamoDBTableConfig(table_name=…)), or another of ",
        ),
        (
            SourceTable,
            ("0.1.3", "chats"),
            "SourceTable has a str without a name: pass "
            "SourceTable(layout=…), or another of layout, table_name, bucket",
        ),
        (
            SourceTable,
            (),
            "SourceTable lacks an argument: pass SourceTable(layout=…, table_name=…)",
        ),
        (
            DynamoDBSaver,
            (None, True),
            "DynamoDBSaver has a bool without a name: pass DynamoDBSaver(deploy=…)",
        ),
    ],
)
def test_what_has_no_name_and_what_is_missing(
    cls: type[Any], arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        cls(*arguments)
    assert str(caught.value).startswith(message)


def test_the_signature_is_kept() -> None:
    assert "max_retries" in inspect.signature(DynamoDBConfig).parameters
    assert [*inspect.signature(DynamoDBSaver).parameters][:2] == ["config", "deploy"]


def test_a_subclass_may_have_arguments_of_its_own() -> None:
    class Named(DynamoDBSaver):
        def __init__(self, config: DynamoDBConfig, *, name: str) -> None:
            super().__init__(config)
            self.name = name

    assert Named(DynamoDBConfig(), name="mine").name == "mine"


def test_a_configuration_can_be_replaced() -> None:
    assert replace(DynamoDBConfig(max_retries=1), max_retries=2).max_retries == 2
