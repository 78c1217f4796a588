"""What the README says: its code runs, its tables are true."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBTableConfig, errors
from langgraph_checkpoint_dynamodb.infra.template import load_template

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
RUNS = json.loads((ROOT / "benchmarks" / "results" / "compare.json").read_text())["runs"]
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def rows_of(section: str) -> list[list[str]]:
    """The rows of the tables in a section."""
    text = README.split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|") and not line.startswith("|--")
    ]


def printed_by(block: str) -> list[str]:
    """What the comments behind a block's `print` calls say."""
    comments = re.findall(r"^\s*print\(.*\)  # (.*)$", block, flags=re.MULTILINE)
    return [line for comment in comments for line in comment.split(", then ")]


def test_the_code_blocks_run_one_after_another(endpoint_url: str, dynamodb: Any) -> None:
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint_url,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    try:
        for block in [BLOCKS[0], *BLOCKS]:  # the quickstart says the same on its second run
            done = subprocess.run(
                [sys.executable, "-W", "error::ResourceWarning", "-c", block],
                capture_output=True,
                text=True,
                env=environment,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert done.stdout.splitlines() == printed_by(block)
            assert "nclosed" not in done.stderr
    finally:
        dynamodb.delete_table(TableName="langgraph-checkpoint")
    assert sum(map(len, map(printed_by, BLOCKS))) >= 4


def test_the_quickstart_runs_on_moto_with_the_variables_that_it_names() -> None:
    assert "moto_server -p 8000" in README
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    exported = dict(re.findall(r"(AWS_[A-Z_]+)=(\S+)", README.split("```python")[0]))
    assert "AWS_ENDPOINT_URL_DYNAMODB" in exported
    variables = {name: value.replace("8000", port) for name, value in exported.items()}
    bare = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    server = subprocess.Popen(
        [Path(sys.executable).with_name("moto_server"), "-p", port], stderr=subprocess.PIPE
    )
    try:
        assert server.stderr
        next(line for line in server.stderr if b"Running on" in line)
        done = subprocess.run(
            [sys.executable, "-c", BLOCKS[0]],
            capture_output=True,
            text=True,
            env=bare | variables | {"AWS_CONFIG_FILE": os.devnull},
            check=False,
        )
    finally:
        server.kill()
        server.communicate()
    assert (done.stderr, done.stdout.splitlines()) == ("", printed_by(BLOCKS[0]))


def test_two_screens_come_before_the_reference() -> None:
    assert len(README.split("\n---\n")[0].splitlines()) <= 100


@pytest.mark.parametrize("config", [DynamoDBTableConfig, DynamoDBConfig])
def test_every_argument_is_described_with_its_default(config: type) -> None:
    described = {cells[0]: cells[1] for cells in rows_of("Configuration")}
    named = " ".join(described)
    for field in fields(config):
        if field.name.startswith(("min_", "max_")) and "capacity" in field.name:
            continue  # one row for the four bounds
        if field.name != "table_config":
            assert f"`{field.name}`" in named
    for name, default in (("table_name", "langgraph-checkpoint"), ("max_retries", "3")):
        assert default in described[f"`{name}`"]
    assert DynamoDBConfig().cache_bytes == 64 * 1024 * 1024


def test_the_permissions_are_those_of_the_policies() -> None:
    calls, *others = (set(re.findall(r"[A-Z]\w+", row[1])) for row in rows_of("Permissions")[1:])

    def allowed(policy: str) -> set[str]:
        document = load_template()["Resources"][policy]["Properties"]["PolicyDocument"]
        first, *others = document["Statement"]
        updates = [one["Fn::If"][1] for one in others if one["Fn::If"][0] == "HasUpdates"]
        actions = [action for one in (first, *updates) for action in one["Action"]]
        return {action.removeprefix("dynamodb:") for action in actions}

    assert calls == allowed("RuntimePolicy")
    assert calls.union(*others) == allowed("MaintenancePolicy") - {"DescribeContinuousBackups"} | {
        "PartiQLInsert"
    }


def test_every_error_is_told() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    names = [one.__name__ for one in classes if issubclass(one, Exception)]
    text = README.split("## Errors\n")[1].split("\n## ")[0]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_dependency_has_its_reason() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()
    listed = re.search(r"^dependencies = \[(.*?)^\]", pyproject, flags=re.DOTALL | re.MULTILINE)
    assert listed
    table = " ".join(cells[1] for cells in rows_of("Dependencies"))
    for name in re.findall(r'"([A-Za-z0-9-]+)', listed[1]):
        assert name in table


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        targets: list[Any] = re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text())
        assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_figures_are_what_the_benchmark_last_measured() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "readme.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    price = next(
        line for line in README.splitlines() if line.startswith("| reading and writing, one")
    )
    (chat,) = (
        run["measures"] for run in RUNS if (run["saver"], run["workload"]) == ("ours", "chat-100")
    )
    dollars = (0.625 * chat["write_units"] + 0.125 * chat["read_units"]) / chat["turns"]
    assert f"**US$ {dollars:.2f}**" in price


def test_sharing_puts_gains_what_the_benchmark_measured() -> None:
    measured = {run["saver"]: run["measures"] for run in RUNS if run["workload"] == "throughput"}
    gains = (
        measured["ours-sharing"][mode] / measured["ours"][mode] for mode in ("async", "threads")
    )
    on_a_loop, in_threads = (f"{gain:.1f} times" for gain in gains)
    (told,) = re.findall(r"64 chats at once then take (.*?)\s+in 64 threads", README, re.DOTALL)
    assert re.findall(r"[\d.]+ times", told) == [on_a_loop, in_threads]
