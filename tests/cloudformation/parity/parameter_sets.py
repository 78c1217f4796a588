"""What the parameters of the template allow, and the configuration that says the same."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import Any

import yaml
from hypothesis import strategies as st

from langgraph_checkpoint_dynamodb import DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.config.table_config import RESERVED_ATTRIBUTES
from parity.oracle import TEMPLATE_FILE, Parameters
from stacks import PARAMETERS, POLICIES, STACK_ONLY, TOPIC

DECLARED: dict[str, dict[str, Any]] = yaml.safe_load(TEMPLATE_FILE.read_text("utf-8"))["Parameters"]

KEY_ARN = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
_READ_SCALING = {"MinReadCapacity": "3", "MaxReadCapacity": "11"}
_WRITE_SCALING = {"MinWriteCapacity": "4", "MaxWriteCapacity": "13"}
_PROVISIONED = {"BillingMode": "PROVISIONED", "ReadCapacity": "5", "WriteCapacity": "7"}

FACTORS: tuple[tuple[Parameters, ...], ...] = (
    (
        {},
        {"MaxReadRequestUnits": "17"},
        {"MaxWriteRequestUnits": "19"},
        {"MaxReadRequestUnits": "17", "MaxWriteRequestUnits": "19", "WarmReadUnits": "20001"},
        {"WarmWriteUnits": "9001"},
        _PROVISIONED,
        _PROVISIONED | _READ_SCALING,
        _PROVISIONED | _WRITE_SCALING,
        _PROVISIONED | _READ_SCALING | _WRITE_SCALING,
    ),
    (
        {},
        {
            "TargetUtilization": "55",
            "IndexReadCapacity": "2",
            "ScaleInCooldown": "21",
            "ScaleOutCooldown": "22",
        },
    ),
    (
        {},
        {"EnablePointInTimeRecovery": "false"},
        {"EnablePointInTimeRecovery": "false", "PointInTimeRecoveryDays": "6"},
        {"PointInTimeRecoveryDays": "6"},
    ),
    ({}, {"EnableEncryption": "false"}, {"KmsKeyArn": KEY_ARN}),
    (
        {},
        {"EnableTtl": "true"},
        {"EnableTtl": "true", "TtlAttribute": "expires at"},
        {"TtlAttribute": "expires at"},
    ),
    ({}, {"EnableDeletionProtection": "true"}),
    ({}, {"TableClass": "STANDARD_INFREQUENT_ACCESS"}),
    ({}, {"EnableRunIndex": "true"}),
    ({}, {"EnableThreadIndex": "false"}),
    (
        {},
        {"TableName": "some.table_-1", "Environment": "prod"},
        {"TableName": "", "CreatePolicies": "true"},
        {"AlarmTopicArn": TOPIC},
        {"CreateParameters": "true", "CreateExports": "false"},
    ),
)
"""Each is the ways to set parameters that belong together; what is missing takes its default."""

GENERATED_NAME = "stack-Table-1A2B3C4D5E6F7"
"""What the oracle calls a table that the parameters give no name."""

_FIELDS = {
    "TableName": "table_name",
    "Environment": "environment",
    "BillingMode": "billing_mode",
    "ReadCapacity": "read_capacity",
    "WriteCapacity": "write_capacity",
    "IndexReadCapacity": "index_read_capacity",
    "MinReadCapacity": "min_read_capacity",
    "MaxReadCapacity": "max_read_capacity",
    "MinWriteCapacity": "min_write_capacity",
    "MaxWriteCapacity": "max_write_capacity",
    "TargetUtilization": "target_utilization",
    "ScaleInCooldown": "scale_in_cooldown",
    "ScaleOutCooldown": "scale_out_cooldown",
    "MaxReadRequestUnits": "max_read_request_units",
    "MaxWriteRequestUnits": "max_write_request_units",
    "WarmReadUnits": "warm_read_units",
    "WarmWriteUnits": "warm_write_units",
    "EnablePointInTimeRecovery": "enable_point_in_time_recovery",
    "PointInTimeRecoveryDays": "point_in_time_recovery_days",
    "EnableEncryption": "enable_encryption",
    "KmsKeyArn": "kms_key_arn",
    "EnableTtl": "enable_ttl",
    "TtlAttribute": "ttl_attribute",
    "EnableDeletionProtection": "enable_deletion_protection",
    "TableClass": "table_class",
    "EnableRunIndex": "enable_run_index",
    "EnableThreadIndex": "enable_thread_index",
}
_OTHER_DEFAULTS = {"EnablePointInTimeRecovery": "true"}
"""Defaults of the template that `DynamoDBTableConfig` does not have."""

_NOT_GIVEN = {"Environment": "", "KmsKeyArn": ""} | {
    name: "0" for name in _FIELDS if name.startswith(("Read", "Write", "Min", "Max"))
}


def combined(choice: Iterable[Parameters]) -> Parameters:
    return {name: value for factor in choice for name, value in factor.items()}


def every_combination() -> list[Parameters]:
    """All levels of all factors; the last, which no other depends on, takes its levels in turn."""
    *switches, names = FACTORS
    turns = itertools.cycle(names)
    return [combined((*choice, next(turns))) for choice in itertools.product(*switches)]


def pairwise() -> list[Parameters]:
    """A few sets in which every two levels of two factors meet."""
    sizes = [range(len(factor)) for factor in FACTORS]
    open_pairs = {
        ((one, first), (other, second))
        for one, other in itertools.combinations(range(len(FACTORS)), 2)
        for first in sizes[one]
        for second in sizes[other]
    }
    chosen: list[Parameters] = []
    while open_pairs:
        levels = dict(min(open_pairs))
        for factor in range(len(FACTORS)):
            if factor not in levels:
                levels[factor] = max(
                    sizes[factor],
                    key=lambda level: len(_met({**levels, factor: level}) & open_pairs),
                )
        open_pairs -= _met(levels)
        chosen.append(combined(FACTORS[factor][level] for factor, level in levels.items()))
    return chosen


def _met(levels: dict[int, int]) -> set[tuple[tuple[int, int], tuple[int, int]]]:
    return set(itertools.combinations(sorted(levels.items()), 2))


def config_of(parameters: Parameters) -> DynamoDBTableConfig:
    """The configuration that says what the parameters say, and nothing of the others."""
    return DynamoDBTableConfig(
        **{
            _FIELDS[name]: _setting(name, value)
            for name, value in {**_OTHER_DEFAULTS, **parameters}.items()
            if name not in STACK_ONLY
        }
    )


def stack_only(parameters: Parameters) -> set[str]:
    """The logical ids of what a stack creates and `deploy=True` does not."""
    found = set(POLICIES) if parameters.get("CreatePolicies") == "true" else set()
    if parameters.get("CreateParameters") == "true":
        found |= PARAMETERS
    if parameters.get("AlarmTopicArn"):
        found |= {"ReadThrottleAlarm", "WriteThrottleAlarm", "SystemErrorAlarm"}
        for index in ("Run", "Thread"):
            name = f"Enable{index}Index"
            if parameters.get(name, DECLARED[name]["Default"]) == "true":
                found.add(f"{index}IndexThrottleAlarm")
        for kind in ("Read", "Write"):
            provisioned = parameters.get("BillingMode") == "PROVISIONED"
            if provisioned or parameters.get(f"Max{kind}RequestUnits", "0") != "0":
                found.add(f"{kind}UseAlarm")
    return found


def _setting(name: str, value: str) -> Any:
    if name == "TableName" and not value:
        return GENERATED_NAME  # a configuration has to name the table
    if value == _NOT_GIVEN.get(name):
        return None
    if DECLARED[name]["Type"] == "Number" and re.fullmatch("-?[0-9]+", value):
        return int(value)
    if DECLARED[name].get("AllowedValues") == ["true", "false"]:
        return {"true": True, "false": False}.get(value, value)
    return value


def given(**units: st.SearchStrategy[int]) -> st.SearchStrategy[Parameters]:
    return st.fixed_dictionaries({name: number.map(str) for name, number in units.items()})


_UNITS = st.integers(1, 10_000_000)


@st.composite
def _provisioned(draw: st.DrawFn) -> Parameters:
    parameters = {"BillingMode": "PROVISIONED"}
    for kind in ("Read", "Write"):
        low, units, high = sorted(draw(st.tuples(_UNITS, _UNITS, _UNITS)))
        parameters[f"{kind}Capacity"] = str(units)
        if kind == "Read":
            parameters["IndexReadCapacity"] = str(low)
        if draw(st.booleans()):
            parameters |= {f"Min{kind}Capacity": str(low), f"Max{kind}Capacity": str(high)}
    return parameters


_MAXIMUM = st.just(0) | _UNITS
_BOOLEAN = st.sampled_from(["true", "false"])
_ON_DEMAND = given(
    MaxReadRequestUnits=_MAXIMUM,
    MaxWriteRequestUnits=_MAXIMUM,
    WarmReadUnits=st.integers(12_000, 10_000_000),
    WarmWriteUnits=st.integers(4_000, 10_000_000),
)
_KEY = st.just(
    {"EnableEncryption": "false"},
) | st.fixed_dictionaries(
    {"KmsKeyArn": st.from_regex(DECLARED["KmsKeyArn"]["AllowedPattern"], fullmatch=True)}
)
_TTL_ATTRIBUTE = st.text(
    st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1
).filter(lambda name: name not in RESERVED_ATTRIBUTES and len(name.encode()) <= 255)
_SWITCHES = (
    "EnablePointInTimeRecovery",
    "EnableTtl",
    "EnableDeletionProtection",
    "EnableRunIndex",
    "EnableThreadIndex",
    "CreatePolicies",
)
_OTHERS = st.fixed_dictionaries(
    {
        "TableName": st.from_regex(r"[a-zA-Z0-9_.-]{3,255}", fullmatch=True),
        "Environment": st.from_regex(DECLARED["Environment"]["AllowedPattern"], fullmatch=True),
        "TableClass": st.sampled_from(DECLARED["TableClass"]["AllowedValues"]),
        "TargetUtilization": st.integers(20, 90).map(str),
        "ScaleInCooldown": st.integers(0, 3600).map(str),
        "ScaleOutCooldown": st.integers(0, 3600).map(str),
        "PointInTimeRecoveryDays": st.integers(1, 35).map(str),
        "TtlAttribute": _TTL_ATTRIBUTE,
        "AlarmTopicArn": st.sampled_from(["", TOPIC]),
        **dict.fromkeys(_SWITCHES, _BOOLEAN),
    }
)

accepted: st.SearchStrategy[Parameters] = st.tuples(_provisioned() | _ON_DEMAND, _KEY, _OTHERS).map(
    combined
)
"""Parameter sets that CloudFormation and we take."""
