"""The shipped template: configurations to evaluate it for, and stacks on moto."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import boto3

from langgraph_checkpoint_dynamodb.config import (
    BillingMode,
    DynamoDBTableConfig,
)
from langgraph_checkpoint_dynamodb.template import (
    load_template,
    resolve,
)

TEMPLATE_FILE = Path(__file__).parents[1] / "template.yaml"
TEMPLATE = load_template()


def table_of(parameters: dict[str, str]) -> dict[str, Any]:
    (table,) = resolve(TEMPLATE, parameters).values()
    assert table.type == "AWS::DynamoDB::Table"
    return table.properties


def configs() -> list[DynamoDBTableConfig]:
    """Every combination of the switches, in both billing modes."""
    modes: list[dict[str, Any]] = [
        {},
        {"billing_mode": BillingMode.PROVISIONED, "read_capacity": 5, "write_capacity": 7},
    ]
    return [
        DynamoDBTableConfig(
            table_name="some.table_-1",
            enable_encryption=encryption,
            enable_point_in_time_recovery=recovery,
            enable_ttl=ttl,
            ttl_attribute=attribute,
            **mode,
        )
        for mode in modes
        for encryption, recovery, ttl in itertools.product([True, False], repeat=3)
        for attribute in ("ttl", "expires at")
    ]


def create_stack(name: str, parameters: dict[str, str]) -> dict[str, Any]:
    client = boto3.client("cloudformation", "eu-central-1")
    client.create_stack(
        StackName=name,
        TemplateBody=TEMPLATE_FILE.read_text(encoding="utf-8"),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
    )
    (stack,) = client.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return stack
