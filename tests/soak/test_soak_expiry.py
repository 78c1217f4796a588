"""The expiry campaign in short."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "soak"))

import expiry
from langgraph_checkpoint_dynamodb.format import items


def test_the_short_campaign() -> None:
    figures = expiry.run("", 1, **expiry.SHORT)
    assert figures["steps"] == expiry.SHORT["steps"]
    for name in (
        *("days", "read", "expired", "deleted", "forks", "subgraphs", "switches"),
        *("TTLs applied", "newest read", "threads over"),
    ):
        assert figures[name] > 0


def test_a_chunk_that_goes_early_fails_the_campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = items.chunk

    def early(context: object, thread_id: str, generation: int, *rest: bytes) -> object:
        item = whole(context, thread_id, generation, *rest)  # type: ignore[arg-type]
        if "ttl" in item:
            item["ttl"] = {"N": str(generation - 2 * expiry.DAY)}
        return item

    monkeypatch.setattr(items, "chunk", early)
    with pytest.raises(AssertionError, match="outlives"):
        expiry.run("", 1, **expiry.SHORT)
