"""Writes to special channels that a run at the source has replaced between two copies."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from golden_table import KEY, GoldenTable
from langgraph_checkpoint_dynamodb import MigrationReport
from langgraph_checkpoint_dynamodb.runtime.effects import Call

THREAD: Any = {"configurable": {"thread_id": "questions"}}
ENCRYPTING = EncryptedSerializer.from_pycryptodome_aes(key=KEY)
LONG = "?" * 10_000  # not stored inline


class State(MessagesState, total=False):
    answers: list[str]


def make_graph(saver: Any) -> Any:
    def ask(_: State) -> Any:
        return {"answers": [interrupt("keep?"), interrupt(LONG), interrupt("name?")]}

    graph = StateGraph(State).add_node("ask", ask).add_edge(START, "ask")
    return graph.compile(checkpointer=saver)


def asked() -> InMemorySaver:
    source = InMemorySaver()
    make_graph(source).invoke({"messages": []}, THREAD)
    return source


def answer(saver: Any, text: str) -> Any:
    return make_graph(saver).invoke(Command(resume=text), THREAD)


def question(saver: Any) -> str:
    (task,) = make_graph(saver).get_state(THREAD).tasks
    (found,) = task.interrupts
    return str(found.value)


def writes(saver: Any) -> list[Any]:
    return [sorted(one.pending_writes, key=str) for one in saver.list(THREAD)]


@pytest.mark.parametrize("serde", [None, ENCRYPTING], ids=["plaintext", "encrypted"])
def test_the_copy_asks_what_the_source_asks(serde: Any) -> None:
    source, table = asked(), GoldenTable()
    assert table.saver(serde=serde).migrate(source).ok
    for text, expected in (("yes", LONG), ("no", "name?")):
        answer(source, text)
        would = table.saver(serde=serde).migrate(source, dry_run=True)
        assert question(table.saver(serde=serde)) != expected
        report = table.saver(serde=serde).migrate(source)
        assert report == would
        assert report.writes
        assert question(table.saver(serde=serde)) == expected
        assert writes(table.saver(serde=serde)) == writes(source)
        assert table.saver(serde=serde).verify().ok
        before = dict(table.items)
        again = table.saver(serde=serde).migrate(source)
        assert again == MigrationReport(threads=1, present=report.present)
        assert table.items == before
    assert answer(table.saver(serde=serde), "Ada")["answers"] == ["yes", "no", "Ada"]


def test_the_copy_has_the_newest_error() -> None:
    source, table = InMemorySaver(), GoldenTable()

    def fail(_: State) -> Any:
        raise ValueError(message)

    graph = StateGraph(State).add_node("fail", fail).add_edge(START, "fail")
    for message, given in (("first", {"messages": []}), ("second", None)):
        with pytest.raises(ValueError, match=message):
            graph.compile(checkpointer=source).invoke(given, THREAD)
        assert table.saver().migrate(source).ok
    assert writes(table.saver()) == writes(source)
    assert "second" in str(writes(source))


@pytest.mark.parametrize("answers", [1, 3])
def test_a_thread_that_was_answered_on_both_sides_is_a_failure(answers: int) -> None:
    """After one answer, the run here has put writes only; after three a checkpoint too."""
    source, table = asked(), GoldenTable()
    table.saver().migrate(source)
    for _ in range(3):
        answer(source, "there")
    for _ in range(answers):
        answer(table.saver(), "here")
    before = dict(table.items)
    for dry_run in (True, False):
        (failure,) = table.saver().migrate(source, dry_run=dry_run).failures
        assert "it was continued in both tables" in failure.error
    assert table.items == before


def test_only_writes_at_the_source_since() -> None:
    """The source has no new checkpoint, but has replaced a write whose copy was not changed."""
    source, table = asked(), GoldenTable()
    table.saver().migrate(source)
    answer(source, "there")
    make_graph(table.saver()).update_state(THREAD, {"answers": ["here"]})
    before = dict(table.items)
    (failure,) = table.saver().migrate(source).failures
    assert "got writes there since" in failure.error
    assert table.items == before


def test_an_answer_here_during_the_copy_is_kept() -> None:
    source, table = asked(), GoldenTable()
    table.saver().migrate(source)
    answer(source, "there")

    def interleave(call: Call) -> None:
        if call.method == "put_item":
            table.fault = lambda call: None
            answer(table.saver(), "here")

    table.fault = interleave
    table.saver().migrate(source)
    assert answer(table.saver(), "x") is not None
    assert answer(table.saver(), "y")["answers"] == ["here", "x", "y"]
