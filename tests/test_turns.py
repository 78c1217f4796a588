"""Long work in a thread offers the interpreter's lock to the event loop beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb import chunks, sending, turns
from langgraph_checkpoint_dynamodb.bodies import serialize, store_value
from langgraph_checkpoint_dynamodb.serdes import deserialize

MESSAGES = [HumanMessage(f"{number} " * 100) for number in range(4000)]


@pytest.fixture
def offers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], tuple[Any, int]]:
    """The result of some work, and how often it offered the lock."""

    def count(work: Callable[[], Any]) -> tuple[Any, int]:
        offered: list[None] = []
        monkeypatch.setattr(turns, "offer", lambda: offered.append(None))
        return work(), len(offered)

    return count


def test_every_item_comes_and_an_offer_after_so_many(offers: Any) -> None:
    assert offers(lambda: list(turns.between(range(10), 4))) == (list(range(10)), 2)


def test_each_step_of_a_large_state_offers(offers: Any) -> None:
    around = context()
    typed, offered = offers(lambda: serialize(around.serde, MESSAGES, "state"))
    assert offered >= 40
    (known, made), offered = offers(lambda: store_value(typed, 1024))
    assert offered >= 20
    table = FakeTable()
    _, offered = offers(lambda: table.run(sending.store(around, "t", 0, made, frozenset())))
    assert offered >= len(made) // 32
    fresh = context()
    load = chunks.load(fresh, "t", [(0, known.record)], written=len(made))
    loaded, offered = offers(lambda: table.run(load))
    assert offered >= len(made) // 32
    data, offered = offers(lambda: loaded.join(known.record, "here"))
    assert (data, offered >= 10) == (typed[1], True)
    value, offered = offers(lambda: deserialize(fresh, typed, "here", "state"))
    assert offered >= 40
    assert value == MESSAGES
