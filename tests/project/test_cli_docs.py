"""The commands of `docs/cli.md`, run one after another on the table that its program fills."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from clients import KEYS, REGION
from command_line import CommandLine
from langgraph_checkpoint_dynamodb.cli.output import cell
from langgraph_checkpoint_dynamodb.maintenance.prices import ON_DEMAND

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|console)\n(.*?)```", PAGE, flags=re.DOTALL)
_NAME = "langgraph-dynamodb"

# What differs from run to run: ids, times, and sizes of compressed ids.
_VARIES = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{32}\b|\d{4}-\d\d-\d\dT[\d:]+Z|\b\d,\d{3}\b|\b\d{3}\b"
    r"|0\.0000\d+"
)


def comparable(text: str) -> list[list[str]]:
    """The words of each line, without what varies."""
    return [_VARIES.sub("~", line).split() for line in text.strip("\n").splitlines()]


def commands(block: str) -> list[tuple[str, str]]:
    """The commands of a block, each with its output."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(first, rest) for first, _, rest in (part.partition("\n") for part in parts)]


def output_of(cli: CommandLine, line: str) -> str:
    """What a line prints. The shell's part of it is played here: a process would take seconds."""
    line, separator, _ = line.partition("; echo $?")
    command, _, pattern = line.partition(" | grep ")
    name, *words = shlex.split(command)
    if name == "export":
        assert words == ["LANGGRAPH_DYNAMODB_TABLE=chats"]
        return ""
    assert name == _NAME
    done = cli.run(*words)
    told = done.out + done.err
    if pattern:
        told = "\n".join(one for one in told.splitlines() if pattern in one)
    return f"{told}{done.code}\n" if separator else told


def test_the_output_is_what_the_page_says(endpoint_url: str, dynamodb: Any) -> None:
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        **{name.upper(): value for name, value in KEYS.items()},
    }
    cli = CommandLine(endpoint_url, "chats")
    try:
        for kind, block in BLOCKS:
            if kind == "python":
                subprocess.run([sys.executable, "-c", block], env=environment, check=True)
                continue
            for line, expected in commands(block):
                assert comparable(output_of(cli, line)) == comparable(expected), line
    finally:
        dynamodb.delete_table(TableName="chats")


def test_the_prices_on_the_page_are_those_of_its_formula() -> None:
    row = r"^(?:ada|post-7|total) +([\d,]+) +([\d,]+) +([\d,]+) +\d+ +(0\.\d+) +(0\.\d+)$"
    rows = re.findall(row, PAGE, flags=re.MULTILINE)
    assert len(rows) == 3
    for *counts, written, month in rows:
        items, size, units = (int(one.replace(",", "")) for one in counts)
        assert written == cell(ON_DEMAND.units(units, 0))
        assert month == cell(ON_DEMAND.storage_month(size, items))


def test_every_command_is_on_the_page() -> None:
    help_of_all = CommandLine("http://127.0.0.1:9").run("--help").out
    help_of_threads = CommandLine("http://127.0.0.1:9").run("threads", "--help").out
    listed = re.findall(r"^│ ([a-z]+) ", help_of_all, flags=re.MULTILINE)
    listed += [
        f"threads {name}" for name in re.findall(r"^│ ([a-z]+) ", help_of_threads, re.MULTILINE)
    ]
    listed.remove("threads")
    table = PAGE.split("## Commands\n")[1].split("\n## ")[0]
    assert [name for name in listed if f"`{name}`" not in table] == []
    assert len(listed) >= 12
