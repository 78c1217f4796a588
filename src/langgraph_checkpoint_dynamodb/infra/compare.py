"""What differs between a table's settings and its configuration; a pure comparison."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from ..config.table_config import BillingMode
from ..format.requests import RUN_INDEX
from .describe import billing_mode
from .template import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..config.table_config import DynamoDBTableConfig

    Condition: TypeAlias = Callable[[DynamoDBTableConfig, dict[str, Any]], bool]


Settings: TypeAlias = dict[str, Any]
"""What was found, by the field of `DynamoDBTableConfig`."""

_NO_MAXIMUM = -1
"""How DynamoDB describes an on-demand table without an upper bound of this kind."""

_LOCAL_ARN = ":ddblocal:"
"""In the ARN of a table of DynamoDB Local, which describes neither encryption nor table class."""

DIMENSIONS = {
    "dynamodb:table:ReadCapacityUnits": "read",
    "dynamodb:table:WriteCapacityUnits": "write",
}
BOUNDS = [f"{bound}_{kind}_capacity" for kind in DIMENSIONS.values() for bound in ("min", "max")]


@dataclass(frozen=True, slots=True)
class Drift:
    """A setting that a table has otherwise than configured.

    Attributes:
        setting: The field of `DynamoDBTableConfig`, or `keys`.
        configured: What the configuration says.
        found: What the table has.
    """

    setting: str
    configured: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.setting}: configured {_shown(self.configured)}, found {_shown(self.found)}"


def _shown(value: Any) -> str:
    return repr(value.value if isinstance(value, Enum) else value)


def described(table: Mapping[str, Any]) -> Settings:
    """The settings that DescribeTable tells.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
    """
    throughput = table.get("ProvisionedThroughput", {})
    on_demand = table.get("OnDemandThroughput", {})
    encryption = table.get("SSEDescription", {})
    found = {
        "table_name": table["TableName"],
        "billing_mode": billing_mode(table),
        "read_capacity": throughput.get("ReadCapacityUnits"),
        "write_capacity": throughput.get("WriteCapacityUnits"),
        "max_read_request_units": _maximum(on_demand.get("MaxReadRequestUnits")),
        "max_write_request_units": _maximum(on_demand.get("MaxWriteRequestUnits")),
        "enable_encryption": encryption.get("Status") in {"ENABLING", "ENABLED", "UPDATING"},
        "kms_key_arn": encryption.get("KMSMasterKeyArn"),
        "enable_deletion_protection": table.get("DeletionProtectionEnabled", False),
        "table_class": table.get("TableClassSummary", {}).get("TableClass", "STANDARD"),
        "enable_run_index": any(
            index["IndexName"] == RUN_INDEX for index in table.get("GlobalSecondaryIndexes", ())
        ),
    }
    if _LOCAL_ARN in table.get("TableArn", ""):
        del found["enable_encryption"], found["table_class"]
    return found


def _maximum(units: int | None) -> int | None:
    return None if units == _NO_MAXIMUM else units


def compare(
    config: DynamoDBTableConfig, found: Settings
) -> tuple[tuple[Drift, ...], tuple[str, ...]]:
    """The settings that differ, and those that were not found."""
    drift, unknown = [], []
    for setting in SETTINGS.values():
        configured = getattr(config, setting)
        if not _matters(setting, config, found):
            continue
        if setting not in found:
            unknown.append(setting)
        elif found[setting] != configured:
            drift.append(Drift(setting, configured, found[setting]))
    return tuple(drift), tuple(unknown)


def _matters(setting: str, config: DynamoDBTableConfig, found: Settings) -> bool:
    """Whether a setting can differ at all, given what others say."""
    condition = _MATTERS.get(setting)
    return condition is None or condition(config, found)


def _both_expire(config: DynamoDBTableConfig, found: Settings) -> bool:
    return config.enable_ttl and bool(found.get("enable_ttl"))


def _both_recover(config: DynamoDBTableConfig, found: Settings) -> bool:
    return config.enable_point_in_time_recovery and bool(
        found.get("enable_point_in_time_recovery", True)
    )


def _is_key(config: DynamoDBTableConfig, found: Settings) -> bool:  # noqa: ARG001
    """DescribeTable tells the key: also the AWS managed one, and never an alias."""
    return config.kms_key_arn is not None and ":alias/" not in config.kms_key_arn


def _both_on_demand(config: DynamoDBTableConfig, found: Settings) -> bool:
    return {found["billing_mode"], config.billing_mode.value} == {BillingMode.PAY_PER_REQUEST.value}


def _is_scaled(config: DynamoDBTableConfig, found: Settings) -> bool:
    """Without a bound there is nothing to aim at; bounds without an aim are a difference."""
    is_wanted = bool(config.max_read_capacity or config.max_write_capacity)
    return is_wanted and any(found.get(bound, 0) is not None for bound in BOUNDS)


def _is_out_of_bounds(setting: str) -> Condition:
    """Autoscaling moves a capacity between its bounds."""

    def holds(config: DynamoDBTableConfig, found: Settings) -> bool:
        if {found["billing_mode"], config.billing_mode.value} != {BillingMode.PROVISIONED.value}:
            return False
        low, high = getattr(config, f"min_{setting}"), getattr(config, f"max_{setting}")
        capacity = found[setting]
        return low is None or capacity is None or not low <= capacity <= high

    return holds


def _is_scaling_told(setting: str) -> Condition:
    def holds(config: DynamoDBTableConfig, found: Settings) -> bool:
        return config.billing_mode is BillingMode.PROVISIONED or found.get(setting) is not None

    return holds


_MATTERS: Mapping[str, Condition] = {
    "ttl_attribute": _both_expire,
    "point_in_time_recovery_days": _both_recover,
    "kms_key_arn": _is_key,
    "target_utilization": _is_scaled,
    "max_read_request_units": _both_on_demand,
    "max_write_request_units": _both_on_demand,
    **{setting: _is_out_of_bounds(setting) for setting in ("read_capacity", "write_capacity")},
    **{setting: _is_scaling_told(setting) for setting in BOUNDS},
}
