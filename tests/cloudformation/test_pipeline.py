"""The scripts that the deploy workflow runs: change sets, and the smoke test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bootstrap import granted, recorded_actions
from clouds import Cloud, run_ministack
from langgraph_checkpoint_dynamodb import DynamoDBSaver
from samconfig import DEPLOYMENTS, ROOT, template_parameters
from script_modules import load_script

CONFIG = (ROOT / "samconfig.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with run_ministack(tmp_path_factory.mktemp("ministack")) as found:
        yield found


@pytest.fixture
def change_set(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, with a copy of samconfig.toml that a test may change."""
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SERVICE_ROLE_ARN", "arn:aws:iam::000000000000:role/service")
    for name in ("template.yaml", "samconfig.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    module = load_script("change_set")
    monkeypatch.setattr(module, "_ROOT", tmp_path)
    yield module
    cloudformation = cloud.client("cloudformation")
    for stack in cloudformation.describe_stacks()["Stacks"]:
        cloudformation.update_termination_protection(
            StackName=stack["StackName"], EnableTerminationProtection=False
        )
        cloudformation.delete_stack(StackName=stack["StackName"])
    for name in cloud.client("dynamodb").list_tables()["TableNames"]:
        dynamodb = cloud.client("dynamodb")
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
        dynamodb.delete_table(TableName=name)


def configure(tmp_path: Path, *changes: tuple[str, str]) -> None:
    text = CONFIG
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "samconfig.toml").write_text(text, encoding="utf-8")


def run(change_set: Any, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["change_set.py", *arguments])
    change_set.main()


def created(
    change_set: Any, monkeypatch: pytest.MonkeyPatch, environment: str, folder: Path
) -> str:
    """Create a change set as the workflow does, and return its ARN."""
    output = folder / "output"
    output.unlink(missing_ok=True)
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    run(change_set, monkeypatch, "create", environment)
    return output.read_text().removeprefix("change-set=").strip()


def test_a_preview_shows_the_change_set_and_deletes_it(
    cloud: Cloud, change_set: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    with recorded_actions() as actions:
        run(change_set, monkeypatch, "preview", "prod")
    printed = capsys.readouterr().out
    assert printed.startswith("### prod\n\n| action | resource | type |")
    assert "| Add | `Table` | AWS::DynamoDB::Table |" in printed
    client = cloud.client("cloudformation")
    stack = DEPLOYMENTS["prod"]["stack_name"]
    assert client.list_change_sets(StackName=stack)["Summaries"] == []
    assert client.describe_stack_resources(StackName=stack)["StackResources"] == []
    assert actions | {"iam:PassRole"} == granted("PreviewRole")


def test_the_change_set_that_was_created_is_executed_and_no_other(
    cloud: Cloud, change_set: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    arn = created(change_set, monkeypatch, "staging", tmp_path)
    assert f"Change set: {arn}" in capsys.readouterr().out
    configure(tmp_path, ("TtlAttribute=ttl", "TtlAttribute=later"))
    with recorded_actions() as actions:
        run(change_set, monkeypatch, "execute", arn)
    assert capsys.readouterr().out.endswith("langgraph-checkpoint-staging: CREATE_COMPLETE\n")
    client = cloud.client("cloudformation")
    (stack,) = client.describe_stacks(StackName="langgraph-checkpoint-staging")["Stacks"]
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    assert parameters == template_parameters("staging")
    assert stack["EnableTerminationProtection"] is True
    # What failed is asked for after a failure only.
    assert actions | {"cloudformation:DescribeStackEvents"} == granted("DeployRole")


def test_nothing_to_change_is_nothing_to_approve(
    change_set: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    run(change_set, monkeypatch, "execute", created(change_set, monkeypatch, "dev", tmp_path))
    assert created(change_set, monkeypatch, "dev", tmp_path) == ""
    assert "No changes." in capsys.readouterr().out


@pytest.mark.parametrize("command", ["preview", "create"])
def test_a_replaced_table_is_refused_and_its_change_set_deleted(
    cloud: Cloud,
    change_set: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: Any,
    command: str,
) -> None:
    run(change_set, monkeypatch, "execute", created(change_set, monkeypatch, "dev", tmp_path))
    configure(tmp_path, ("TableName=langgraph-checkpoint-dev", "TableName=other"))
    capsys.readouterr()
    with pytest.raises(SystemExit, match="refused: Table would be replaced"):
        run(change_set, monkeypatch, command, "dev")
    # ministack names ResourcePolicy too, which has the name if there are principals.
    row = r"\| Modify \| `Table` \| AWS::DynamoDB::Table \| True \| .*\bTableName \|"
    assert re.search(row, capsys.readouterr().out)
    summaries = cloud.client("cloudformation").list_change_sets(
        StackName="langgraph-checkpoint-dev"
    )["Summaries"]
    assert [one for one in summaries if one["ExecutionStatus"] == "AVAILABLE"] == []


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        ({"Action": "Modify", "Replacement": "True"}, ["Table"]),
        ({"Action": "Modify", "Replacement": "Conditional"}, ["Table"]),
        ({"Action": "Modify", "Replacement": "False"}, []),
        ({"Action": "Remove"}, ["Table"]),
        ({"Action": "Add"}, []),
    ],
)
def test_which_changes_lose_a_table(change: dict[str, str], lost: list[str]) -> None:
    table = {"LogicalResourceId": "Table", "ResourceType": "AWS::DynamoDB::Table"}
    policy = {"LogicalResourceId": "RuntimePolicy", "ResourceType": "AWS::IAM::ManagedPolicy"}
    lost_tables = load_script("change_set").lost_tables
    assert lost_tables([{**table, **change}, {**policy, **change}]) == lost


def test_a_row_says_what_is_replaced_and_why() -> None:
    change = {
        "Action": "Modify",
        "LogicalResourceId": "Table",
        "ResourceType": "AWS::DynamoDB::Table",
        "Replacement": "True",
        "Details": [
            {"Target": {"Attribute": "Properties", "Name": "TableName"}},
            {"Target": {"Attribute": "Properties", "Name": "TableName"}},
            {"Target": {"Attribute": "Tags"}},
        ],
    }
    *_, row = load_script("change_set").markdown([change]).splitlines()
    assert row == "| Modify | `Table` | AWS::DynamoDB::Table | True | TableName, Tags |"


def test_what_sam_cannot_set_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_script("change_set")
    role, *alarms = "arn:aws:iam::1:role/r", "arn:aws:cloudwatch:::alarm:a", "arn:…:alarm:b"
    deployment = module.deployment_of("prod")
    assert not {"RoleARN", "RollbackConfiguration"} & module.request(deployment, "deploy").keys()
    monkeypatch.setenv("AWS_SERVICE_ROLE_ARN", role)
    monkeypatch.setenv("ROLLBACK_ALARM_ARNS", " ".join(alarms))
    request = module.request(deployment, "deploy")
    assert request["RoleARN"] == role
    triggers = request["RollbackConfiguration"]["RollbackTriggers"]
    assert [trigger["Arn"] for trigger in triggers] == alarms
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in request["Parameters"]}
    assert parameters == template_parameters("prod")
    assert request["Tags"] == [{"Key": "Application", "Value": "langgraph-checkpoint"}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["preview", "test"], "samconfig.toml has no environment 'test' to deploy"),
        (["execute", ""], "Preview, create and execute change sets"),
        ([], "Preview, create and execute change sets"),
    ],
)
def test_a_wrong_command_changes_nothing(arguments: list[str], message: str, cloud: Cloud) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "change_set.py", *arguments],
        env={**os.environ, **cloud.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert message in done.stderr


def test_the_smoke_test_leaves_nothing_behind_and_calls_what_its_role_allows(
    cloud: Cloud, change_set: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run(change_set, monkeypatch, "execute", created(change_set, monkeypatch, "dev", tmp_path))
    with recorded_actions() as actions:
        assert load_script("smoke_stack").smoke("langgraph-checkpoint-dev") == ""
    assert actions <= granted("SmokeRole")
    kept = cloud.client("dynamodb").scan(TableName="langgraph-checkpoint-dev")["Items"]
    # A chunk that is younger than an hour stays, in case a write is about to refer to it.
    assert [item for item in kept if not item["SK"]["S"].startswith("S#")] == []


@pytest.mark.parametrize(
    ("method", "finding"),
    [("put", "the graph waits at"), ("delete_thread", "still there after it was deleted")],
)
def test_the_smoke_test_can_fail(
    change_set: Any, method: str, finding: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def does_nothing(_self: object, *arguments: Any) -> Any:
        return arguments[0]

    run(change_set, monkeypatch, "execute", created(change_set, monkeypatch, "dev", tmp_path))
    monkeypatch.setattr(DynamoDBSaver, method, does_nothing)
    assert finding in load_script("smoke_stack").smoke("langgraph-checkpoint-dev")
