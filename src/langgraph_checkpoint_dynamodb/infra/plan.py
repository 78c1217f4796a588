"""Compares a table with its configuration, setting by setting; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..config.source_table import layout_of, writer_of
from ..errors import StorageError
from ..format.requests import sample_keys
from ..runtime.effects import Call, Operation
from .api_calls import requests_of
from .compare import (
    BOUNDS,
    NOT_DESCRIBED,
    OF_OUTPUTS,
    OWN_ITEMS,
    TRACKING,
    Drift,
    Parts,
    Unknown,
    add_bounds,
    add_policies,
    compare,
    configured,
    described,
)
from .deploy import is_unfinished
from .describe import (
    UNSUPPORTED,
    billing_mode,
    customer_key,
    describe,
    key_of,
    scalable_targets,
    scaled_resources,
    scaling_policies,
    stack_of,
    tags_of,
    time_to_live,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..config.table_config import DynamoDBTableConfig


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
            changes none of these settings, and fails if the table's `keys` differ. `items` are
            here if another saver (see `SourceTable`) stored any of the first 100.
        unknown: Settings that could not be compared, because a call that describes them
            failed, because the engine does not report them (DynamoDB Local), or because
            `from_stack` cannot know them.
    """

    table_name: str
    exists: bool
    stack: str | None
    calls: tuple[Call, ...]
    drift: tuple[Drift, ...]
    unknown: tuple[Unknown, ...]

    def __str__(self) -> str:
        owner = f", owned by the stack {self.stack!r}" if self.stack else ""
        lines = [f"table {self.table_name!r} {'exists' if self.exists else 'is missing'}{owner}"]
        lines += [f"  deploy=True would call {call.service} {call.method}" for call in self.calls]
        lines += [f"  differs, left as it is: {drift}" for drift in self.drift]
        lines += [f"  unknown: {unknown}" for unknown in self.unknown]
        if len(lines) == 1:
            lines.append("  as configured, nothing to do")
        return "\n".join(lines)


def plan(config: DynamoDBTableConfig, stack: str | None = None) -> Operation[Plan]:
    """Compare the table of a configuration with it.

    If a call fails, the settings that it describes are unknown, and the others are compared.

    Args:
        config: The configuration.
        stack: The stack whose outputs made it; what is not in them is not compared.

    Raises:
        ConfigurationError: A rule of the template refuses the configuration.
        StorageError: DescribeTable fails, so that not even the table's existence is known.
    """
    requests = requests_of(config)
    name = requests.table_name
    table = yield from describe(name)
    if table is None or table["TableStatus"] == "DELETING":
        calls = (requests.create_table, *requests.settings)
        return Plan(name, exists=False, stack=None, calls=calls, drift=(), unknown=())
    found = described(table)
    reasons: dict[str, str] = {}
    tags = None
    try:
        tags = yield from tags_of(table)
    except StorageError as error:
        reasons |= dict.fromkeys(("environment", "stack"), str(error))
    if tags is not None:
        found[None]["environment"] = tags.get("Environment")
    for settings, read in _reads(config, table, found):
        try:
            yield from read
        except StorageError as error:
            reason = NOT_DESCRIBED if error.code in UNSUPPORTED else str(error)
            reasons |= dict.fromkeys(settings, reason)
    only = OF_OUTPUTS if stack else None
    drift, unknown = compare(configured(config, requests), found, reasons, only)
    if stack:
        unknown = (*unknown, _not_in_outputs(stack))
    if "stack" in reasons:
        unknown = (Unknown("stack", reasons["stack"]), *unknown)
    return Plan(
        name,
        exists=True,
        stack=stack_of(tags),
        calls=requests.settings if is_unfinished(tags) else (),
        drift=drift,
        unknown=unknown,
    )


def _not_in_outputs(stack: str) -> Unknown:
    tool = f"aws cloudformation detect-stack-drift --stack-name {stack}"
    return Unknown("other settings", f"the stack's outputs do not have them; {tool} compares them")


def _reads(
    config: DynamoDBTableConfig, table: Mapping[str, Any], found: Parts
) -> Iterator[tuple[tuple[str, ...], Operation[None]]]:
    """The settings that DescribeTable does not report, and the operation that adds each."""
    name, of_table = table["TableName"], found[None]
    yield ("enable_ttl", "ttl_attribute"), _time_to_live(name, of_table)
    yield (
        ("enable_point_in_time_recovery", "point_in_time_recovery_days"),
        _backups(name, of_table),
    )
    if of_table.get("enable_encryption"):
        yield ("kms_key_arn",), _key(config, table, of_table)
    if billing_mode(table) == "PROVISIONED":
        resources = scaled_resources(name, table)
        yield BOUNDS, _bounds(resources, found)
        yield TRACKING, _policies(resources, found)
    yield ("items",), _items(name, of_table)


def _time_to_live(name: str, found: dict[str, Any]) -> Operation[None]:
    found["enable_ttl"], found["ttl_attribute"] = yield from time_to_live(name)


def _backups(name: str, found: dict[str, Any]) -> Operation[None]:
    (reply,) = yield [Call("describe_continuous_backups", {"TableName": name})]
    recovery = reply["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    found["enable_point_in_time_recovery"] = recovery.get("PointInTimeRecoveryStatus") == "ENABLED"
    found["point_in_time_recovery_days"] = recovery.get("RecoveryPeriodInDays")


def _key(
    config: DynamoDBTableConfig, table: Mapping[str, Any], found: dict[str, Any]
) -> Operation[None]:
    """The customer managed key; KMS is asked only if none is configured and there may be one."""
    key = key_of(table)
    if key is not None and config.kms_key_arn is None:
        key = yield from customer_key(key)
    found["kms_key_arn"] = key


def _bounds(resources: list[str], found: Parts) -> Operation[None]:
    add_bounds(found, (yield from scalable_targets(resources)))


def _policies(resources: list[str], found: Parts) -> Operation[None]:
    add_policies(found, (yield from scaling_policies(resources)))


def _items(name: str, found: dict[str, Any]) -> Operation[None]:
    """Whether another saver stored any of the first items."""
    (reply,) = yield [sample_keys(name)]
    layouts = {layout_of(item) for item in reply["Items"]} - {None}
    found["items"] = OWN_ITEMS
    if layouts:
        writers = " and ".join(sorted(writer_of(one) for one in layouts if one))
        found["items"] = f"of {writers}: copy their threads with migrate()"
