"""From the CDK stack of 0.1.3, another author's release of this name, to this one.

`stack-0.1.3.json` is what its `DynamoDBCheckpointStack(app, "Checkpoints")` synthesizes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import aws_cdk as cdk

from langgraph_checkpoint_dynamodb import DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.infra.cdk import DynamoDBCheckpointStack

HERE = Path(__file__).parent
OLD = json.loads((HERE / "stack-0.1.3.json").read_text(encoding="utf-8"))
PAGE = (HERE.parents[2] / "docs" / "infrastructure.md").read_text(encoding="utf-8")


def synthesized(app: cdk.App, name: str) -> dict[str, Any]:
    template: dict[str, Any] = app.synth().get_stack_by_name(name).template
    return template


def tables(template: dict[str, Any]) -> dict[str, Any]:
    return {
        logical_id: resource
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == "AWS::DynamoDB::Table"
    }


def new_app() -> cdk.App:
    return cdk.App(analytics_reporting=False, builtin_cloud_formation_validation=False)


def test_in_the_same_stack_the_name_would_be_taken() -> None:
    """CloudFormation creates before it removes, and the names are the same by default."""
    app = new_app()
    DynamoDBCheckpointStack(app, "Checkpoints")
    old, new = tables(OLD), tables(synthesized(app, "Checkpoints"))
    assert not old.keys() & new.keys()
    names = [one["Properties"]["TableName"] for each in (old, new) for one in each.values()]
    assert names == ["langgraph-checkpoint"] * 2


def test_the_stack_of_the_docs_stands_beside_the_old_one() -> None:
    (code,) = (one for one in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "-v1" in one)
    app = new_app()
    names = {"DynamoDBCheckpointStack": DynamoDBCheckpointStack}
    exec(code, {"app": app, "DynamoDBTableConfig": DynamoDBTableConfig, **names})
    (artifact,) = app.synth().stacks
    assert artifact.stack_name != "Checkpoints"
    new = synthesized(app, artifact.stack_name)
    taken = {table["Properties"]["TableName"] for table in tables(OLD).values()}
    assert not taken & {table["Properties"]["TableName"] for table in tables(new).values()}
    assert not [output for output in OLD["Outputs"].values() if "Export" in output]


def test_the_old_stack_leaves_its_table_when_it_is_deleted() -> None:
    assert {table["DeletionPolicy"] for table in tables(OLD).values()} == {"Retain"}
