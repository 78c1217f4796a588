"""The shipped template: configurations to evaluate it for, and stacks on moto."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from moto.cloudformation import parsing

from langgraph_checkpoint_dynamodb.config.table_config import BillingMode, DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.infra.template import load_template, resolve

TEMPLATE_FILE = Path(__file__).parents[2] / "template.yaml"
TEMPLATE = load_template()
TABLE_NAME = "some.table_-1"

STACK_ONLY = frozenset(
    {"CreatePolicies", "PolicyPath"}
    | {"AllowedPrincipals", "CreateExports", "CreateParameters"}
    | {"AlarmTopicArn", "AlarmThrottledRequests", "AlarmUtilization", "ContributorInsights"}
)
"""Parameters of what a stack creates and `deploy=True` does not."""

POLICIES = frozenset(
    f"{name}Policy" for name in ("Runtime", "ReadOnly", "Maintenance", "Operator", "Tenant")
)
PARAMETERS = frozenset(
    f"{name}Parameter"
    for name in (
        *("TableName", "TableArn", "TtlAttribute", "TtlEnabled"),
        *("RunIndexEnabled", "ThreadIndexEnabled"),
    )
)
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"
KMS_KEY = "arn:aws:kms:eu-central-1:123456789012:key/0b283bba-3170-481d-a1fd-c5850f7a13b0"
PROVISIONED: dict[str, Any] = {
    "billing_mode": BillingMode.PROVISIONED,
    "read_capacity": 5,
    "write_capacity": 7,
}
SCALED: dict[str, Any] = {
    "min_read_capacity": 2,
    "max_read_capacity": 50,
    "min_write_capacity": 3,
    "max_write_capacity": 60,
}
_SCALED_READS = {name: units for name, units in SCALED.items() if "read" in name}
_SCALED_WRITES = {name: units for name, units in SCALED.items() if "write" in name}

Settings = dict[str, Any]
Pair = tuple[tuple[int, int], tuple[int, int]]

_FACTORS: list[list[Settings]] = [
    [{}, {"enable_run_index": True}],
    [{}, {"enable_thread_index": False}],
    [{}, {"environment": "prod"}],
    [{}, {"table_class": "STANDARD_INFREQUENT_ACCESS"}],
    [{}, {"enable_deletion_protection": True}],
    [{}, {"enable_encryption": False}, {"kms_key_arn": KMS_KEY}],
    [
        {},
        {"enable_point_in_time_recovery": True},
        {"enable_point_in_time_recovery": True, "point_in_time_recovery_days": 7},
    ],
    [
        {},
        {"ttl_attribute": "expires at"},
        {"enable_ttl": True},
        {"enable_ttl": True, "ttl_attribute": "expires at"},
    ],
]
_CAPACITIES: list[list[Settings]] = [
    [
        {},
        {"max_read_request_units": 11},
        {"max_write_request_units": 13},
        {"max_read_request_units": 11, "max_write_request_units": 13},
        {"warm_read_units": 20_000},
        {"warm_write_units": 9_000},
    ],
    [
        PROVISIONED,
        {**PROVISIONED, **_SCALED_READS},
        {**PROVISIONED, **_SCALED_WRITES},
        {**PROVISIONED, **SCALED},
        {**PROVISIONED, **SCALED, "target_utilization": 50, "index_read_capacity": 2},
        {**PROVISIONED, **SCALED, "scale_in_cooldown": 300, "scale_out_cooldown": 60},
    ],
]


@functools.cache
def configs() -> list[DynamoDBTableConfig]:
    """Every pair of settings of the switches, in both billing modes."""
    return [
        DynamoDBTableConfig(
            table_name=TABLE_NAME,
            **{name: value for settings in row for name, value in settings.items()},
        )
        for capacities in _CAPACITIES
        for row in _rows([capacities, *_FACTORS])
    ]


def _rows(factors: list[list[Settings]]) -> Iterator[list[Settings]]:
    """Rows, an option of each factor in each, that together hold every pair of options."""
    missing = {
        pair
        for left, right in itertools.combinations(range(len(factors)), 2)
        for pair in itertools.product(_options(factors, left), _options(factors, right))
    }
    while missing:
        row = dict(min(missing))
        for factor in range(len(factors)):
            if factor not in row:
                row[factor] = _best_option(row, factor, len(factors[factor]), missing)
        missing -= _pairs(row)
        yield [factors[factor][option] for factor, option in sorted(row.items())]


def _best_option(row: dict[int, int], factor: int, options: int, missing: set[Pair]) -> int:
    return max(range(options), key=lambda option: len(_pairs({**row, factor: option}) & missing))


def _options(factors: list[list[Settings]], factor: int) -> list[tuple[int, int]]:
    return [(factor, option) for option in range(len(factors[factor]))]


def _pairs(row: dict[int, int]) -> set[Pair]:
    return set(itertools.combinations(sorted(row.items()), 2))


def table_of(parameters: dict[str, str]) -> dict[str, Any]:
    table = resolve(TEMPLATE, parameters)["Table"]
    assert table.type == "AWS::DynamoDB::Table"
    return table.properties


def _without_nothing(node: Any, resources: Any) -> Any:
    cleaned = _clean(node, resources)
    if isinstance(cleaned, list):
        return [member for member in cleaned if member is not None]
    return cleaned


_clean = parsing.clean_json
parsing.clean_json = _without_nothing
"""To moto, a member of a list that is `AWS::NoValue` is null; CloudFormation removes it."""


def create_stack(name: str, parameters: dict[str, str]) -> dict[str, Any]:
    client = boto3.client("cloudformation", "eu-central-1")
    client.create_stack(
        StackName=name,
        TemplateBody=TEMPLATE_FILE.read_text(encoding="utf-8"),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    (stack,) = client.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return stack
