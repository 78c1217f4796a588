"""What a stack sets and `deploy=True` does not: insights, the resource policy, SSM parameters."""

from __future__ import annotations

from typing import Any

import pytest

from parity.oracle import Oracle, Parameters, Resources
from stacks import PARAMETERS, TEMPLATE

ROLES = ["arn:aws:iam::111122223333:role/graphs", "arn:aws:iam::444455556666:root"]
INDEXES = {"EnableRunIndex": "true", "EnableThreadIndex": "true"}
WITHOUT_KEY = {"TableName": "chats", "EnableEncryption": "false"}


def resources_of(oracle: Oracle, parameters: Parameters) -> Resources:
    (answer,) = oracle.resolve([INDEXES | parameters])
    assert answer.resources is not None, answer.refused
    return answer.resources


def parts_of(oracle: Oracle, parameters: Parameters) -> list[dict[str, Any]]:
    table = resources_of(oracle, parameters)["Table"]["properties"]
    return [table, *table["GlobalSecondaryIndexes"]]


@pytest.mark.parametrize("mode", ["THROTTLED_KEYS", "ACCESSED_AND_THROTTLED_KEYS"])
def test_insights_are_on_for_the_table_and_each_index(oracle: Oracle, mode: str) -> None:
    found = [
        part["ContributorInsightsSpecification"]
        for part in parts_of(oracle, {"ContributorInsights": mode})
    ]
    assert found == [{"Enabled": True, "Mode": mode}] * 3


def test_insights_are_off_explicitly(oracle: Oracle) -> None:
    found = [part["ContributorInsightsSpecification"] for part in parts_of(oracle, {})]
    assert found == [{"Enabled": False}] * 3


@pytest.mark.parametrize(("ttl", "threads"), [("true", "false"), ("false", "false")])
def test_the_resource_policy_allows_what_a_graph_calls(
    oracle: Oracle, ttl: str, threads: str
) -> None:
    more = {
        "AllowedPrincipals": ",".join(ROLES),
        "CreatePolicies": "true",
        "EnableTtl": ttl,
        "EnableThreadIndex": threads,
    }
    resources = resources_of(oracle, WITHOUT_KEY | more)
    document = resources["Table"]["properties"]["ResourcePolicy"]["PolicyDocument"]
    (statement,) = document["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Principal"] == {"AWS": ROLES}
    runtime = resources["RuntimePolicy"]["properties"]["PolicyDocument"]["Statement"]
    allowed = {action for one in runtime for action in one["Action"]}
    assert set(statement["Action"]) == allowed
    assert ("dynamodb:UpdateItem" in allowed) == (ttl == "true")
    table, index = statement["Resource"]
    assert table.endswith(":table/chats")
    assert index == f"{table}/index/threads"


def test_a_table_has_no_resource_policy_unless_it_names_principals(oracle: Oracle) -> None:
    assert "ResourcePolicy" not in parts_of(oracle, WITHOUT_KEY)[0]


@pytest.mark.parametrize(
    "parameters",
    [
        {"TableName": "chats"},  # the key that AWS manages
        WITHOUT_KEY | {"TableName": ""},
        WITHOUT_KEY | {"AllowedPrincipals": "*"},
        WITHOUT_KEY | {"AllowedPrincipals": f"{ROLES[0]},"},
    ],
)
def test_a_resource_policy_that_could_not_work_is_refused(
    oracle: Oracle, parameters: Parameters
) -> None:
    (answer,) = oracle.resolve([{"AllowedPrincipals": ROLES[0]} | parameters])
    assert answer.refused


def test_the_ssm_parameters_are_the_outputs(oracle: Oracle) -> None:
    given = {"TableName": "chats", "TtlAttribute": "expires", "CreateParameters": "true"}
    resources = resources_of(oracle, given)
    found = {
        resource["properties"]["Name"]: resource["properties"]["Value"]
        for resource in resources.values()
        if resource["type"] == "AWS::SSM::Parameter"
    }
    assert found.pop("/stack/TableArn").endswith(":table/chats")
    assert found == {
        "/stack/TableName": "chats",
        "/stack/TtlAttribute": "expires",
        "/stack/TtlEnabled": "false",
        "/stack/RunIndexEnabled": "true",
        "/stack/ThreadIndexEnabled": "true",
    }


def test_a_parameter_and_an_export_have_the_value_of_their_output() -> None:
    outputs = TEMPLATE["Outputs"]
    exported = {name for name, output in outputs.items() if "Export" in output}
    for name in exported:
        output = outputs[name.removesuffix("Export")]
        assert outputs[name]["Value"] == output["Value"]
        condition = "HasPolicyExports" if "Condition" in output else "HasExports"
        assert outputs[name]["Condition"] == condition
        export = {"Fn::Sub": "${AWS::StackName}-" + name.removesuffix("Export")}
        assert outputs[name]["Export"] == {"Name": export}
    plain = outputs.keys() - exported
    assert {name.removesuffix("Export") for name in exported} == plain - {
        *("Region", "TemplateVersion")
    }
    for name in PARAMETERS:
        value = TEMPLATE["Resources"][name]["Properties"]["Value"]
        assert value == outputs[name.removesuffix("Parameter")]["Value"]
