"""`samconfig.toml`, the SAM example, and the scripts around a deployment, each run for real."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from conftest import MakeSaver
from moto import mock_aws
from moto.server import ThreadedMotoServer

from clients import KEYS, REGION
from langgraph_checkpoint_dynamodb import DynamoDBSaver
from langgraph_checkpoint_dynamodb.infra.template import resolve
from samconfig import DEPLOYMENTS, ROOT, read_toml, template_parameters
from stacks import TEMPLATE, TEMPLATE_FILE, create_stack
from tools import tool

EXAMPLE = ROOT / "examples" / "sam"
APP = yaml.safe_load((EXAMPLE / "template.yaml").read_text(encoding="utf-8"))


def bare_environment(home: Path) -> dict[str, str]:
    """An environment that knows neither region nor credentials nor anybody's settings."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "SAM_CLI_TELEMETRY": "0"}


def validate(template: Path, home: Path) -> tuple[int, str]:
    done = subprocess.run(
        [tool("sam", "sam"), "validate", "--lint", "--template", template],
        env=bare_environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("template", [TEMPLATE_FILE, EXAMPLE / "template.yaml"])
def test_sam_finds_nothing_without_credentials_or_region(template: Path, tmp_path: Path) -> None:
    code, output = validate(template, tmp_path)
    assert code == 0, output
    assert "is a valid SAM Template" in output


def test_sam_finds_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "template.yaml"
    text = TEMPLATE_FILE.read_text(encoding="utf-8")
    wrong.write_text(text.replace("DeletionProtectionEnabled:", "DeletionProtektion:"))
    code, output = validate(wrong, tmp_path)
    assert code != 0
    assert "DeletionProtektion" in output


def table_of(environment: str) -> dict[str, Any]:
    given = template_parameters(environment)
    # The policies are CloudFormation's alone: the evaluator in the package makes none.
    assert given.pop("CreatePolicies") in TEMPLATE["Parameters"]["CreatePolicies"]["AllowedValues"]
    # Fails on a parameter that the template has not, and on a value that it refuses.
    table: dict[str, Any] = resolve(TEMPLATE, given)["Table"].properties
    return table


def test_prod_keeps_its_data_and_dev_costs_little() -> None:
    dev, staging, prod = (table_of(name) for name in ("dev", "staging", "prod"))
    recovery = "PointInTimeRecoverySpecification"
    assert prod[recovery] == {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": "35"}
    assert prod["DeletionProtectionEnabled"] is True
    assert staging[recovery]["PointInTimeRecoveryEnabled"] is True
    assert dev[recovery] == {"PointInTimeRecoveryEnabled": False}
    assert dev["DeletionProtectionEnabled"] is staging["DeletionProtectionEnabled"] is False
    assert dev["OnDemandThroughput"] == {
        "MaxReadRequestUnits": "500",
        "MaxWriteRequestUnits": "500",
    }
    assert "OnDemandThroughput" not in prod


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_an_environment_is_a_whole_command(name: str) -> None:
    deployment = DEPLOYMENTS[name]
    assert deployment["stack_name"] == f"langgraph-checkpoint-{name}"
    assert deployment["fail_on_empty_changeset"] is False
    assert deployment["confirm_changeset"] is (name == "prod")
    assert (ROOT / deployment["template_file"]).samefile(TEMPLATE_FILE)
    properties = table_of(name)
    assert properties["TableName"] == f"langgraph-checkpoint-{name}"
    assert {"Key": "Environment", "Value": name} in properties["Tags"]
    # The example's function takes its policy from the stack.
    assert template_parameters(name)["CreatePolicies"] == "true"
    assert deployment["capabilities"] == ["CAPABILITY_IAM"]


def test_the_template_needs_no_more_than_the_environments_give() -> None:
    # Over this size a bucket would be needed, and for named policies CAPABILITY_NAMED_IAM.
    assert TEMPLATE_FILE.stat().st_size < 51_200
    assert "ManagedPolicyName" not in TEMPLATE_FILE.read_text(encoding="utf-8")


def test_a_bare_sam_deploy_deploys_nothing() -> None:
    assert list(read_toml(ROOT / "samconfig.toml")["default"]) == ["validate"]


def imports(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "Fn::ImportValue" in node:
            yield node["Fn::ImportValue"]["Fn::Sub"].replace("${CheckpointStack}-", "")
        for value in node.values():
            yield from imports(value)
    elif isinstance(node, list):
        for value in node:
            yield from imports(value)


def test_the_example_imports_what_the_stack_exports() -> None:
    exports = {name: output["Export"]["Name"] for name, output in TEMPLATE["Outputs"].items()}
    found = set(imports(APP["Resources"]))
    assert found == {"TableName", "RuntimePolicyArn"}
    assert all(exports[name] == {"Fn::Sub": "${AWS::StackName}-" + name} for name in found)
    stack = APP["Parameters"]["CheckpointStack"]["Default"]
    assert stack in {deployment["stack_name"] for deployment in DEPLOYMENTS.values()}


def invoke(message: str, table_name: str, endpoint_url: str) -> str:
    """One cold start of the function as its template describes it."""
    function = APP["Resources"]["ChatFunction"]["Properties"]
    module, name = function["Handler"].split(".")
    assert list(function["Environment"]["Variables"]) == ["TABLE_NAME"]
    event = json.dumps({"thread_id": "ada", "message": message})
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}; print({module}.{name}({event}, None)['answer'])"],
        cwd=EXAMPLE / function["CodeUri"],
        env={
            **os.environ,
            **{name.upper(): value for name, value in KEYS.items()},
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL_DYNAMODB": endpoint_url,
            "TABLE_NAME": table_name,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_example_remembers_over_a_cold_start(make_saver: MakeSaver, endpoint_url: str) -> None:
    table_name = make_saver().config.table_config.table_name
    assert invoke("Hello!", table_name, endpoint_url) == "1 messages since 'Hello!'."
    assert invoke("And now?", table_name, endpoint_url) == "3 messages since 'Hello!'."


def script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The stack of dev, on moto."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    with mock_aws():
        create_stack("langgraph-checkpoint-dev", template_parameters("dev"))
        yield "langgraph-checkpoint-dev"


def test_the_smoke_test_leaves_nothing_behind(stack: str) -> None:
    assert script("smoke_stack").smoke(stack) == ""
    client = boto3.client("dynamodb", REGION)
    kept = client.scan(TableName="langgraph-checkpoint-dev")["Items"]
    # A chunk that is younger than an hour stays, in case a write is about to refer to it.
    assert [item for item in kept if not item["SK"]["S"].startswith("S#")] == []


@pytest.mark.parametrize(
    ("method", "finding"),
    [("put", "the graph waits at"), ("delete_thread", "still there after it was deleted")],
)
def test_the_smoke_test_can_fail(
    stack: str, method: str, finding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def does_nothing(_self: object, *arguments: Any) -> Any:
        return arguments[0]

    monkeypatch.setattr(DynamoDBSaver, method, does_nothing)
    assert finding in script("smoke_stack").smoke(stack)


@pytest.fixture
def moto_server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def test_a_preview_shows_the_change_set_and_deletes_it(moto_server: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [tool("sam", "python"), ROOT / "scripts" / "preview_stack.py", "prod"],
        cwd=ROOT,
        env={
            **bare_environment(tmp_path),
            **{name.upper(): value for name, value in KEYS.items()},
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": moto_server,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("### prod\n\n| action | resource | type |")
    assert "| Add | `Table` | AWS::DynamoDB::Table |" in done.stdout
    client = boto3.Session(region_name=REGION, **KEYS).client(
        "cloudformation", endpoint_url=moto_server
    )
    stack = DEPLOYMENTS["prod"]["stack_name"]
    assert client.list_change_sets(StackName=stack)["Summaries"] == []
    assert client.describe_stack_resources(StackName=stack)["StackResources"] == []


def test_a_preview_says_what_is_replaced_and_why() -> None:
    changes = [
        {
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
    ]
    assert script("preview_stack").table(changes)[2:] == [
        "| Modify | `Table` | AWS::DynamoDB::Table | True | TableName, Tags |"
    ]
