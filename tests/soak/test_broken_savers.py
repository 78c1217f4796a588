"""Campaigns fail with a saver that breaks their promise."""

from __future__ import annotations

import pytest

import chats
import expiry
from langgraph_checkpoint_dynamodb.checkpoints import memory
from langgraph_checkpoint_dynamodb.format import items


def test_a_saver_that_forgets_what_is_stored_fails_the_campaign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Forgetting costs requests only; so here it also writes its chunks again."""
    monkeypatch.setattr(memory.StoredCheckpoint, "known", lambda _self, _generation: frozenset())
    with pytest.raises(AssertionError, match="write units"):
        chats.run("", 1, **chats.SHORT)


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
