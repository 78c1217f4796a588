"""Compares a table with its configuration, setting by setting; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from ..config.table_config import BillingMode
from ..errors import StorageError
from ..format.requests import RUN_INDEX
from ..runtime.effects import AUTOSCALING, Call, Operation
from .api_calls import TableRequests, requests_of
from .deploy import is_unfinished
from .describe import (
    UNSUPPORTED,
    billing_mode,
    describe,
    key_text,
    keys_of,
    scalable_targets,
    stack_of,
    tags_of,
    time_to_live,
)
from .template import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..config.table_config import DynamoDBTableConfig

    Condition: TypeAlias = Callable[[DynamoDBTableConfig, dict[str, Any]], bool]


Settings: TypeAlias = dict[str, Any]
"""The settings of a table, by the field of `DynamoDBTableConfig`."""

_NO_MAXIMUM = -1
"""DynamoDB's value for an on-demand table without an upper bound of request units."""

_DIMENSIONS = {
    "dynamodb:table:ReadCapacityUnits": "read",
    "dynamodb:table:WriteCapacityUnits": "write",
}
_BOUNDS = [f"{bound}_{kind}_capacity" for kind in _DIMENSIONS.values() for bound in ("min", "max")]


@dataclass(frozen=True, slots=True)
class Drift:
    """A setting in which a table differs from its configuration.

    Attributes:
        setting: The field of `DynamoDBTableConfig`, or `keys`.
        configured: The value in the configuration.
        found: The value of the table.
    """

    setting: str
    configured: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.setting}: configured {_shown(self.configured)}, found {_shown(self.found)}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What `deploy=True` would change, and what it would leave as it is.

    Attributes:
        table_name: The table.
        exists: Whether it exists and is not being deleted.
        stack: The CloudFormation stack that owns it, if any.
        calls: The calls with which `deploy=True` would change something, in order; without
            the temporary tag of an unfinished table.
        drift: Where an existing table differs from the configuration. `deploy=True`
            changes none of these settings, and fails if the `keys` differ.
        unknown: Settings that the engine does not report (DynamoDB Local).
    """

    table_name: str
    exists: bool
    stack: str | None
    calls: tuple[Call, ...]
    drift: tuple[Drift, ...]
    unknown: tuple[str, ...]

    def __str__(self) -> str:
        owner = f", owned by the stack {self.stack!r}" if self.stack else ""
        lines = [f"table {self.table_name!r} {'exists' if self.exists else 'is missing'}{owner}"]
        lines += [f"  deploy=True would call {call.service} {call.method}" for call in self.calls]
        lines += [f"  differs, left as it is: {drift}" for drift in self.drift]
        lines += [f"  not reported by this engine: {setting}" for setting in self.unknown]
        if len(lines) == 1:
            lines.append("  as configured, nothing to do")
        return "\n".join(lines)


def _shown(value: Any) -> str:
    return repr(value.value if isinstance(value, Enum) else value)


def plan(config: DynamoDBTableConfig) -> Operation[Plan]:
    """Compare the table of a configuration with it.

    Raises:
        ConfigurationError: A rule of the template refuses the configuration.
        StorageError: AWS refuses a call.
    """
    requests = requests_of(config)
    name = requests.table_name
    table = yield from describe(name)
    if table is None or table["TableStatus"] == "DELETING":
        calls = (requests.create_table, *requests.settings)
        return Plan(name, exists=False, stack=None, calls=calls, drift=(), unknown=())
    tags = yield from tags_of(table)
    found = _described(table)
    if tags is not None:
        found["environment"] = tags.get("Environment")
    for read in (_time_to_live(name), _backups(name), _scaling(name), _utilization(name)):
        try:
            found |= yield from read
        except StorageError as error:
            if error.code not in UNSUPPORTED:
                raise
    drift, unknown = _compare(config, found)
    return Plan(
        name,
        exists=True,
        stack=stack_of(tags),
        calls=requests.settings if is_unfinished(tags) else (),
        drift=(*_key_drift(table, requests), *drift),
        unknown=unknown,
    )


def _described(table: Mapping[str, Any]) -> Settings:
    """The settings that DescribeTable returns.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
    """
    throughput = table.get("ProvisionedThroughput", {})
    on_demand = table.get("OnDemandThroughput", {})
    encryption = table.get("SSEDescription", {})
    return {
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


def _maximum(units: int | None) -> int | None:
    return None if units == _NO_MAXIMUM else units


def _time_to_live(name: str) -> Operation[Settings]:
    enabled, attribute = yield from time_to_live(name)
    return {"enable_ttl": enabled, "ttl_attribute": attribute}


def _backups(name: str) -> Operation[Settings]:
    (reply,) = yield [Call("describe_continuous_backups", {"TableName": name})]
    found = reply["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    return {
        "enable_point_in_time_recovery": found.get("PointInTimeRecoveryStatus") == "ENABLED",
        "point_in_time_recovery_days": found.get("RecoveryPeriodInDays"),
    }


def _scaling(name: str) -> Operation[Settings]:
    targets = yield from scalable_targets(name)
    found: Settings = dict.fromkeys(_BOUNDS)
    for target in targets:
        kind = _DIMENSIONS.get(target["ScalableDimension"])
        if kind is not None:
            found[f"min_{kind}_capacity"] = target["MinCapacity"]
            found[f"max_{kind}_capacity"] = target["MaxCapacity"]
    return found


def _utilization(name: str) -> Operation[Settings]:
    params = {"ServiceNamespace": "dynamodb", "ResourceId": f"table/{name}"}
    (reply,) = yield [Call("describe_scaling_policies", params, AUTOSCALING)]
    targets = {
        int(policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"])
        for policy in reply["ScalingPolicies"]
        if "TargetTrackingScalingPolicyConfiguration" in policy
    }
    return {"target_utilization": targets.pop() if len(targets) == 1 else sorted(targets) or None}


def _key_drift(table: Mapping[str, Any], requests: TableRequests) -> tuple[Drift, ...]:
    wanted = requests.create_table.params
    if keys_of(table) == keys_of(wanted):
        return ()
    return (Drift("keys", key_text(wanted), key_text(table)),)


def _compare(
    config: DynamoDBTableConfig, found: Settings
) -> tuple[tuple[Drift, ...], tuple[str, ...]]:
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
    """Whether a setting has an effect, given the others; only then its difference is drift."""
    condition = _MATTERS.get(setting)
    return condition is None or condition(config, found)


def _both_have_ttl(config: DynamoDBTableConfig, found: Settings) -> bool:
    return config.enable_ttl and bool(found.get("enable_ttl"))


def _both_have_recovery(config: DynamoDBTableConfig, found: Settings) -> bool:
    return config.enable_point_in_time_recovery and bool(
        found.get("enable_point_in_time_recovery", True)
    )


def _is_key_arn(config: DynamoDBTableConfig, found: Settings) -> bool:  # noqa: ARG001
    """DescribeTable returns the key's ARN, also of the AWS managed key, but never an alias."""
    return config.kms_key_arn is not None and ":alias/" not in config.kms_key_arn


def _both_on_demand(config: DynamoDBTableConfig, found: Settings) -> bool:
    return {found["billing_mode"], config.billing_mode.value} == {BillingMode.PAY_PER_REQUEST.value}


def _is_scaled(config: DynamoDBTableConfig, found: Settings) -> bool:
    """If the configuration has bounds, and the table has some too or does not report them."""
    is_wanted = bool(config.max_read_capacity or config.max_write_capacity)
    return is_wanted and any(found.get(bound, 0) is not None for bound in _BOUNDS)


def _is_out_of_bounds(setting: str) -> Condition:
    """A condition: autoscaling may change a capacity within its bounds, which is no drift."""

    def holds(config: DynamoDBTableConfig, found: Settings) -> bool:
        if {found["billing_mode"], config.billing_mode.value} != {BillingMode.PROVISIONED.value}:
            return False
        low, high = getattr(config, f"min_{setting}"), getattr(config, f"max_{setting}")
        return low is None or not low <= found[setting] <= high

    return holds


def _is_scaling_known(setting: str) -> Condition:
    def holds(config: DynamoDBTableConfig, found: Settings) -> bool:
        return config.billing_mode is BillingMode.PROVISIONED or found.get(setting) is not None

    return holds


_MATTERS: Mapping[str, Condition] = {
    "ttl_attribute": _both_have_ttl,
    "point_in_time_recovery_days": _both_have_recovery,
    "kms_key_arn": _is_key_arn,
    "target_utilization": _is_scaled,
    "max_read_request_units": _both_on_demand,
    "max_write_request_units": _both_on_demand,
    **{setting: _is_out_of_bounds(setting) for setting in ("read_capacity", "write_capacity")},
    **{setting: _is_scaling_known(setting) for setting in _BOUNDS},
}
