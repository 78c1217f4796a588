"""`docs/first-hour-on-aws.md`: every command is one that its tool accepts. None is sent to AWS."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from samconfig import ROOT
from stacks import TEMPLATE
from tools import tool

PAGE = (ROOT / "docs" / "first-hour-on-aws.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
RECORD = """#!/bin/sh
printf '%s\\037' "$(basename "$0")" "$@" >> "$RECORD"
printf '\\036' >> "$RECORD"
"""


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """What a shell that runs the page from top to bottom executes, each as its arguments."""
    folder = tmp_path_factory.mktemp("hour")
    record = folder / "record"
    for name in ("aws", "make", "sleep", ".venv/bin/python"):
        stub = folder / name
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text(RECORD)
        stub.chmod(0o755)
    subprocess.run(
        ["bash", "-euc", "\n".join(BLOCKS)],
        cwd=folder,
        env={"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "RECORD": str(record)},
        check=True,
    )
    lines = record.read_text(encoding="utf-8").split("\036")[:-1]
    return [line.split("\037")[:-1] for line in lines]


def test_the_aws_cli_accepts_each_of_its_commands(commands: Any, tmp_path: Path) -> None:
    arguments = [rest for name, *rest in commands if name == "aws"]
    assert len(arguments) > 40
    wrong = ["dynamodb", "describe-table", "--tabel-name", "chats"]
    arguments.append(wrong)
    done = subprocess.run(
        [
            tool("awscli", "python"),
            Path(__file__).with_name("parse_aws_commands.py"),
            json.dumps(arguments),
        ],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    sent = json.loads(done.stdout.splitlines()[-1])
    refused = [one for one, call in zip(arguments, sent, strict=True) if call is None]
    assert refused == [wrong], done.stderr
    # `deploy` asks first whether the stack exists.
    first = dict(zip(map(tuple, arguments), sent, strict=True))
    assert first[tuple(arguments[0])] == "cloudformation:DescribeStacks"


def test_parameters_are_the_templates_and_their_values_allowed(commands: Any) -> None:
    given = [
        word.split("=", 1)
        for name, *words in commands
        for word in words
        if name == "aws" and "deploy" in words and re.match(r"[A-Z]\w+=", word)
    ]
    assert len(given) > 40
    for name, value in given:
        rules = TEMPLATE["Parameters"][name]
        assert value in rules.get("AllowedValues", [value])
        assert re.fullmatch(rules.get("AllowedPattern", ".*"), value)


def test_python_and_make_are_called_with_what_exists(commands: Any) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in (words[0] for name, *words in commands if name == "make"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    python = [words for name, *words in commands if name == "python"]
    assert len(python) > 3
    for first, *rest in python:
        if first == "-c":
            ast.parse(rest[0])
        else:
            assert (ROOT / first).exists()


def test_the_page_says_that_it_was_not_run() -> None:
    assert "Nothing on this page has been run on\nAWS" in PAGE
    sections = re.split(r"^## \d+\. ", PAGE, flags=re.MULTILINE)[1:]
    assert [section.splitlines()[0] for section in sections if "**Expect**" not in section] == []
