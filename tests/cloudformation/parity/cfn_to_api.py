"""The requests that CloudFormation makes of resolved properties, as its reference declares them.

Written apart from `deploy.py`, which it judges: from the property names of
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-applicationautoscaling-scalabletarget.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-applicationautoscaling-scalingpolicy.html
to those of the API calls. A property that is not declared here is a KeyError.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import botocore.session
from botocore.model import ListShape, Shape, StringShape, StructureShape
from botocore.validate import validate_parameters

from parity.oracle import Resources

Convert = Callable[[Any], Any]

NOT_DEPLOYED = frozenset(
    {"AWS::CloudWatch::Alarm", "AWS::IAM::ManagedPolicy", "AWS::SSM::Parameter"}
)
"""What a stack makes and `deploy=True` does not."""

NOT_SET = frozenset({"ContributorInsightsSpecification", "ResourcePolicy"})
"""What a stack sets and `deploy=True` does not; `test_stack_only.py` is about these."""


@dataclass(frozen=True)
class Request:
    """A call that changes something at AWS."""

    service: str
    operation: str
    params: dict[str, Any]

    @property
    def canonical(self) -> str:
        """Equal for requests that mean the same: the order of these lists says nothing."""
        return json.dumps([self.service, self.operation, _sorted(self.params)], sort_keys=True)


_UNORDERED = frozenset({"AttributeDefinitions", "GlobalSecondaryIndexes", "Tags"})


def _sorted(node: Any, name: str = "") -> Any:
    if isinstance(node, dict):
        return {key: _sorted(child, key) for key, child in node.items()}
    if isinstance(node, list):
        members = [_sorted(member) for member in node]
        if name in _UNORDERED:
            return sorted(members, key=lambda member: json.dumps(member, sort_keys=True))
        return members
    return node


def canonical(requests: Iterable[Request]) -> list[str]:
    """The requests as a multiset."""
    return sorted(request.canonical for request in requests)


def text(value: Any) -> str:
    assert isinstance(value, str), value
    return value


def boolean(value: Any) -> bool:
    return {"true": True, "false": False}[str(value).lower()]


def whole(value: Any) -> int:
    return int(value)


def number(value: Any) -> float:
    return float(value)


def struct(**members: Convert) -> Convert:
    return renamed({name: (name, convert) for name, convert in members.items()})


def renamed(members: Mapping[str, tuple[str, Convert]]) -> Convert:
    def convert(value: dict[str, Any]) -> dict[str, Any]:
        return {members[name][0]: members[name][1](child) for name, child in value.items()}

    return convert


def each(convert: Convert) -> Convert:
    return lambda value: [convert(member) for member in value]


_KEY_SCHEMA = each(struct(AttributeName=text, KeyType=text))
_PROVISIONED = struct(ReadCapacityUnits=whole, WriteCapacityUnits=whole)
_ON_DEMAND = struct(MaxReadRequestUnits=whole, MaxWriteRequestUnits=whole)
_WARM = struct(ReadUnitsPerSecond=whole, WriteUnitsPerSecond=whole)

_CREATE_TABLE: dict[str, Convert] = {
    "TableName": text,
    "KeySchema": _KEY_SCHEMA,
    "AttributeDefinitions": each(struct(AttributeName=text, AttributeType=text)),
    "GlobalSecondaryIndexes": each(
        struct(
            IndexName=text,
            KeySchema=_KEY_SCHEMA,
            Projection=struct(ProjectionType=text, NonKeyAttributes=each(text)),
            ProvisionedThroughput=_PROVISIONED,
            OnDemandThroughput=_ON_DEMAND,
            WarmThroughput=_WARM,
        )
    ),
    "BillingMode": text,
    "ProvisionedThroughput": _PROVISIONED,
    "OnDemandThroughput": _ON_DEMAND,
    "WarmThroughput": _WARM,
    "TableClass": text,
    "DeletionProtectionEnabled": boolean,
    "SSESpecification": renamed(
        {
            "SSEEnabled": ("Enabled", boolean),
            "SSEType": ("SSEType", text),
            "KMSMasterKeyId": ("KMSMasterKeyId", text),
        }
    ),
    "Tags": each(struct(Key=text, Value=text)),
}
_LATER_CALLS = {
    "TimeToLiveSpecification": (
        "UpdateTimeToLive",
        "Enabled",
        struct(AttributeName=text, Enabled=boolean),
    ),
    "PointInTimeRecoverySpecification": (
        "UpdateContinuousBackups",
        "PointInTimeRecoveryEnabled",
        struct(PointInTimeRecoveryEnabled=boolean, RecoveryPeriodInDays=whole),
    ),
}
_SCALABLE_TARGET = struct(
    ServiceNamespace=text,
    ResourceId=text,
    ScalableDimension=text,
    MinCapacity=whole,
    MaxCapacity=whole,
    RoleARN=text,
)
_SCALING_POLICY = struct(
    PolicyName=text,
    PolicyType=text,
    ServiceNamespace=text,
    ResourceId=text,
    ScalableDimension=text,
    TargetTrackingScalingPolicyConfiguration=struct(
        PredefinedMetricSpecification=struct(PredefinedMetricType=text),
        TargetValue=number,
        ScaleInCooldown=whole,
        ScaleOutCooldown=whole,
        DisableScaleIn=boolean,
    ),
)


def _table(table_name: str, resolved: dict[str, Any]) -> list[Request]:
    properties: dict[str, Any] = _without_not_set(resolved)
    create = {"TableName": table_name} | {
        name: _CREATE_TABLE[name](value)
        for name, value in properties.items()
        if name not in _LATER_CALLS
    }
    requests = [Request("dynamodb", "CreateTable", create)]
    # A new table has neither; CloudFormation calls only to switch one on.
    for name, (operation, switch, convert) in _LATER_CALLS.items():
        specification = convert(properties.get(name, {}))
        if specification.get(switch):
            params = {"TableName": table_name, name: specification}
            requests.append(Request("dynamodb", operation, params))
    return requests


def _without_not_set(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_not_set(child) for key, child in node.items() if key not in NOT_SET}
    return [*map(_without_not_set, node)] if isinstance(node, list) else node


def _scalable_target(_: str, properties: dict[str, Any]) -> list[Request]:
    params = _SCALABLE_TARGET(properties)
    return [Request("application-autoscaling", "RegisterScalableTarget", params)]


def _scaling_policy(_: str, properties: dict[str, Any]) -> list[Request]:
    params = _SCALING_POLICY(properties)
    return [Request("application-autoscaling", "PutScalingPolicy", params)]


_REQUESTS = {
    "AWS::DynamoDB::Table": _table,
    "AWS::ApplicationAutoScaling::ScalableTarget": _scalable_target,
    "AWS::ApplicationAutoScaling::ScalingPolicy": _scaling_policy,
}


def requests_of_stack(resources: Resources) -> list[Request]:
    """The requests that make the resources, in the order given."""
    return [
        request
        for resource in resources.values()
        if resource["type"] not in NOT_DEPLOYED
        for request in _REQUESTS[resource["type"]](resource["id"], resource["properties"])
    ]


@functools.cache
def service_model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def validate(request: Request) -> None:
    """Check a request against AWS's own model: names, types, required members, enumerations."""
    shape = service_model(request.service).operation_model(request.operation).input_shape
    validate_parameters(request.params, shape)
    _check_enumerations(request.params, shape)


def _check_enumerations(value: Any, shape: Shape) -> None:
    """Botocore's validator leaves these to the service."""
    if isinstance(shape, StructureShape):
        for name, member in value.items():
            _check_enumerations(member, shape.members[name])
    elif isinstance(shape, ListShape):
        for member in value:
            _check_enumerations(member, shape.member)
    elif isinstance(shape, StringShape):
        assert not shape.enum or value in shape.enum, f"{value!r} is not one of {shape.enum}"
