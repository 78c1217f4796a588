"""The requests that take a stack's resources from one set of properties to another.

A model of what a resource handler has to send, from the reference of the API calls: no emulator has
CloudFormation's handlers. One request changes the table's own settings. Another each creates,
deletes or changes an index, because UpdateTable does one of these at a time:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parity.cfn_to_api import Request, requests_of_stack
from parity.oracle import Resources

NO_MAXIMUM = {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": -1}
"""Removes a maximum:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_OnDemandThroughput.html"""

_OWN = ("TableClass", "DeletionProtectionEnabled", "SSESpecification", "BillingMode")
_DISABLED = {
    "UpdateTimeToLive": "TimeToLiveSpecification",
    "UpdateContinuousBackups": "PointInTimeRecoverySpecification",
}


def update_requests(before: Resources, after: Resources) -> list[Request]:
    """Requests from the table and scaling of one parameter set to those of another."""
    old, new = (_by_operation(resources) for resources in (before, after))
    return [
        *_removed_scaling(old, new),
        *_table(old["CreateTable"][0], new["CreateTable"][0]),
        *_settings(old, new, before, after),
        *(
            request
            for operation in ("RegisterScalableTarget", "PutScalingPolicy")
            for request in new.get(operation, ())
            if request not in old.get(operation, ())
        ),
    ]


def _by_operation(resources: Resources) -> dict[str, list[Request]]:
    found: dict[str, list[Request]] = {}
    for request in requests_of_stack(resources):
        found.setdefault(request.operation, []).append(request)
    return found


def _table(old: Request, new: Request) -> Iterator[Request]:
    """What UpdateTable changes: the table's own settings, then its indexes."""
    was, shall = old.params, new.params
    own = {name: shall[name] for name in _OWN if shall.get(name) != was.get(name)}
    own |= _throughput(was, shall)
    indexes = [
        {one["IndexName"]: one for one in each.get("GlobalSecondaryIndexes", ())}
        for each in (was, shall)
    ]
    kept = [(indexes[0][name], indexes[1][name]) for name in indexes[0] if name in indexes[1]]
    changed = [
        {"Update": {"IndexName": after["IndexName"], **_throughput(before, after)}}
        for before, after in kept
        if _throughput(before, after)
    ]
    if changed:
        own["GlobalSecondaryIndexUpdates"] = changed
    name = {"TableName": shall["TableName"]}
    for deleted in indexes[0].keys() - indexes[1].keys():
        update = [{"Delete": {"IndexName": deleted}}]
        attributes = {"AttributeDefinitions": shall["AttributeDefinitions"]}
        yield Request(
            "dynamodb",
            "UpdateTable",
            {**name, **attributes, "GlobalSecondaryIndexUpdates": update},
        )
    if own:
        yield Request("dynamodb", "UpdateTable", {**name, **own})
    for created in indexes[1].keys() - indexes[0].keys():
        update = [{"Create": indexes[1][created]}]
        attributes = {"AttributeDefinitions": shall["AttributeDefinitions"]}
        yield Request(
            "dynamodb",
            "UpdateTable",
            {**name, **attributes, "GlobalSecondaryIndexUpdates": update},
        )


def _throughput(was: dict[str, Any], shall: dict[str, Any]) -> dict[str, Any]:
    """Capacity or maxima that differ; a maximum that is left out is removed."""
    found: dict[str, Any] = {}
    capacity = shall.get("ProvisionedThroughput")
    if capacity and capacity != was.get("ProvisionedThroughput"):
        found["ProvisionedThroughput"] = capacity
    warm = shall.get("WarmThroughput")
    if warm and warm != was.get("WarmThroughput"):  # what is left out stays: it cannot be lowered
        found["WarmThroughput"] = warm
    maxima = [each.get("OnDemandThroughput") or {} for each in (was, shall)]
    if maxima[0] != maxima[1] and not capacity:
        found["OnDemandThroughput"] = {**NO_MAXIMUM, **maxima[1]}
    return found


def _settings(
    old: dict[str, list[Request]],
    new: dict[str, list[Request]],
    before: Resources,
    after: Resources,
) -> Iterator[Request]:
    """TTL, recovery and tags, each by its own call."""
    for operation, name in _DISABLED.items():
        was, shall = old.get(operation), new.get(operation)
        if shall and shall != was:
            yield from shall
        elif was and not shall:
            (request,) = was
            off = {
                key: False if key.endswith("nabled") else value
                for key, value in request.params[name].items()
                if key != "RecoveryPeriodInDays"
            }
            yield Request("dynamodb", operation, {**request.params, name: off})
    tags = [each["CreateTable"][0].params.get("Tags", []) for each in (old, new)]
    arn = f"arn:aws:dynamodb:eu-central-1:123456789012:table/{after['Table']['id']}"
    gone = {tag["Key"] for tag in tags[0]} - {tag["Key"] for tag in tags[1]}
    if gone:
        params = {"ResourceArn": arn, "TagKeys": sorted(gone)}
        yield Request("dynamodb", "UntagResource", params)
    if [tag for tag in tags[1] if tag not in tags[0]]:
        yield Request("dynamodb", "TagResource", {"ResourceArn": arn, "Tags": tags[1]})


def _removed_scaling(
    old: dict[str, list[Request]], new: dict[str, list[Request]]
) -> Iterator[Request]:
    """Policies before their targets."""
    names = ("ServiceNamespace", "ResourceId", "ScalableDimension")
    for put, operation, extra in (
        ("PutScalingPolicy", "DeleteScalingPolicy", ("PolicyName",)),
        ("RegisterScalableTarget", "DeregisterScalableTarget", ()),
    ):
        identities = [
            [{name: one.params[name] for name in (*extra, *names)} for one in each.get(put, ())]
            for each in (old, new)
        ]
        for identity in identities[0]:
            if identity not in identities[1]:
                yield Request("application-autoscaling", operation, identity)
