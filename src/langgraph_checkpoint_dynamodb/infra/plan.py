"""Compares a table with its configuration, setting by setting; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import DISTRIBUTION, StorageError
from ..format import keys
from ..format.items import sort_key
from ..format.requests import sample_sort_keys
from ..runtime.effects import AUTOSCALING, Call, Operation
from .api_calls import TableRequests, requests_of
from .compare import BOUNDS, DIMENSIONS, Drift, Settings, compare, described
from .deploy import is_unfinished
from .describe import (
    UNSUPPORTED,
    describe,
    key_text,
    keys_of,
    scalable_targets,
    stack_of,
    tags_of,
    time_to_live,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..config.table_config import DynamoDBTableConfig


_ITEMS = 100
"""How many items are looked at to find items of release 0.1.3: at most some ten read units."""


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
            changes none of these settings, and fails if the `keys` differ. `items` are
            here if release 0.1.3 of this distribution stored any of the first 100.
        unknown: Settings that the engine does not report (DynamoDB Local), and `items` if
            they could not be read.
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
    found = described(table)
    if tags is not None:
        found["environment"] = tags.get("Environment")
    for read in (_time_to_live(name), _backups(name), _scaling(name), _utilization(name)):
        try:
            found |= yield from read
        except StorageError as error:
            if error.code not in UNSUPPORTED:
                raise
    drift, unknown = compare(config, found)
    other_keys = _key_drift(table, requests)
    other_items, unread = ((), ()) if other_keys else (yield from _item_drift(name))
    return Plan(
        name,
        exists=True,
        stack=stack_of(tags),
        calls=requests.settings if is_unfinished(tags) else (),
        drift=(*other_keys, *drift, *other_items),
        unknown=(*unknown, *unread),
    )


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
    found: Settings = dict.fromkeys(BOUNDS)
    for target in targets:
        kind = DIMENSIONS.get(target["ScalableDimension"])
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


def _item_drift(name: str) -> Operation[tuple[tuple[Drift, ...], tuple[str, ...]]]:
    """Whether release 0.1.3 stored any of the first items; what it is called if it is unknown."""
    try:
        (reply,) = yield [sample_sort_keys(name, _ITEMS)]
    except StorageError:  # the role may not scan, perhaps; report the rest
        return (), ("items",)
    if not any(keys.is_of_0_1_3(sort_key(item)) for item in reply["Items"]):
        return (), ()
    found = f"of {DISTRIBUTION} 0.1.3, which it does not read"
    return (Drift("items", "of this package", found),), ()
