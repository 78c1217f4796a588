"""Items of every format that was released are read as they were; see docs/format.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from golden_table import NOW, TTL, GoldenTable, summary
from langgraph_checkpoint_dynamodb.format import body

GOLDEN = sorted((Path(__file__).parents[2] / "golden").glob("format-*.json"))


@pytest.fixture(params=GOLDEN, ids=lambda path: path.stem)
def golden(request: pytest.FixtureRequest) -> Any:
    return json.loads(request.param.read_text())


def test_the_format_that_is_written_has_golden_items() -> None:
    assert f"format-{body.FORMAT}" in {path.stem for path in GOLDEN}


def test_golden_items_are_read_as_they_were(golden: Any) -> None:
    table = GoldenTable()
    table.load(golden["items"])
    table.now = NOW + int(TTL * 0.7)
    assert json.loads(json.dumps(summary(table))) == golden["reads"]


def test_the_golden_items_have_all_that_the_format_has(golden: Any) -> None:
    kinds = {item["SK"]["S"].split("#")[0] for item in golden["items"]}
    generations = {
        item["SK"]["S"].split("#")[1] for item in golden["items"] if item["SK"]["S"][0] == "S"
    }
    assert kinds == {"C", "S", "H"}
    assert len(generations) > 2
    assert {"R", "N", "T", "ttl"} <= {name for item in golden["items"] for name in item}
    assert any("%=" in item["SK"]["S"] for item in golden["items"])


def test_a_thread_of_golden_items_is_continued(golden: Any) -> None:
    table = GoldenTable()
    table.load(golden["items"])
    saver = table.saver()
    found = saver.get_tuple({"configurable": {"thread_id": "chat"}})
    checkpoint = {**found.checkpoint, "id": "1f1e6a5c-bb88-689e-8021-0000000000ff"}
    versions = {
        "messages": saver.get_next_version(found.checkpoint["channel_versions"]["messages"], None)
    }
    checkpoint["channel_versions"] = versions
    checkpoint["channel_values"] = {"messages": found.checkpoint["channel_values"]["messages"][1:]}
    saver.put(found.config, checkpoint, {"source": "loop"}, versions)
    newest = table.saver().get_tuple({"configurable": {"thread_id": "chat"}})
    assert newest.checkpoint["channel_values"] == checkpoint["channel_values"]
    assert saver.verify("chat").ok
