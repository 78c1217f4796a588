"""`docs/infrastructure.md`: its tables are the template's, its code and numbers are true."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import MakeSaver
from moto import mock_aws

import threads
from bootstrap import BOOTSTRAP
from capacity import Costs
from clients import REGION
from either import Either
from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig
from script_modules import load_script
from stacks import TEMPLATE, TEMPLATE_FILE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "infrastructure.md").read_text()
SCRIPT = ROOT / "scripts" / "document_parameters.py"
INLINE_LIMIT = 51_200
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html"""


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", PAGE, flags=re.DOTALL | re.MULTILINE)
    return [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def test_the_tables_are_what_the_template_says() -> None:
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("told", "other"),
    [
        ("| `TtlAttribute` | `ttl_attribute` | String | `ttl`", "| `TtlAttribute` | `ttl` | |"),
        ("1 to 35", "1 to 36"),
        ("| `TableArn` |", "| `TableARN` |"),
    ],
)
def test_a_table_that_is_not_is_found(
    told: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(SCRIPT.parent)
    import document_parameters

    changed = PAGE.replace(told, other)
    assert changed != PAGE
    assert document_parameters.generated(changed) == PAGE


def test_the_template_is_small_enough_to_be_sent_inline() -> None:
    assert TEMPLATE_FILE.stat().st_size < INLINE_LIMIT
    assert f"{INLINE_LIMIT:,} bytes" in PAGE


@pytest.mark.parametrize("exists", [True, False])
def test_the_plan_prints_what_is_shown(exists: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    (code,) = (block for block in blocks("python") if ".plan()" in block)
    printed = io.StringIO()
    with mock_aws(), contextlib.redirect_stdout(printed):
        if exists:
            defaults = DynamoDBTableConfig(table_name="chats")
            DynamoDBSaver(DynamoDBConfig(table_config=defaults), deploy=True)
        exec(compile(code, "infrastructure.md", "exec"), {})
    assert printed.getvalue() == blocks("text")[0 if exists else 1]


def test_what_is_imported_is_the_template_with_its_table_alone() -> None:
    adopt = load_script("adopt_table")
    (command,) = re.findall(r"^python scripts/adopt_table.py (.*)$", "\n".join(blocks("sh")), re.M)
    stack, table, *overrides = command.split()
    arguments = adopt.request(stack, table, dict(each.split("=") for each in overrides))
    imported = yaml.safe_load(arguments["TemplateBody"])
    expected = {
        name: part for name, part in TEMPLATE.items() if name not in {"Metadata", "Outputs"}
    }
    assert imported == {**expected, "Resources": {"Table": TEMPLATE["Resources"]["Table"]}}
    assert imported["Resources"]["Table"]["DeletionPolicy"].startswith("Retain")
    given = {one["ParameterKey"] for one in arguments["Parameters"]}
    assert given <= imported["Parameters"].keys()


def test_the_parameters_in_the_commands_exist_and_their_values_are_allowed() -> None:
    commands = re.split(r"(?<!\\)\n", "\n".join(blocks("sh")))
    overrides = [
        (BOOTSTRAP if "bootstrap.yaml" in command else TEMPLATE, name, value)
        for command in commands
        for name, value in re.findall(r"(?<![\w/-])([A-Z][A-Za-z]+)=([\w:/.-]+)", command)
        if not name.startswith("Parameter")
    ]
    assert len(overrides) > 15
    assert len([one for one, _, _ in overrides if one is BOOTSTRAP]) > 3
    for template, name, value in overrides:
        rules = template["Parameters"][name]
        assert value in rules.get("AllowedValues", [value])
        assert re.fullmatch(rules.get("AllowedPattern", ".*"), value)


def test_the_key_policy_is_json_and_goes_through_dynamodb() -> None:
    policy, _ = map(json.loads, blocks("json"))
    assert policy["Condition"] == {"StringLike": {"kms:ViaService": "dynamodb.*.amazonaws.com"}}


def test_the_stack_policy_is_json_and_protects_the_table() -> None:
    _, policy = map(json.loads, blocks("json"))
    allowed, denied = policy["Statement"]
    assert (allowed["Effect"], allowed["Resource"]) == ("Allow", "*")
    assert (denied["Effect"], denied["Resource"]) == ("Deny", "LogicalResourceId/Table")
    assert denied["Action"] == ["Update:Replace", "Update:Delete"]
    assert "\n  Table:\n    Type: AWS::DynamoDB::Table\n" in (ROOT / "template.yaml").read_text()


async def test_the_index_costs_what_is_told(make_saver: MakeSaver) -> None:
    told = {
        name.strip(): (float(without), float(with_index))
        for name, without, with_index in re.findall(
            r"^\| ([^|\n]+) \| (\d) \| (\d) \|$", PAGE, re.M
        )
    }
    without = await index_costs(make_saver, enable_run_index=False)
    with_index = await index_costs(make_saver, enable_run_index=True)
    assert told == {name: (without[name], with_index[name]) for name in without}


async def index_costs(make_saver: MakeSaver, **table: Any) -> dict[str, float]:
    costs = Costs()
    table["enable_thread_index"] = False
    client = Either(make_saver(mode="sync", costs=costs, **table), use_async=False)
    found: dict[str, float] = {}

    def spent(name: str) -> None:
        found[name] = costs.write_units
        costs.reset()

    costs.reset()
    checkpoint = await threads.put(client, threads.config_of("a"), {"x": 1}, {"run_id": "run"})
    spent("put a small checkpoint of a run")
    await threads.put(client, threads.config_of("b"), {"x": 1})
    spent("put one without a run id")
    await client.put_writes(checkpoint, [("x", 2)], "task")
    spent("store a task's pending writes")
    await threads.put(client, threads.config_of("c"), {"x": 1}, {"run_id": "run"})
    costs.reset()
    await client.delete_thread("c")
    spent("delete a small checkpoint of a run")
    return found
