"""Every change of parameters: the requests that it needs, and the table that it ends with."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from parity.cfn_to_api import requests_of_stack, validate
from parity.cfn_updates import update_requests
from parity.moto_runs import Account
from parity.oracle import Oracle, Parameters, Resources
from parity.parameter_sets import FACTORS, KEY_ARN, combined
from script_modules import load_script
from stacks import TEMPLATE

template_updates = load_script("template_updates")


def transitions() -> Iterator[tuple[Parameters, Parameters]]:
    """From the first level of each factor to every other and back; capacity with the index too."""
    for factor in FACTORS:
        first, *others = factor
        capacity = any("BillingMode" in level for level in factor)
        for base in ({}, {"EnableRunIndex": "true"}) if capacity else ({},):
            for other in others:
                # Another name is another table.
                if "TableName" not in other:
                    ends = combined((base, first)), combined((base, other))
                    yield from (ends, ends[::-1])


def comparable(described: dict[str, Any]) -> dict[str, Any]:
    """What moto updates as DynamoDB does.

    moto never changes warm throughput and encryption after the creation. It keeps the capacity of a
    table that is on demand, and the attribute of TTL that is off.
    """
    found: dict[str, Any] = json.loads(json.dumps(described))
    table = found["table"]
    for part in (table, *table.get("GlobalSecondaryIndexes", ())):
        part.pop("WarmThroughput", None)
        part.pop("SSEDescription", None)
        part.get("ProvisionedThroughput", {}).pop("NumberOfDecreasesToday", None)
        if table.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST":
            part.pop("ProvisionedThroughput", None)
    if found["ttl"]["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED":
        found["ttl"]["TimeToLiveDescription"].pop("AttributeName", None)
    return found


def resolved(oracle: Oracle, *parameter_sets: Parameters) -> list[Resources]:
    answers = oracle.resolve(parameter_sets)
    assert [answer.refused for answer in answers if answer.refused] == []
    return [answer.resources for answer in answers if answer.resources is not None]


def test_an_update_ends_with_the_table_of_a_new_stack(oracle: Oracle) -> None:
    account = Account()
    pairs = list(transitions())
    resources = iter(resolved(oracle, *(one for pair in pairs for one in pair)))

    @functools.cache
    def anew(key: str) -> dict[str, Any]:
        return comparable(account.replay(requests_of_stack(json.loads(key))))

    for (before, after), old, new in zip(pairs, resources, resources, strict=True):
        requests = update_requests(old, new)
        for request in requests:
            validate(request)
        updated = account.replay([*requests_of_stack(old), *requests])
        assert comparable(updated) == anew(json.dumps(new)), (before, after)
    assert len(pairs) > 30


CAPACITY = {"BillingMode": "PROVISIONED", "ReadCapacity": "5", "WriteCapacity": "7"}
WITHOUT_INDEX = {"EnableThreadIndex": "false"}
BOUNDS = {"MinReadCapacity": "3", "MaxReadCapacity": "11"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"KmsKeyArn": KEY_ARN}, [
            ("UpdateTable", {"SSESpecification": {
                "Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY_ARN}}),
        ]),
        ({"KmsKeyArn": KEY_ARN}, {}, [("UpdateTable", {"SSESpecification": {"Enabled": True}})]),
        ({}, {"EnableEncryption": "false"}, [
            ("UpdateTable", {"SSESpecification": {"Enabled": False}}),
        ]),
        ({"MaxReadRequestUnits": "17"}, {}, [
            ("UpdateTable", {"OnDemandThroughput": {
                "MaxReadRequestUnits": -1, "MaxWriteRequestUnits": -1}}),
        ]),
        (WITHOUT_INDEX, WITHOUT_INDEX | CAPACITY | BOUNDS, [
            ("UpdateTable", {
                "BillingMode": "PROVISIONED",
                "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 7}}),
            ("RegisterScalableTarget", {"MinCapacity": 3, "MaxCapacity": 11}),
            ("PutScalingPolicy", {"PolicyName": "target-utilization"}),
        ]),
        (WITHOUT_INDEX | CAPACITY | BOUNDS, WITHOUT_INDEX, [
            ("DeleteScalingPolicy", {"PolicyName": "target-utilization"}),
            ("DeregisterScalableTarget", {"ResourceId": "table/langgraph-checkpoint"}),
            ("UpdateTable", {"BillingMode": "PAY_PER_REQUEST"}),
        ]),
        ({}, {"WarmWriteUnits": "9000"}, [
            ("UpdateTable", {
                "WarmThroughput": {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 9000},
                "GlobalSecondaryIndexUpdates": [{"Update": {
                    "IndexName": "threads", "WarmThroughput": {"WriteUnitsPerSecond": 9000}}}]}),
        ]),
        ({"WarmReadUnits": "20000"}, {}, []),
        ({"EnableTtl": "true"}, {}, [
            ("UpdateTimeToLive", {"TimeToLiveSpecification": {
                "Enabled": False, "AttributeName": "ttl"}}),
        ]),
        ({"Environment": "prod"}, {}, [("UntagResource", {"TagKeys": ["Environment"]})]),
        ({"CreatePolicies": "true"}, {}, []),
    ],
)  # fmt: skip
def test_the_requests_of_a_change(
    oracle: Oracle,
    before: Parameters,
    after: Parameters,
    expected: list[tuple[str, dict[str, Any]]],
) -> None:
    requests = update_requests(*resolved(oracle, before, after))
    assert [request.operation for request in requests] == [name for name, _ in expected]
    for request, (_, params) in zip(requests, expected, strict=True):
        assert params.items() <= request.params.items()


def test_each_property_is_carried_by_the_call_that_the_table_of_the_docs_names(
    oracle: Oracle,
) -> None:
    resources = iter(resolved(oracle, *(one for pair in transitions() for one in pair)))
    carried = {
        (request.operation, name)
        for old, new in zip(resources, resources, strict=True)
        for request in update_requests(old, new)
        for name in request.params
    }
    names = {"GlobalSecondaryIndexUpdates": "GlobalSecondaryIndexes"}
    told = template_updates.REQUESTS
    settable = template_updates.schema_of("AWS::DynamoDB::Table")["properties"]
    for operation, sent in carried:
        name = names.get(sent, sent)
        if name in settable and name != "TableName":
            assert told[name].replace("Tag", "Untag") == operation or told[name] == operation
    permissions = template_updates.schema_of("AWS::DynamoDB::Table")["handlers"]["update"]
    assert {f"dynamodb:{call}" for call in told.values()} <= set(permissions["permissions"])


def test_another_ttl_attribute_is_refused_while_ttl_is_on(oracle: Oracle, dynamodb: Any) -> None:
    on = {"EnableTtl": "true", "TableName": "ttl-attribute"}
    old, new = resolved(oracle, on, on | {"TtlAttribute": "expires"})
    (change,) = update_requests(old, new)
    requests = {request.operation: request for request in requests_of_stack(old)}
    create, enable = requests["CreateTable"], requests["UpdateTimeToLive"]
    dynamodb.create_table(**{k: v for k, v in create.params.items() if k != "SSESpecification"})
    try:
        dynamodb.update_time_to_live(**enable.params)
        with pytest.raises(ClientError, match="TimeToLive is active on a different AttributeName"):
            dynamodb.update_time_to_live(**change.params)
    finally:
        dynamodb.delete_table(TableName="ttl-attribute")


def test_only_another_name_replaces_the_table() -> None:
    effects = {
        parameter: {
            template_updates.effect(kind, name)
            for _, kind, name in template_updates.uses(TEMPLATE, parameter)
            if kind == "AWS::DynamoDB::Table"
        }
        for parameter in TEMPLATE["Parameters"]
    }
    replacing = {name for name, found in effects.items() if found - {"in place"}}
    assert replacing == {"TableName"}


def test_the_template_sets_nothing_that_a_schema_makes_read_only_or_hides_from_drift() -> None:
    for resource in TEMPLATE["Resources"].values():
        read_only = template_updates.listed(resource["Type"], "readOnlyProperties")
        assert not read_only & resource["Properties"].keys()
    assert template_updates.unseen_by_drift(TEMPLATE) == []
