"""A graph whose thread has what savers lose: parallel writes, an interrupt in a subgraph, a delta
channel, a value of `None`, more than ten writes of a task. It runs in environments of other savers.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Annotated, Any

from langchain_core.messages import AIMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send, interrupt

WORKERS = 11
FIELDS = [f"field_{number}" for number in range(WORKERS)]
THREADS = {
    name: {"configurable": {"thread_id": name}, "metadata": {"tenant": "acme"}}
    for name in ("ada", "grace#1$2/3")
}


class CountingSaver(InMemorySaver):
    """Numbers the versions of channels, as these savers do: they leave it to LangGraph."""

    get_next_version = BaseCheckpointSaver.get_next_version  # type: ignore[assignment]


def append(state: list[str] | None, writes: Sequence[list[str]]) -> list[str]:
    return [*(state or []), *(text for write in writes for text in write)]


class Question(MessagesState, total=False):
    answer: str


class State(Question, total=False):
    log: Annotated[list[str], DeltaChannel(append, snapshot_frequency=5)]
    results: Annotated[list[int], operator.add]
    empty: Any
    blob: bytes
    number: int


State.__annotations__.update(dict.fromkeys(FIELDS, Any))


def make_graph(saver: Any, blob: bytes = b"") -> Any:
    child = StateGraph(Question)
    child.add_node("ask", lambda state: {"answer": interrupt(len(state["messages"]))})
    child.add_edge(START, "ask")

    def plan(state: State) -> Any:
        # In the order of the keys: a task's writes are numbered by it.
        return {name: [name, len(state["messages"])] for name in FIELDS} | {"empty": None}

    def work(state: Any) -> Any:
        number = state["number"]
        return {"results": [number**2], "log": [f"work {number}"]}

    def reply(state: State) -> Any:
        count = len(state["messages"])
        message = AIMessage(f"{state['answer']} to {count}", id=f"reply-{count}")
        return {"messages": [message], "log": [message.content], "blob": blob}

    parent = StateGraph(State)
    parent.add_node("plan", plan)
    parent.add_node("work", work)
    parent.add_node("child", child.compile())
    parent.add_node("reply", reply)
    parent.add_edge(START, "plan")
    parent.add_conditional_edges(
        "plan", lambda _: [Send("work", {"number": WORKERS - n}) for n in range(WORKERS)], ["work"]
    )
    parent.add_edge("work", "child")
    parent.add_edge("child", "reply")
    parent.add_edge("reply", END)
    return parent.compile(checkpointer=saver)


def ask(graph: Any, thread: Any, turn: int) -> None:
    message = ("user", f"question {turn}")
    graph.invoke({"messages": [message]}, thread, durability="sync")


def answer(graph: Any, thread: Any, text: str) -> Any:
    return graph.invoke(Command(resume=text), thread, durability="sync")


def converse(saver: Any, blob: bytes = b"") -> None:
    """Two turns in the first thread, one in the second; the last waits for its answer."""
    graph = make_graph(saver, blob)
    first, second = THREADS.values()
    ask(graph, first, 1)
    answer(graph, first, "yes")
    ask(graph, first, 2)
    ask(graph, second, 1)
