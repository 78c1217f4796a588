"""`samconfig.toml`, the SAM example, and the scripts around a deployment, each run for real."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import MakeSaver
from langgraph.checkpoint.base import empty_checkpoint

from clients import KEYS, REGION
from langgraph_checkpoint_dynamodb.infra.template import resolve
from samconfig import DEPLOYMENTS, ROOT, read_toml, template_parameters
from stacks import STACK_ONLY, TEMPLATE, TEMPLATE_FILE
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
    assert STACK_ONLY - {"CreatePolicies"} < given.keys()
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


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_an_environment_names_every_parameter(name: str) -> None:
    """A stack keeps its value of a parameter that is left out, so no line may go missing."""
    assert template_parameters(name).keys() == TEMPLATE["Parameters"].keys()


def test_a_bare_sam_deploy_deploys_nothing() -> None:
    assert list(read_toml(ROOT / "samconfig.toml")["default"]) == ["validate"]


def test_the_serverless_application_repository_would_take_the_template() -> None:
    application = TEMPLATE["Metadata"]["AWS::ServerlessRepo::Application"]
    version = TEMPLATE["Outputs"]["TemplateVersion"]["Value"]
    assert application["SemanticVersion"] == version
    # https://docs.aws.amazon.com/serverlessrepo/latest/devguide/applications-applicationid.html
    assert re.fullmatch(r"[a-zA-Z0-9-]{1,140}", application["Name"])
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,125}[a-z0-9])?", application["Author"])
    assert 1 <= len(application["Description"]) <= 256
    # `sam deploy` uploads these files: it would need a bucket, and both files beside the template.
    assert application.keys().isdisjoint({"LicenseUrl", "ReadmeUrl"})


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
    exports = {
        name.removesuffix("Export"): output["Export"]["Name"]
        for name, output in TEMPLATE["Outputs"].items()
        if "Export" in output
    }
    found = set(imports(APP["Resources"]))
    assert found == {
        *("TableName", "TtlEnabled", "TtlAttribute", "RunIndexEnabled", "ThreadIndexEnabled"),
        *("RuntimePolicyArn", "MaintenancePolicyArn"),
    }
    assert all(exports[name] == {"Fn::Sub": "${AWS::StackName}-" + name} for name in found)
    stack = APP["Parameters"]["CheckpointStack"]["Default"]
    assert stack in {deployment["stack_name"] for deployment in DEPLOYMENTS.values()}


FUNCTION = APP["Resources"]["ChatFunction"]["Properties"]
EXAMPLE_README = (EXAMPLE / "README.md").read_text(encoding="utf-8")
INIT_SECONDS = 10
"""Lambda's limit for what runs before the handler.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html"""

# What is sent while the module is imported and by each invocation, and the answers.
COUNTED = """
import json, sys
from capacity import Meter
meter = Meter()
meter.watch()
with meter.measure() as cost:
    import handler
costs, answers = [cost.measures()], []
for event in json.loads(sys.argv[1]):
    with meter.measure() as cost:
        answers.append(handler.handler(event, None)["answer"])
    costs.append(cost.measures())
print(json.dumps([costs, answers]))
"""


def run(script: str, *arguments: str, endpoint_url: str, **variables: str) -> Any:
    """What a script prints as JSON in a new process that is set up as the function is."""
    defaults = {"TTL_ENABLED": "false", "TTL_ATTRIBUTE": "ttl", "RUN_INDEX_ENABLED": "false"}
    defaults["THREAD_INDEX_ENABLED"] = "true"
    defaults["TTL_SECONDS"] = str(APP["Parameters"]["TtlSeconds"]["Default"])
    given = defaults | variables
    own = {name for name in given if name != "RETENTION_DAYS"}
    assert own == set(FUNCTION["Environment"]["Variables"])
    paths = (ROOT / "src", ROOT / "tests" / "support")
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=EXAMPLE / FUNCTION["CodeUri"],
        env={
            **os.environ,
            **{name.upper(): value for name, value in KEYS.items()},
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL_DYNAMODB": endpoint_url,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            **given,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def invoke(
    *messages: tuple[str, str], table_name: str, endpoint_url: str
) -> tuple[list[tuple[float, ...]], list[str]]:
    """One cold start of the function as its template describes it, and invocations.

    Takes thread ids and messages. Returns what the start and each invocation cost (requests,
    write units, read units), and the answers.
    """
    events = [{"thread_id": thread_id, "message": message} for thread_id, message in messages]
    costs, answers = run(
        COUNTED, json.dumps(events), endpoint_url=endpoint_url, TABLE_NAME=table_name
    )
    names = ("requests", "write_units", "read_units")
    return [tuple(cost[name] for name in names) for cost in costs], answers


def test_the_example_remembers_over_a_cold_start(make_saver: MakeSaver, endpoint_url: str) -> None:
    name = make_saver().config.table_config.table_name
    _, first = invoke(("ada", "Hello!"), table_name=name, endpoint_url=endpoint_url)
    _, second = invoke(("ada", "And now?"), table_name=name, endpoint_url=endpoint_url)
    assert first == ["1 messages since 'Hello!'."]
    assert second == ["3 messages since 'Hello!'."]


def test_an_invocation_costs_what_is_told(make_saver: MakeSaver, endpoint_url: str) -> None:
    name = make_saver().config.table_config.table_name
    place = {"table_name": name, "endpoint_url": endpoint_url}
    turns = [(thread_id, f"message {number}") for thread_id in ("a", "b") for number in range(2)]
    (start, first, warm, _), _ = invoke(*turns[:-1], **place)
    (_, cold), _ = invoke(turns[-1], **place)
    (section,) = re.findall(
        r"^## What an invocation costs$(.*?)^## ", EXAMPLE_README, re.MULTILINE | re.DOTALL
    )
    told = {
        title: tuple(map(float, figures))
        for title, *figures in re.findall(
            r"^\| ([^|]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", section, re.MULTILINE
        )
    }
    assert told == {
        "initialization": start,
        "first turn of a conversation": first,
        "second turn, warm": warm,
        "second turn, cold": cold,
    }


def test_a_long_conversation_costs_what_the_benchmark_measured() -> None:
    results = json.loads((ROOT / "benchmarks" / "results" / "compare.json").read_text())
    measured = {
        run["workload"]: run["measures"] for run in results["runs"] if run["saver"] == "ours"
    }
    for workload, title in (("chat-100", "one process"), ("new-process-100", "new process")):
        names = ("requests", "write_units", "read_units")
        requests, writes, reads = (f"{measured[workload][name]:,.0f}" for name in names)
        told = f"{title}[^.]*{requests} requests, {writes} write units and {reads}\\s+read units"
        assert re.search(told, EXAMPLE_README), told


SETTINGS = """
import json, handler
config = handler.SAVER.config
connect, read = (getattr(config.botocore_config, f"{what}_timeout") for what in ("connect", "read"))
table = config.table_config
print(json.dumps({
    "longest": (config.max_retries + 1) * (connect + read)
    + config.max_retries * config.max_retry_delay,
    "ttl": [table.enable_ttl, table.ttl_attribute, table.ttl_seconds],
    "indexes": [table.enable_run_index, table.enable_thread_index],
}))
"""


@pytest.fixture
def settings(make_saver: MakeSaver, endpoint_url: str) -> Any:
    table_name = make_saver().config.table_config.table_name

    def read(**variables: str) -> Any:
        return run(SETTINGS, endpoint_url=endpoint_url, TABLE_NAME=table_name, **variables)

    return read


def test_a_call_without_an_answer_fails_before_lambda_stops_the_function(settings: Any) -> None:
    longest = settings()["longest"]
    assert longest < INIT_SECONDS
    assert longest < FUNCTION["Timeout"]
    assert f"{longest:g} s" in (EXAMPLE / "app" / "handler.py").read_text(encoding="utf-8")


def test_the_function_has_the_settings_of_its_stack(settings: Any) -> None:
    found = settings()
    assert found["ttl"] == [False, "ttl", None]
    assert found["indexes"] == [False, True]
    found = settings(
        TTL_ENABLED="true",
        TTL_ATTRIBUTE="until",
        TTL_SECONDS="60",
        RUN_INDEX_ENABLED="true",
        THREAD_INDEX_ENABLED="false",
    )
    assert found["ttl"] == [True, "until", 60]
    assert found["indexes"] == [True, False]


RETENTION = """
import json, time, retention
now = time.time() + 40 * 86400
retention.SAVER.clock = lambda: now
print(json.dumps([retention.handler(event, None) for event in ({"dry_run": True}, {}, {})]))
"""


def test_the_scheduled_function_deletes_what_is_inactive(
    make_saver: MakeSaver, endpoint_url: str
) -> None:
    saver = make_saver()
    for name in ("a", "b"):
        saver.put(
            {"configurable": {"thread_id": name, "checkpoint_ns": ""}}, empty_checkpoint(), {}, {}
        )
    properties = APP["Resources"]["RetentionFunction"]["Properties"]
    assert set(properties["Environment"]["Variables"]) == {
        *("TABLE_NAME", "TTL_ATTRIBUTE", "RETENTION_DAYS")
    }
    dry, done, again = run(
        RETENTION,
        endpoint_url=endpoint_url,
        TABLE_NAME=saver.config.table_config.table_name,
        RETENTION_DAYS="30",
    )
    assert dry == done
    assert (done["threads"], done["checkpoints"]) == (2, 2)
    assert set(again.values()) == {0}


def test_what_the_build_runs(tmp_path: Path) -> None:
    """For every Python and processor of the template, in the order of need."""
    allowed = {
        name: APP["Parameters"][name]["AllowedValues"] for name in ("Runtime", "Architecture")
    }
    assert allowed == {"Runtime": ["python3.12", "python3.13"], "Architecture": ["arm64", "x86_64"]}
    for runtime in allowed["Runtime"]:
        for architecture in allowed["Architecture"]:
            built = dry_run("build", RUNTIME=runtime, ARCHITECTURE=architecture)
            assert len(built) == 2
            assert f"Runtime={runtime} Architecture={architecture} " in built[0]
            assert built[1].startswith(f"{runtime} -m compileall ")
            assert "--invalidation-mode unchecked-hash" in built[1]
    defaults = {name: APP["Parameters"][name]["Default"] for name in allowed}
    first, *_, deployed = dry_run("deploy")
    overrides = first.split("--parameter-overrides ")[1]
    assert dict(each.split("=") for each in overrides.split()) == {
        **defaults,
        "CheckpointStack": APP["Parameters"]["CheckpointStack"]["Default"],
    }
    assert deployed == f"sam deploy --parameter-overrides {overrides}"


def dry_run(target: str, **variables: str) -> list[str]:
    command = [
        "make",
        "--no-print-directory",
        "--dry-run",
        target,
        *(f"{name}={one}" for name, one in variables.items()),
    ]
    done = subprocess.run(command, cwd=EXAMPLE, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


class Invocations(HTTPServer):
    """An endpoint that answers every invocation of Lambda, and keeps their payloads."""

    def __init__(self) -> None:
        self.payloads: list[Any] = []
        super().__init__(("127.0.0.1", 0), _Invocation)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Invocation(BaseHTTPRequestHandler):
    server: Invocations

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.payloads.append(json.loads(body))
        answer = b'{"answer": "fine"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def lambda_endpoint() -> Iterator[Invocations]:
    with Invocations() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_commands_of_the_readme_are_those_of_each_version_of_the_cli(
    lambda_endpoint: Invocations, tmp_path: Path
) -> None:
    commands = re.findall(
        r"^    (aws lambda invoke .*?[^\\])$", EXAMPLE_README, re.MULTILINE | re.DOTALL
    )
    version_1, version_2 = (shlex.split(command.replace("\\\n", " ")) for command in commands)
    binary = ["--cli-binary-format", "raw-in-base64-out"]
    assert [part for part in version_2 if part not in binary] == version_1
    assert set(binary) <= set(version_2)

    def call(command: list[str]) -> subprocess.CompletedProcess[str]:
        arguments = ["NAME" if part == "$NAME" else part for part in command[1:]]
        keys = {name.upper(): value for name, value in KEYS.items()}
        return subprocess.run(
            [tool("awscli", "aws"), "--endpoint-url", lambda_endpoint.url, *arguments],
            env={**bare_environment(tmp_path), **keys, "AWS_DEFAULT_REGION": REGION},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    done = call(version_1)
    assert done.returncode == 0, done.stderr
    assert lambda_endpoint.payloads == [{"thread_id": "ada", "message": "Hello!"}]
    assert json.loads((tmp_path / version_1[-1]).read_text()) == {"answer": "fine"}
    assert "Unknown options" in call(version_2).stderr  # of version 1
