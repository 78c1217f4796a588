"""Errors and reports name options, parameters of the template and commands; nothing of Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import langgraph_checkpoint_dynamodb
from langgraph_checkpoint_dynamodb.cli.wording import in_options

SOURCE = Path(langgraph_checkpoint_dynamodb.__file__).parent
PYTHON = re.compile(
    r"DynamoDB\w*(Config|Saver)|SourceTable|=(True|False|None|…)|\w\(\)|\b[a-z]+_[a-z_]+\b"
    r"|\bcall (?!of )\w"
)

_FIELDS = {"checkpoint_id", "counters_since_delta_snapshot", "loads_typed"}
"""Names of LangGraph's that are in the table, or in errors that no option causes."""

# What no command can cause: LangGraph's own methods, settings that no option sets, CDK.
NOT_OF_COMMANDS = {
    *("config/saver_config.py", "config/known_arguments.py", "infra/cdk.py", "server.py"),
    *("checkpoints/fencing.py", "checkpoints/put.py", "checkpoints/put_writes.py"),
    *("maintenance/copy.py", "maintenance/apply_ttl.py"),
    "migration/blocked_types.py",  # `migrate` reads no objects
}


@pytest.mark.parametrize(
    ("python", "options"),
    [
        ("table_name='a b': use 3 to 255 characters", "--table 'a b': use 3 to 255 characters"),
        (
            "region_name='x': use a region's name, or None for AWS's",
            "--region 'x': use a region's name",
        ),
        (
            "ttl_seconds=5 without enable_ttl: set enable_ttl=True",
            "--ttl-seconds 5 without EnableTtl: set EnableTtl=true",
        ),
        ("set by endpoint_url: correct it", "set by --endpoint-url: correct it"),
        (
            "set AWS_ENDPOINT_URL, or DynamoDBConfig(endpoint_url=…), for both",
            "set AWS_ENDPOINT_URL, or --endpoint-url, for both",
        ),
        ("endpoint_url of the profile='x': use", "the profile's endpoint URL='x': use"),
        ("only for billing_mode=BillingMode.PROVISIONED", "only for BillingMode=PROVISIONED"),
        ("belongs to a stack; or pass force=True", "belongs to a stack; or pass --force"),
        (
            "has no entry in the directory; call index_threads",
            "has no entry in the directory; run `threads index`",
        ),
        ("still listed; then call erase_owner again", "still listed; then run the command again"),
    ],
)
def test_names_of_python_become_those_of_the_command_line(python: str, options: str) -> None:
    assert in_options(python) == options


def raised() -> Iterator[tuple[str, str]]:
    """The messages of errors that a command may meet, without what is put into them."""
    for file in sorted(SOURCE.rglob("*.py")):
        name = file.relative_to(SOURCE).as_posix()
        if name.startswith(("cli/", "saver/")) or name in NOT_OF_COMMANDS:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Raise(exc=ast.Call(func=ast.Name(id=error), args=[text, *_])) if (
                    error.endswith("Error") and error != "TypeError"
                ):
                    yield f"{name}:{node.lineno}", said(text)


def said(text: ast.expr) -> str:
    match text:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=parts):
            return "".join(said(part) for part in parts)
    return "X"


def test_no_error_of_a_command_names_what_is_pythons() -> None:
    messages = dict(raised())
    assert len(messages) > 60
    left = {where: in_options(text) for where, text in messages.items()}
    found = {where: PYTHON.search(text) for where, text in left.items()}
    assert [left[where] for where, one in found.items() if one and one[0] not in _FIELDS] == []
