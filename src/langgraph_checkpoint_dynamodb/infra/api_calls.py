"""Translates the template's resources to API requests.

Tables of functions translate CloudFormation's properties to the requests of DynamoDB and
Application Auto Scaling. A resource or property without a translation is an error, so the template
cannot have anything that `deploy=True` would ignore.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import TemplateError
from ..runtime.effects import AUTOSCALING, Call
from .template import Resource, parameters_of, resolve, shipped_template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..config.table_config import DynamoDBTableConfig

    Translation: TypeAlias = Mapping[str, Callable[[Any], Any]]


_TABLE = "AWS::DynamoDB::Table"
_TIME_TO_LIVE = "TimeToLiveSpecification"
_CONTINUOUS_BACKUPS = "PointInTimeRecoverySpecification"


@dataclass(frozen=True, slots=True)
class TableRequests:
    """The calls that create a table.

    Attributes:
        create_table: The CreateTable call.
        settings: The calls for settings that CreateTable does not have: TTL, continuous
            backups, autoscaling. They are sent in this order once the table is active.
    """

    create_table: Call
    settings: tuple[Call, ...]

    @property
    def table_name(self) -> str:
        """The name of the table."""
        name: str = self.create_table.params["TableName"]
        return name


def requests_of(config: DynamoDBTableConfig) -> TableRequests:
    """The calls that create the table of a configuration, from the shipped template.

    Raises:
        ConfigurationError: A rule of the template refuses the configuration.
        TemplateError: The template has a resource other than a table and its autoscaling.
    """
    return translate(resolve(shipped_template(), parameters_of(config)))


def translate(resources: Mapping[str, Resource]) -> TableRequests:
    """Translate the resolved resources of a template.

    Raises:
        TemplateError: There is not exactly one table, or a resource or property has no
            translation.
    """
    by_type: dict[str, list[dict[str, Any]]] = {_TABLE: []}
    for logical_id, resource in resources.items():
        if resource.type != _TABLE and resource.type not in _SCALING:
            raise TemplateError(
                f"deploy=True cannot create {logical_id}, an {resource.type}; "
                "deploy the template with CloudFormation"
            )
        by_type.setdefault(resource.type, []).append(resource.properties)
    if len(by_type[_TABLE]) != 1:
        raise TemplateError(
            f"deploy=True creates one {_TABLE}, but the template has {len(by_type[_TABLE])}; "
            "deploy it with CloudFormation"
        )
    (table,) = by_type[_TABLE]
    scaling = [
        Call(method, _translated(kind, found, translation), AUTOSCALING)
        for kind, (method, translation) in _SCALING.items()
        for found in by_type.get(kind, [])
    ]
    create = {name: value for name, value in _asked(table).items() if name not in _SETTINGS}
    return TableRequests(
        Call("create_table", _translated(_TABLE, create, _CREATE_TABLE)),
        (*_table_settings(table), *scaling),
    )


def _table_settings(table: Mapping[str, Any]) -> Sequence[Call]:
    """The calls for the settings that are on. In a new table they are off."""
    return [
        Call(method, {"TableName": table["TableName"], name: translate_value(table[name])})
        for name, (method, switch, translate_value) in _SETTINGS.items()
        if table.get(name, {}).get(switch)
    ]


def _asked(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a table or index, without those that say what a new one is anyway."""
    return {
        name: value
        for name, value in properties.items()
        if name not in _AS_CREATED or value != _AS_CREATED[name]
    }


def _translated(kind: str, properties: Mapping[str, Any], translation: Translation) -> Any:
    unknown = sorted(properties.keys() - translation.keys())
    if unknown:
        raise TemplateError(
            f"deploy=True cannot set the properties {', '.join(unknown)} of {kind}; "
            "deploy the template with CloudFormation"
        )
    return {name: translation[name](value) for name, value in properties.items()}


def _unchanged(value: Any) -> Any:
    return value


def _integers(value: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(units) for name, units in value.items()}


def _encryption(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"Enabled" if name == "SSEEnabled" else name: setting for name, setting in value.items()}


def _backups(value: Mapping[str, Any]) -> dict[str, Any]:
    days = "RecoveryPeriodInDays"
    return {name: int(setting) if name == days else setting for name, setting in value.items()}


def _indexes(value: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [_translated(f"an index of {_TABLE}", _asked(index), _INDEX) for index in value]


def _tracking(value: Mapping[str, Any]) -> dict[str, Any]:
    cooldowns = {name: int(value[name]) for name in ("ScaleInCooldown", "ScaleOutCooldown")}
    return {**value, **cooldowns, "TargetValue": float(value["TargetValue"])}


# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html
_INDEX: Translation = {
    "IndexName": _unchanged,
    "KeySchema": _unchanged,
    "Projection": _unchanged,
    "ProvisionedThroughput": _integers,
    "OnDemandThroughput": _integers,
    "WarmThroughput": _integers,
}
_CREATE_TABLE: Translation = {
    "TableName": _unchanged,
    "KeySchema": _unchanged,
    "AttributeDefinitions": _unchanged,
    "GlobalSecondaryIndexes": _indexes,
    "BillingMode": _unchanged,
    "ProvisionedThroughput": _integers,
    "OnDemandThroughput": _integers,
    "WarmThroughput": _integers,
    "TableClass": _unchanged,
    "DeletionProtectionEnabled": _unchanged,
    "SSESpecification": _encryption,
    "Tags": _unchanged,
}
_AS_CREATED: Mapping[str, Any] = {"ContributorInsightsSpecification": {"Enabled": False}}
"""Settings that only a stack switches on, as they are in a new table."""

_SETTINGS: Mapping[str, tuple[str, str, Callable[[Any], Any]]] = {
    _TIME_TO_LIVE: ("update_time_to_live", "Enabled", _unchanged),
    _CONTINUOUS_BACKUPS: ("update_continuous_backups", "PointInTimeRecoveryEnabled", _backups),
}
"""Properties that need a call of their own: its method, and the field that switches it on."""

# https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html
# https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScalingPolicy.html
_DIMENSION: Translation = dict.fromkeys(
    ("ServiceNamespace", "ResourceId", "ScalableDimension"), _unchanged
)
_SCALING: Mapping[str, tuple[str, Translation]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": (
        "register_scalable_target",
        {**_DIMENSION, "MinCapacity": int, "MaxCapacity": int},
    ),
    "AWS::ApplicationAutoScaling::ScalingPolicy": (
        "put_scaling_policy",
        {
            **_DIMENSION,
            "PolicyName": _unchanged,
            "PolicyType": _unchanged,
            "TargetTrackingScalingPolicyConfiguration": _tracking,
        },
    ),
}
"""The method for each resource type. Targets are first, because the policies need them."""
