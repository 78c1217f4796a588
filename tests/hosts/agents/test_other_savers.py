"""Threads move between savers by `list`, `put` and `put_writes`, and continue there."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from langgraph_checkpoint_dynamodb import DynamoDBSaver

Saver = BaseCheckpointSaver[Any]

PAGE = Path(__file__).parents[3] / "docs" / "hosts.md"
(RECIPE,) = re.findall(
    r"```python\n# move\.py\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL
)
RECIPE_NAMES: dict[str, Any] = {}
exec(compile(RECIPE, "move.py", "exec"), RECIPE_NAMES)


def move(source: Saver, target: Saver, thread: Any) -> None:
    """As the page shows it."""
    RECIPE_NAMES["move"](source, target, thread["configurable"]["thread_id"])


def append(state: list[str] | None, writes: Sequence[list[str]]) -> list[str]:
    return [*(state or []), *(text for write in writes for text in write)]


class Question(MessagesState, total=False):
    answer: str


class State(Question, total=False):
    log: Annotated[list[str], DeltaChannel(append, snapshot_frequency=3)]


def make_graph(saver: Saver) -> Any:
    """A chat whose turns wait for an answer, in a subgraph; its log is a delta channel."""
    child = StateGraph(Question)
    child.add_node("ask", lambda state: {"answer": interrupt(len(state["messages"]))})
    child.add_edge(START, "ask")

    def reply(state: State) -> Any:
        text = f"{state['answer']} to {len(state['messages'])}"
        return {"messages": [AIMessage(text, id=str(uuid.uuid4()))], "log": [text]}

    parent = StateGraph(State)
    parent.add_node("child", child.compile())
    parent.add_node("reply", reply)
    parent.add_edge(START, "child")
    parent.add_edge("child", "reply")
    parent.add_edge("reply", END)
    return parent.compile(checkpointer=saver)


def seen(saver: Saver, thread: Any) -> list[Any]:
    """All that a graph and a reader see of a thread."""
    graph = make_graph(saver)
    return [
        [(state.values, state.next, state.metadata) for state in graph.get_state_history(thread)],
        graph.get_state(thread, subgraphs=True).tasks,
    ]


def ask(saver: Saver, thread: Any, text: str) -> None:
    waiting = make_graph(saver).invoke({"messages": [("user", text)]}, thread)
    assert waiting["__interrupt__"]


def answer(saver: Saver, thread: Any, text: str) -> dict[str, Any]:
    return dict(make_graph(saver).invoke(Command(resume=text), thread))


@pytest.fixture
def new_other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Saver]]:
    with ExitStack() as stack:

        def make() -> Saver:
            if request.param == "memory":
                return InMemorySaver()
            path = str(tmp_path / f"{uuid.uuid4()}.sqlite")
            return stack.enter_context(SqliteSaver.from_conn_string(path))

        yield make


@pytest.mark.parametrize("new_other", ["memory", "sqlite"], indirect=True)
def test_a_thread_goes_to_another_saver_and_comes_back(
    new_saver: Callable[[], DynamoDBSaver], new_other: Callable[[], Saver], thread: Any
) -> None:
    ours, other = new_saver(), new_other()
    for turn in range(3):
        ask(ours, thread, f"question {turn}")
        answer(ours, thread, "yes")
    ask(ours, thread, "a question that is still open")

    move(ours, other, thread)
    assert seen(other, thread) == seen(ours, thread)
    values = answer(other, thread, "there")
    assert [values["log"][-1], len(values["log"])] == ["there to 7", 4]
    ask(other, thread, "and back?")

    for target in (new_saver(), new_saver()):  # by halves, or twice: the same
        move(other, target, thread)
    assert seen(new_saver(), thread) == seen(other, thread)
    values = answer(new_saver(), thread, "here")
    assert [values["log"][-1], len(values["log"])] == ["here to 9", 5]
    assert new_saver().verify(thread["configurable"]["thread_id"]).ok


@pytest.mark.parametrize("new_other", ["memory", "sqlite"], indirect=True)
def test_a_thread_of_another_saver_comes_and_goes_back(
    new_saver: Callable[[], DynamoDBSaver], new_other: Callable[[], Saver], thread: Any
) -> None:
    other, fresh = new_other(), new_other()
    ask(other, thread, "first")
    answer(other, thread, "yes")
    ask(other, thread, "second")
    assert new_saver().migrate(other).checkpoints
    assert seen(new_saver(), thread) == seen(other, thread)
    answer(new_saver(), thread, "here")
    ask(new_saver(), thread, "third")
    move(new_saver(), fresh, thread)
    assert seen(fresh, thread) == seen(new_saver(), thread)
    assert answer(fresh, thread, "there")["log"] == ["yes to 1", "here to 3", "there to 5"]
    assert new_saver().verify(thread["configurable"]["thread_id"]).ok
