"""The short form of `soak/chats.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "soak"))

import chats
from langgraph_checkpoint_dynamodb.checkpoints import memory


def test_the_short_campaign() -> None:
    figures = chats.run("", 1, **chats.SHORT)
    assert figures["chats"] == chats.SHORT["chats"]
    assert 5 < figures["write units a turn"] <= chats.MOST_UNITS


def test_a_saver_that_forgets_what_is_stored_fails_the_campaign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Forgetting costs requests only; so here it also writes its chunks again."""
    monkeypatch.setattr(memory.StoredCheckpoint, "known", lambda _self, _generation: frozenset())
    with pytest.raises(AssertionError, match="write units"):
        chats.run("", 1, **chats.SHORT)
