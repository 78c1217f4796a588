"""The template evaluated by an engine that is not ours."""

from __future__ import annotations

import copy
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.dynamodb.models.table import Table as MotoTable

from langgraph_checkpoint_dynamodb.config import (
    DynamoDBTableConfig,
)
from langgraph_checkpoint_dynamodb.template import (
    parameters_of,
)
from stacks import configs, create_stack, table_of


def as_text(node: Any) -> Any:
    """Numbers as strings: CloudFormation passes either, and engines differ."""
    if isinstance(node, dict):
        return {key: as_text(child) for key, child in node.items()}
    if isinstance(node, list):
        return [as_text(child) for child in node]
    return node if isinstance(node, bool) else str(node)


@mock_aws
def test_another_engine_evaluates_the_template_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated: list[dict[str, Any]] = []
    create = MotoTable.create_from_cloudformation_json.__func__  # type: ignore[attr-defined]

    def recording(cls: Any, name: str, resource: dict[str, Any], *rest: Any, **more: Any) -> Any:
        evaluated.append(copy.deepcopy(resource["Properties"]))  # Moto adds to the original.
        return create(cls, name, resource, *rest, **more)

    monkeypatch.setattr(MotoTable, "create_from_cloudformation_json", classmethod(recording))
    for number, config in enumerate(configs()):
        parameters = {**parameters_of(config), "TableName": f"table-{number}"}
        create_stack(f"stack-{number}", parameters)
        assert as_text(evaluated.pop()) == as_text(table_of(parameters)), parameters
        assert not evaluated


@mock_aws
def test_outputs() -> None:
    stack = create_stack("chats-stack", parameters_of(DynamoDBTableConfig(table_name="chats")))
    outputs = {output["OutputKey"]: output for output in stack["Outputs"]}
    version = outputs["TemplateVersion"]["OutputValue"]
    assert {name: output["OutputValue"] for name, output in outputs.items()} == {
        "TableName": "chats",
        "TableArn": "arn:aws:dynamodb:eu-central-1:123456789012:table/chats",
        "Region": "eu-central-1",
        "TtlAttribute": "ttl",
        "TemplateVersion": version,
    }
    assert all(part.isdigit() for part in version.split("."))
    exports = boto3.client("cloudformation", "eu-central-1").list_exports()["Exports"]
    assert {export["Name"] for export in exports} == {f"chats-stack-{name}" for name in outputs}
