"""`docs/migrating.md`: every block runs, on tables that the other savers wrote."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from clients import KEYS, REGION
from migration_sources import Dump

PAGE = (Path(__file__).parents[2] / "docs" / "migrating.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", PAGE, flags=re.DOTALL)
TABLES = {"aws-s3": "old-chats", "0.1.3": "langgraph-checkpoint-0-1-3"}


def test_every_block_runs(
    endpoint_url: str,
    s3_url: str,
    dynamodb: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint_url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_url)
    for source, table in TABLES.items():
        Dump(source).load(dynamodb, table)
    names: dict[str, Any] = {}
    try:
        for number, (code, output) in enumerate(BLOCKS):
            exec(compile(code, f"block {number}", "exec"), names)
            printed = capsys.readouterr().out
            assert not output or printed == output
    finally:
        for table in (*TABLES.values(), "langgraph-checkpoint", "arrived"):
            dynamodb.delete_table(TableName=table)
    assert len(BLOCKS) == 7
