"""The demo checks its own stories; here it runs as a user would start it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"
sys.path.append(str(DEMO.parent))

import demo_costs  # noqa: E402 - the path comes first


def test_every_story_comes_true_on_the_engine(endpoint_url: str) -> None:
    environment = {**os.environ, "ENDPOINT": endpoint_url, "NO_COLOR": "1", "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, DEMO], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") == 7
    assert "✗" not in done.stdout
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "(client: aiobotocore)" in done.stdout
    assert "turns 21 to 199 are added in one step, as one checkpoint" in done.stdout
    parts = done.stdout.split("What it cost")[0].split("\n> ")
    assert len(parts) > 7  # a line of code in each part
    # Two processes, 13 requests, 12 write units, one read unit, US$ for a million times.
    assert re.search(r"A chat that remembers +2 +13 +12 +1 +7\.63$", done.stdout, re.MULTILINE)
    pages = re.findall(r"\b(?:docs/\S+|README)\.md", done.stdout)
    assert len(pages) >= 5
    assert [page for page in pages if not (DEMO.parents[1] / page).exists()] == []


@pytest.mark.parametrize(
    ("call", "sent", "parsed", "units"),
    [
        ("PutItem", {"Item": {"PK": {"S": "a" * 1021}}}, {}, (1, 0)),
        ("PutItem", {"Item": {"PK": {"S": "a" * 1023}}}, {}, (2, 0)),
        ("PutItem", {"Item": {"PK": {"S": "a"}, "O": {"S": "b"}}}, {}, (2, 0)),
        (
            "BatchWriteItem",
            {"RequestItems": {"t": [{"PutRequest": {"Item": {"B": {"B": b"1" * 1500}}}}, {}]}},
            {},
            (3, 0),
        ),
        ("Query", {"ConsistentRead": True}, {"Items": [{"B": {"B": b"1" * 5000}}]}, (0, 2)),
        ("Query", {}, {"Items": [{"B": {"B": b"1" * 5000}}]}, (0, 1)),
        (
            "BatchGetItem",
            {"RequestItems": {"t": {"ConsistentRead": True}}},
            {"Responses": {"t": [{"B": {"B": b"1"}}, {"B": {"B": b"1" * 5000}}]}},
            (0, 3),
        ),
        ("DescribeTable", {}, {}, (0, 0)),
    ],
)
def test_units_are_those_of_dynamodb_s_rules(
    call: str, sent: Any, parsed: Any, units: tuple[int, int]
) -> None:
    assert demo_costs.units(call, sent, parsed) == units
