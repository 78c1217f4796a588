"""A platform engineer's day on an emulator: from an account with nothing to one with nothing."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from clouds import AwsCli, Cloud, run_ministack
from langgraph_checkpoint_dynamodb import DynamoDBSaver, DynamoDBTableConfig
from play import thread
from samconfig import DEPLOYMENTS, ROOT, template_parameters
from script_modules import load_script
from waiting_graph import make_graph

PROVIDER = "arn:aws:iam::000000000000:oidc-provider/token.actions.githubusercontent.com"
"""ministack cannot make one in a stack."""


class Platform:
    """What the engineer runs: the scripts, in this process, and the AWS CLI."""

    def __init__(self, cloud: Cloud, folder: Path, variables: pytest.MonkeyPatch) -> None:
        self.cloud = cloud
        self.cloudformation = cloud.client("cloudformation")
        self.dynamodb = cloud.client("dynamodb")
        self.variables = variables
        self.folder = folder
        self._config = folder / "samconfig.toml"
        for name in ("template.yaml", "samconfig.toml"):
            (folder / name).write_bytes((ROOT / name).read_bytes())
        self._scripts = {
            name: load_script(name) for name in ("change_set", "smoke_stack", "adopt_table")
        }
        variables.setattr(self._scripts["change_set"], "_ROOT", folder)
        for name, value in cloud.environment.items():
            variables.setenv(name, value)

    def configure(self, **parameters: str) -> None:
        """Edit samconfig.toml: parameters by their old and new values, `old -> new`."""
        text = self._config.read_text(encoding="utf-8")
        for name, change in parameters.items():
            old, new = (f'"{name}={value}"' for value in change.split(" -> "))
            assert old in text
            text = text.replace(old, new)
        self._config.write_text(text, encoding="utf-8")

    def run(self, script: str, *arguments: str) -> str:
        """What a script prints; SystemExit with its message if it fails."""
        self.variables.setattr(sys, "argv", [script, *arguments])
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = self._scripts[script].main()
        assert not code, printed.getvalue()
        return printed.getvalue()

    def deploy(self, environment: str) -> str:
        """Create a change set and execute it."""
        printed = self.run("change_set", "create", environment)
        (arn,) = re.findall(r"^Change set: (arn:\S+)$", printed, re.MULTILINE)
        return self.run("change_set", "execute", arn)

    def stack(self, name: str) -> Any:
        (found,) = self.cloudformation.describe_stacks(StackName=name)["Stacks"]
        return found

    def saver(self, stack_name: str) -> DynamoDBSaver:
        return DynamoDBSaver.from_stack(stack_name, config=self.cloud.config)

    def table(self, name: str, **settings: Any) -> DynamoDBSaver:
        config = DynamoDBTableConfig(table_name=name, **settings)
        return DynamoDBSaver(replace(self.cloud.config, table_config=config))


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    with run_ministack(tmp_path) as cloud:
        yield Platform(cloud, tmp_path, monkeypatch)


def test_a_day(platform: Platform) -> None:
    for step in (
        bootstrap,
        preview_and_deploy,
        change_a_parameter,
        refuse_a_replacement,
        find_drift,
        roll_back,
        adopt_a_table,
        restore_a_table,
        tear_down,
    ):
        step(platform)


def bootstrap(platform: Platform) -> None:
    """Roles for each environment; the service role goes into the environment's variables."""
    for environment in DEPLOYMENTS:
        stack = f"langgraph-checkpoint-roles-{environment}"
        overrides = ("Repository=octo-org/checkpoints", f"Environment={environment}")
        AwsCli(platform.cloud).aws(
            *("cloudformation", "deploy", "--stack-name", stack),
            *("--template-file", "bootstrap.yaml", "--capabilities", "CAPABILITY_IAM"),
            *("--parameter-overrides", *overrides, f"OidcProviderArn={PROVIDER}"),
        )
        outputs = platform.stack(stack)["Outputs"]
        found = {output["OutputKey"]: output["OutputValue"] for output in outputs}
        assert len(set(found.values())) == len(found) == 5
        platform.variables.setenv("AWS_SERVICE_ROLE_ARN", found["ServiceRoleArn"])


def preview_and_deploy(platform: Platform) -> None:
    """Each environment is previewed, deployed and tested; a graph waits on each table."""
    for environment, deployment in DEPLOYMENTS.items():
        assert "| Add | `Table` |" in platform.run("change_set", "preview", environment)
        assert "CREATE_COMPLETE" in platform.deploy(environment)
        name = deployment["stack_name"]
        assert "was resumed by another saver" in platform.run("smoke_stack", name)
        with platform.saver(name) as saver:
            make_graph(saver).invoke({}, thread())


def change_a_parameter(platform: Platform) -> None:
    """The index is added in each environment's file, and deployed to dev."""
    platform.configure(EnableRunIndex="false -> true")
    shown = platform.run("change_set", "preview", "dev")
    assert "| Modify | `Table` | AWS::DynamoDB::Table | False |" in shown
    assert "UPDATE_COMPLETE" in platform.deploy("dev")
    with platform.saver("langgraph-checkpoint-dev") as saver:
        assert saver.config.table_config.enable_run_index
        assert make_graph(saver).get_state(thread()).next == ("ask",)


def refuse_a_replacement(platform: Platform) -> None:
    """Another name is refused before and at a deployment."""
    name = "langgraph-checkpoint-dev"
    platform.configure(TableName=f"{name} -> chats")
    for command in ("preview", "create"):
        with pytest.raises(SystemExit, match="refused: Table would be replaced"):
            platform.run("change_set", command, "dev")
    platform.configure(TableName=f"chats -> {name}")
    assert "No changes." in platform.run("change_set", "preview", "dev")


def find_drift(platform: Platform) -> None:
    """Deletion protection is switched off by hand."""
    name = "langgraph-checkpoint-prod"
    platform.dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
    plan = platform.table(name, enable_deletion_protection=True).plan()
    assert "enable_deletion_protection: configured True, found False" in str(plan)
    platform.cloudformation.detect_stack_drift(StackName=name)
    (drift,) = platform.cloudformation.describe_stack_resource_drifts(
        StackName=name, StackResourceDriftStatusFilters=["MODIFIED"]
    )["StackResourceDrifts"]
    assert drift["LogicalResourceId"] == "Table"
    (difference,) = drift["PropertyDifferences"]
    assert difference["PropertyPath"] == "/DeletionProtectionEnabled"
    assert (difference["ExpectedValue"], difference["ActualValue"]) == ("true", "false")
    platform.dynamodb.update_table(TableName=name, DeletionProtectionEnabled=True)


BROKEN = """
  Broken:
    Type: AWS::CloudWatch::Alarm
    DependsOn: Table
    Properties:
      ComparisonOperator: GreaterThanThreshold
      EvaluationPeriods: 1
      Threshold: 1
"""
"""An alarm without a metric: CloudFormation accepts the template and fails at the resource."""


def roll_back(platform: Platform) -> None:
    """An update that fails after the table was changed leaves everything as it was."""
    name = "langgraph-checkpoint-staging"
    template = platform.folder / "template.yaml"
    whole = template.read_text(encoding="utf-8")
    template.write_text(whole.replace("\nOutputs:", f"{BROKEN}\nOutputs:"), encoding="utf-8")
    platform.configure(EnableDeletionProtection="false -> true")
    with pytest.raises(SystemExit, match=r"UPDATE_ROLLBACK_COMPLETE\n  Broken: MetricName"):
        platform.deploy("staging")
    assert platform.stack(name)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    table = platform.dynamodb.describe_table(TableName=name)["Table"]
    assert table["DeletionProtectionEnabled"] is False
    template.write_text(whole, encoding="utf-8")
    assert "UPDATE_COMPLETE" in platform.deploy("staging")
    with platform.saver(name) as saver:
        assert make_graph(saver).get_state(thread()).next == ("ask",)


def adopt_a_table(platform: Platform) -> None:
    """A table that `deploy=True` made, with a thread, comes under a stack."""
    with platform.table("chats", environment="dev") as saver:
        saver.setup()
        make_graph(saver).invoke({}, thread())
    parameters = {"Environment": "dev"}
    overrides = [f"{key}={value}" for key, value in parameters.items()]
    printed = platform.run("adopt_table", "chats-stack", "chats", *overrides)
    assert printed.startswith("Import Table: chats\n")
    assert platform.stack("chats-stack")["StackStatus"] == "IMPORT_COMPLETE"
    deploy_by_hand(platform, "chats-stack", TableName="chats", **parameters)
    with platform.saver("chats-stack") as saver:
        assert make_graph(saver).get_state(thread()).next == ("ask",)


def deploy_by_hand(platform: Platform, stack: str, **parameters: str) -> None:
    AwsCli(platform.cloud).aws(
        *("cloudformation", "deploy", "--stack-name", stack, "--template-file", "template.yaml"),
        *("--capabilities", "CAPABILITY_IAM", "--parameter-overrides"),
        *(f"{name}={value}" for name, value in parameters.items()),
    )


def restore_a_table(platform: Platform) -> None:
    """The restored table comes under a stack of its own, which switches its settings on again."""
    platform.dynamodb.restore_table_to_point_in_time(
        SourceTableName="langgraph-checkpoint-prod",
        TargetTableName="restored",
        UseLatestRestorableTime=True,
    )
    platform.run("adopt_table", "restored-stack", "restored", "EnablePointInTimeRecovery=false")
    given = template_parameters("prod") | {"TableName": "restored"}
    deploy_by_hand(platform, "restored-stack", **{k: v for k, v in given.items() if v})
    with platform.saver("restored-stack") as saver:
        assert saver.config.table_config.enable_ttl
        assert make_graph(saver).get_state(thread()).next == ("ask",)


def tear_down(platform: Platform) -> None:
    """Protection is switched off, stacks are deleted, and then the tables that they leave."""
    with pytest.raises(ClientError, match="TerminationProtection is enabled"):
        platform.cloudformation.delete_stack(StackName="langgraph-checkpoint-prod")
    stacks = [each["StackName"] for each in platform.cloudformation.describe_stacks()["Stacks"]]
    # Those of roles last: a stack keeps its service role.
    for name in sorted(stacks, key=lambda name: "roles" in name):
        platform.cloudformation.update_termination_protection(
            StackName=name, EnableTerminationProtection=False
        )
        platform.cloudformation.delete_stack(StackName=name)
        platform.cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1}
        )
    tables = platform.dynamodb.list_tables()["TableNames"]
    assert tables == [
        "chats",
        *sorted(each["stack_name"] for each in DEPLOYMENTS.values()),
        "restored",
    ]
    for name in tables:
        platform.dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
        platform.dynamodb.delete_table(TableName=name)
    assert platform.dynamodb.list_tables()["TableNames"] == []
    assert platform.cloudformation.describe_stacks()["Stacks"] == []
