"""The template on an engine that is not ours: moto makes the stacks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws
from moto.cloudformation import parsing
from moto.dynamodb.models.table import Table as MotoTable

from langgraph_checkpoint_dynamodb.config.table_config import DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.format import requests
from langgraph_checkpoint_dynamodb.format.thread_entries import THREAD_INDEX
from langgraph_checkpoint_dynamodb.infra.deploy import deploy
from langgraph_checkpoint_dynamodb.infra.template import parameters_of
from recorder import Recorder
from stacks import KMS_KEY, POLICIES, TABLE_NAME, TEMPLATE, configs, create_stack, table_of

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS..ApplicationAutoScaling")

ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table/"


@pytest.fixture(autouse=True)
def _moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Moto, but with CloudFormation's `Fn::Equals`: to moto a parameter 0 is not '0'."""
    original = parsing.parse_condition

    def by_text(condition: Any, resources: Any, conditions: Any) -> bool:
        if isinstance(condition, dict) and "Fn::Equals" in condition:
            left, right = (parsing.clean_json(one, resources) for one in condition["Fn::Equals"])
            return str(left) == str(right)
        return original(condition, resources, conditions)

    monkeypatch.setattr(parsing, "parse_condition", by_text)
    for loader in ("Loader", "SafeLoader"):  # the same in C: most of the time is YAML's
        monkeypatch.setattr(yaml, loader, getattr(yaml, f"C{loader}"))
    with mock_aws():
        yield


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The properties of the tables that moto makes for stacks."""
    found: list[dict[str, Any]] = []
    create = MotoTable.create_from_cloudformation_json.__func__  # type: ignore[attr-defined]

    def recording(cls: Any, name: str, resource: dict[str, Any], *rest: Any, **more: Any) -> Any:
        found.append(copy.deepcopy(resource["Properties"]))  # Moto adds to the original.
        return create(cls, name, resource, *rest, **more)

    monkeypatch.setattr(MotoTable, "create_from_cloudformation_json", classmethod(recording))
    return found


def as_text(node: Any) -> Any:
    """Numbers as strings: CloudFormation passes either, and engines differ."""
    if isinstance(node, dict):
        return {key: as_text(child) for key, child in node.items()}
    if isinstance(node, list):
        return [as_text(child) for child in node]
    return node if isinstance(node, bool) else str(node)


def describe(client: Any) -> dict[str, Any]:
    """A table and its tags. Moto ignores encryption in a stack."""
    table = client.describe_table(TableName=TABLE_NAME)["Table"]
    for field in ("TableId", "CreationDateTime", "SSEDescription"):
        table.pop(field, None)
    tags = client.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
    return {**table, "Tags": tags}


@pytest.mark.parametrize("config", configs())
def test_a_stack_and_deploy_make_the_same_table(
    config: DynamoDBTableConfig, evaluated: list[dict[str, Any]]
) -> None:
    parameters = parameters_of(config)
    create_stack("stack", parameters)
    assert as_text(evaluated) == [as_text(table_of(parameters))]

    recorder = Recorder()
    client = recorder.client()
    by_stack = describe(client)
    client.update_table(TableName=TABLE_NAME, DeletionProtectionEnabled=False)
    client.delete_table(TableName=TABLE_NAME)
    recorder.run(deploy(config))
    assert describe(client) == by_stack


def outputs_of(stack: dict[str, Any]) -> dict[str, str]:
    return {
        output["OutputKey"]: output["OutputValue"]
        for output in stack["Outputs"]
        if not output["OutputKey"].endswith("Export")
    }


PLAIN_OUTPUTS = {name for name in TEMPLATE["Outputs"] if not name.endswith("Export")}
OUTPUTS = {
    "TableName": "chats",
    "TableArn": f"{ARN}chats",
    "Region": "eu-central-1",
    "TtlAttribute": "ttl",
    "TtlEnabled": "false",
    "RunIndexEnabled": "false",
    "ThreadIndexEnabled": "true",
    "TemplateVersion": TEMPLATE["Outputs"]["TemplateVersion"]["Value"],
}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, {}),
        ({"EnableTtl": "true", "TtlAttribute": "expires"}, {"TtlAttribute": "expires"}),
        ({"EnableRunIndex": "true"}, {"RunIndexEnabled": "true"}),
        ({"EnableThreadIndex": "false"}, {"ThreadIndexEnabled": "false"}),
    ],
)
def test_outputs(parameters: dict[str, str], expected: dict[str, str]) -> None:
    stack = create_stack("chats-stack", {"TableName": "chats", **parameters})
    ttl = {"TtlEnabled": parameters.get("EnableTtl", "false")}
    assert outputs_of(stack) == {**OUTPUTS, **ttl, **expected}
    exports = boto3.client("cloudformation", "eu-central-1").list_exports()["Exports"]
    # Moto lists outputs that their condition leaves out too, without a value.
    assert {export["Name"]: export["Value"] for export in exports if "Value" in export} == {
        f"chats-stack-{name}": value
        for name, value in outputs_of(stack).items()
        if name not in {"Region", "TemplateVersion"}
    }


def test_cloudformation_chooses_the_name_if_none_is_given() -> None:
    outputs = outputs_of(create_stack("chats-stack", {"TableName": ""}))
    assert outputs["TableName"].startswith("chats-stack-Table-")
    assert outputs["TableArn"] == ARN + outputs["TableName"]


def policies() -> dict[str, dict[str, Any]]:
    """The documents of the policies of this account, by ARN."""
    client = boto3.client("iam", "eu-central-1")
    return {
        policy["Arn"]: client.get_policy_version(
            PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"]
        )["PolicyVersion"]["Document"]
        for policy in client.list_policies(Scope="Local")["Policies"]
    }


def test_no_policy_is_made_unless_asked_for() -> None:
    stack = create_stack("chats-stack", {"TableName": "chats"})
    assert policies() == {}
    assert outputs_of(stack).keys() == PLAIN_OUTPUTS - {f"{name}Arn" for name in POLICIES}


@pytest.mark.parametrize("updates", ["EnableTtl", "EnableThreadIndex", None])
@pytest.mark.parametrize("key", ["", KMS_KEY])
def test_policies_are_of_this_table_alone(updates: str | None, key: str) -> None:
    parameters = {"TableName": "", "CreatePolicies": "true", "KmsKeyArn": key}
    parameters["EnableThreadIndex"] = "false"
    if updates:
        parameters[updates] = "true"
    outputs = outputs_of(create_stack("chats-stack", parameters))
    assert outputs.keys() == PLAIN_OUTPUTS
    found = policies()
    assert found.keys() == {outputs[f"{name}Arn"] for name in POLICIES}

    table = outputs["TableArn"]
    threads = f"{table}/index/{THREAD_INDEX}"
    with_indexes = [table, f"{table}/index/{requests.RUN_INDEX}", threads]
    granted = {
        (name, statement["Sid"]): statement["Resource"]
        for name in POLICIES
        for statement in found[outputs[f"{name}Arn"]]["Statement"]
    }
    (stack,) = boto3.client("cloudformation", "eu-central-1").describe_stacks()["Stacks"]
    assert granted == {
        ("RuntimePolicy", "Checkpoints"): [table, threads],
        ("ReadOnlyPolicy", "Checkpoints"): with_indexes,
        ("MaintenancePolicy", "Checkpoints"): with_indexes,
        ("OperatorPolicy", "Checkpoints"): with_indexes,
        ("OperatorPolicy", "Settings"): table,
        ("OperatorPolicy", "Scaling"): "*",
        ("OperatorPolicy", "Stack"): stack["StackId"],
        ("OperatorPolicy", "WhichKeyIsManagedByAWS"): "*",
        ("TenantPolicy", "ThreadsOfTheTenant"): [table, threads],
        **({("RuntimePolicy", "Updates"): table} if updates else {}),
        **({(name, "KeyThroughDynamoDB"): key for name in POLICIES} if key else {}),
    }
