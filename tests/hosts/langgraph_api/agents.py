"""The graphs that the server serves; tests also run them by themselves on the same table."""

from __future__ import annotations

import asyncio
import itertools
import operator
import time
from collections.abc import Sequence
from typing import Annotated, Any

from langchain_core.messages import AIMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Send, interrupt
from typing_extensions import TypedDict


class Log(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    count: int
    seconds: float


def pipeline(state: type[Any], **nodes: Any) -> StateGraph[Any, Any, Any, Any]:
    """A graph whose nodes run one after another."""
    builder = StateGraph(state)
    names = [START, *nodes, END]
    for name, node in nodes.items():
        builder.add_node(name, node)
    for name, following in itertools.pairwise(names):
        builder.add_edge(name, following)
    return builder


def reply(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage(f"I know {len(state['messages'])} messages.")]}


def note(text: str) -> Any:
    return lambda _: {"log": [text]}


def ask(state: Log) -> Log:
    return {"log": [interrupt({"so far": state["log"]})]}


async def wait(state: Log) -> Log:
    await asyncio.sleep(state["seconds"])
    return {"log": ["waited"]}


async def block(_: Log) -> Log:
    time.sleep(0.01)  # noqa: ASYNC251 - what the server has to refuse
    return {"log": ["blocked"]}


def append(state: list[Any] | None, writes: Sequence[list[Any]]) -> list[Any]:
    return [*(state or []), *(item for write in writes for item in write)]


class DeltaLog(TypedDict, total=False):
    log: Annotated[list[Any], DeltaChannel(append, snapshot_frequency=2)]
    count: int


def fan_out(state: type[Any]) -> StateGraph[Any, Any, Any, Any]:
    builder = StateGraph(state)
    builder.add_node("work", lambda task: {"log": [task["index"]]})
    sends = lambda state: [Send("work", {"index": n}) for n in range(state["count"])]  # noqa: E731
    builder.add_conditional_edges(START, sends)
    builder.add_edge("work", END)
    return builder


CHAT = pipeline(MessagesState, reply=reply)
REVIEW = pipeline(Log, draft=note("draft"), ask=ask, publish=note("publish"))

chat = CHAT.compile()
fan = fan_out(Log).compile()
delta = fan_out(DeltaLog).compile()
review = REVIEW.compile()
nested = pipeline(Log, review=review, archive=note("archive")).compile()
slow = pipeline(Log, begin=note("begin"), wait=wait).compile()
blocking = pipeline(Log, block=block).compile()
