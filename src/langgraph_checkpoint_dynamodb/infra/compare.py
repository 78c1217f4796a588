"""What differs between a table's settings and its configuration; a pure comparison.

The table and each of its indexes is a *part*. A part's settings are found in descriptions of the
table, and configured by `DynamoDBTableConfig` and the requests that the template makes of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from ..config.table_config import WARM_UNITS, BillingMode
from ..runtime.effects import AUTOSCALING
from .describe import billing_mode, key_text
from .template import INDEXES, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..config.table_config import DynamoDBTableConfig
    from .api_calls import TableRequests


Settings: TypeAlias = dict[str, Any]
"""Values by setting: a field of `DynamoDBTableConfig`, or `keys` or `projection`."""

Parts: TypeAlias = dict["str | None", Settings]
"""The settings of the table, under `None`, and of its indexes, by name."""

NOT_DESCRIBED = "this engine does not describe it"
"""Why a setting is unknown on DynamoDB Local."""

OWN_ITEMS = "of this package"

_NO_MAXIMUM = -1
"""How DynamoDB describes an on-demand table without an upper bound of this kind."""

_LOCAL_ARN = ":ddblocal:"
"""In the ARN of a table of DynamoDB Local, which describes neither encryption nor table class."""

_KINDS = ("read", "write")
_TRACKING = "TargetTrackingScalingPolicyConfiguration"

BOUNDS = tuple(f"{bound}_{kind}_capacity" for kind in _KINDS for bound in ("min", "max"))
"""The settings that DescribeScalableTargets reports."""

TRACKING = ("target_utilization", "scale_in_cooldown", "scale_out_cooldown")
"""The settings that DescribeScalingPolicies reports."""

OF_OUTPUTS = frozenset(
    {"keys", "projection", "items", "enable_ttl", "ttl_attribute", *INDEXES.values()}
)
"""The settings that a configuration from a stack's outputs has; its others are defaults."""

_ON_DEMAND = frozenset({"max_read_request_units", "max_write_request_units", *WARM_UNITS})
_PROVISIONED = frozenset({"read_capacity", "write_capacity", *BOUNDS, *TRACKING})


@dataclass(frozen=True, slots=True)
class Drift:
    """A setting that a table has otherwise than configured.

    Attributes:
        setting: The field of `DynamoDBTableConfig`; or `keys`, `items`, or an index's
            `projection`.
        configured: What the configuration says; `None` for the keys of an index that it lacks.
        found: What the table has.
        index: The index that has the setting; `None` for the table.
    """

    setting: str
    configured: Any
    found: Any
    index: str | None = None

    def __str__(self) -> str:
        return (
            f"{_name(self.setting, self.index)}: configured {_shown(self.configured)}, "
            f"found {_shown(self.found)}"
        )


@dataclass(frozen=True, slots=True)
class Unknown:
    """A setting that could not be compared.

    Attributes:
        setting: As in `Drift`; or `stack`, if the table's tags could not be listed; or
            `other settings`, of a saver from a stack.
        reason: Why: the error of the call that describes it, or what the engine lacks.
        index: The index that has the setting; `None` for the table.
    """

    setting: str
    reason: str
    index: str | None = None

    def __str__(self) -> str:
        return f"{_name(self.setting, self.index)}: {self.reason}"


def _name(setting: str, index: str | None) -> str:
    return setting if index is None else f"{setting} of index {index}"


def _shown(value: Any) -> str:
    return repr(value.value if isinstance(value, Enum) else value)


def configured(config: DynamoDBTableConfig, requests: TableRequests) -> Parts:
    """The settings that a table of this configuration has."""
    create = requests.create_table.params
    parts: Parts = {
        None: {
            "keys": key_text(create),
            **{name: getattr(config, name) for name in SETTINGS.values()},
            "items": OWN_ITEMS,
        },
        **_indexes(create),
    }
    calls = [call for call in requests.settings if call.service == AUTOSCALING]
    add_bounds(parts, [call.params for call in calls if "MaxCapacity" in call.params])
    add_policies(parts, [call.params for call in calls if _TRACKING in call.params])
    return parts


def described(table: Mapping[str, Any]) -> Parts:
    """The settings that DescribeTable reports, except for the key.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
    """
    encryption = table.get("SSEDescription", {})
    indexes = _indexes(table)
    found = {
        "keys": key_text(table),
        "table_name": table["TableName"],
        "billing_mode": billing_mode(table),
        **_throughput(table),
        "enable_encryption": encryption.get("Status") in {"ENABLING", "ENABLED", "UPDATING"},
        "enable_deletion_protection": table.get("DeletionProtectionEnabled", False),
        "table_class": table.get("TableClassSummary", {}).get("TableClass", "STANDARD"),
        **{setting: name in indexes for name, setting in INDEXES.items()},
    }
    if _LOCAL_ARN in table.get("TableArn", ""):
        del found["enable_encryption"], found["table_class"]
    return {None: found, **indexes}


def _indexes(table: Mapping[str, Any]) -> Parts:
    """The indexes of a table, from its description or from the request that creates it."""
    return {
        index["IndexName"]: {
            "keys": key_text({**table, "KeySchema": index["KeySchema"]}),
            "projection": _projection(index["Projection"]),
            **_throughput(index),
        }
        for index in table.get("GlobalSecondaryIndexes", ())
        if index.get("IndexStatus") != "DELETING"
    }


def _projection(projection: Mapping[str, Any]) -> str:
    attributes = sorted(projection.get("NonKeyAttributes", ()))
    return ", ".join([projection["ProjectionType"], *attributes])


def _throughput(part: Mapping[str, Any]) -> Settings:
    provisioned = part.get("ProvisionedThroughput", {})
    on_demand = part.get("OnDemandThroughput", {})
    warm = part.get("WarmThroughput", {})
    kinds = zip(WARM_UNITS, ("ReadUnitsPerSecond", "WriteUnitsPerSecond"), strict=True)
    return {
        "read_capacity": provisioned.get("ReadCapacityUnits"),
        "write_capacity": provisioned.get("WriteCapacityUnits"),
        "max_read_request_units": _maximum(on_demand.get("MaxReadRequestUnits")),
        "max_write_request_units": _maximum(on_demand.get("MaxWriteRequestUnits")),
        **{setting: warm[name] for setting, name in kinds if name in warm},
    }


def _maximum(units: int | None) -> int | None:
    return None if units == _NO_MAXIMUM else units


def add_bounds(parts: Parts, targets: Iterable[Mapping[str, Any]]) -> None:
    """Add the bounds of autoscaling to each part, from scalable targets or their requests.

    https://docs.aws.amazon.com/autoscaling/application/APIReference/API_ScalableTarget.html
    """
    for settings in parts.values():
        settings.update(dict.fromkeys(BOUNDS))
    for target in targets:
        index, kind = _dimension(target)
        if index in parts:
            parts[index][f"min_{kind}_capacity"] = target["MinCapacity"]
            parts[index][f"max_{kind}_capacity"] = target["MaxCapacity"]


def add_policies(parts: Parts, policies: Iterable[Mapping[str, Any]]) -> None:
    """Add what autoscaling aims for to each part, from its policies or their requests.

    https://docs.aws.amazon.com/autoscaling/application/APIReference/API_ScalingPolicy.html
    """
    found = [(*_dimension(one), _aims(one[_TRACKING])) for one in policies if one.get(_TRACKING)]
    for part, settings in parts.items():
        scaled = {
            kind: [aims for index, of, aims in found if (index, of) == (part, kind)]
            for kind in _KINDS
        }
        for setting in TRACKING:
            by_kind: dict[str, Any] = {}
            for kind, all_aims in scaled.items():
                values = sorted({aims[setting] for aims in all_aims})
                if values or settings.get(f"max_{kind}_capacity") is not None:
                    by_kind[kind] = values[0] if len(values) == 1 else values or None
            settings[setting] = _common(by_kind)


def _aims(tracking: Mapping[str, Any]) -> Settings:
    """The settings of a policy; a table's cooldowns are 0 if none were given.

    https://docs.aws.amazon.com/autoscaling/application/APIReference/API_TargetTrackingScalingPolicyConfiguration.html
    """
    return {
        "target_utilization": _whole(tracking["TargetValue"]),
        "scale_in_cooldown": tracking.get("ScaleInCooldown", 0),
        "scale_out_cooldown": tracking.get("ScaleOutCooldown", 0),
    }


def _whole(number: float) -> float:
    """An integer if it is one, as configured."""
    return int(number) if number == int(number) else number


def _dimension(scaled: Mapping[str, Any]) -> tuple[str | None, str]:
    """The part that is scaled, and whether its reads or writes are."""
    _, _, index = scaled["ResourceId"].partition("/index/")
    return index or None, "read" if "Read" in scaled["ScalableDimension"] else "write"


def _common(by_kind: Mapping[str, Any]) -> Any:
    """One value if reads and writes have the same, else each."""
    values = list(by_kind.values())
    if not values:
        return None
    return values[0] if values.count(values[0]) == len(values) else dict(by_kind)


def compare(
    config: Parts,
    table: Parts,
    reasons: Mapping[str, str] | None = None,
    only: frozenset[str] | None = None,
) -> tuple[tuple[Drift, ...], tuple[Unknown, ...]]:
    """The settings that differ, and those that are not known.

    Args:
        config: What is configured.
        table: What was found.
        reasons: Why settings were not found.
        only: The settings to compare; by default, all.
    """
    drift, unknown = [], []
    modes = {BillingMode(part[None]["billing_mode"]) for part in (config, table)}
    for index, wanted in config.items():
        found = table.get(index)
        if found is None:  # the table's settings say that it lacks this index
            continue
        for setting, value in wanted.items():
            if only is not None and setting not in only:
                continue
            if not (_applies(setting, modes) and _matters(setting, wanted, found)):
                continue
            if setting not in found:
                reason = (reasons or {}).get(setting, NOT_DESCRIBED)
                unknown.append(Unknown(setting, reason, index))
            elif found[setting] != value:
                drift.append(Drift(setting, value, found[setting], index))
    others = table.keys() - config.keys() - INDEXES.keys()
    drift += [Drift("keys", None, table[name]["keys"], name) for name in sorted(map(str, others))]
    return tuple(drift), tuple(unknown)


def _applies(setting: str, modes: set[BillingMode]) -> bool:
    """Whether a setting belongs to the billing mode, which differs itself if there are two."""
    if setting in _ON_DEMAND:
        return modes == {BillingMode.PAY_PER_REQUEST}
    return setting not in _PROVISIONED or modes == {BillingMode.PROVISIONED}


def _matters(setting: str, wanted: Settings, found: Settings) -> bool:
    """Whether a setting of a part can differ, given what its other settings say."""
    matters: Any
    match setting:
        case "read_capacity" | "write_capacity":
            matters = _is_out_of_bounds(setting, wanted, found)
        case "target_utilization" | "scale_in_cooldown" | "scale_out_cooldown":
            # Scaling that is missing, or too much, differs in its bounds already.
            has_bounds = any(found.get(bound, 0) is not None for bound in BOUNDS)
            matters = wanted[setting] is not None and has_bounds
        case "warm_read_units" | "warm_write_units":
            # They grow with the traffic. The default is what a table has without a request.
            units = wanted[setting]
            matters = WARM_UNITS[setting] < units and found.get(setting, 0) < units
        case "ttl_attribute":
            matters = wanted["enable_ttl"] and found.get("enable_ttl")
        case "point_in_time_recovery_days":
            switch = "enable_point_in_time_recovery"
            matters = wanted[switch] and found.get(switch, True)
        case "kms_key_arn":
            is_encrypted = found.get("enable_encryption", wanted[setting] is not None)
            matters = wanted["enable_encryption"] and is_encrypted
        case "index_read_capacity":
            matters = False  # it is the read_capacity of each index
        case "items":
            matters = wanted["keys"] == found["keys"]
        case _:
            matters = True
    return bool(matters)


def _is_out_of_bounds(setting: str, wanted: Settings, found: Settings) -> bool:
    """Autoscaling moves a capacity between its bounds."""
    low, high = wanted[f"min_{setting}"], wanted[f"max_{setting}"]
    capacity = found[setting]
    return low is None or capacity is None or not low <= capacity <= high
