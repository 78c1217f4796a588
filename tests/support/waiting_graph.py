"""A graph that waits for a human, and a script that answers it in a process of its own.

Run: `python tests/support/waiting_graph.py sync|async stack|table NAME THREAD ANSWER`. Region,
credentials and endpoint come from the environment; what the graph ends with is printed as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from either import Either
from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig
from play import in_run_context, thread

DRAFT = " ".join(f"Line {n} of a draft that takes more than one chunk." for n in range(1000))


class State(TypedDict, total=False):
    draft: str
    answer: str
    steps: int


@in_run_context
def ask(state: State) -> State:
    return {"answer": interrupt({"length": len(state["draft"])}), "steps": state["steps"] + 1}


def make_graph(saver: DynamoDBSaver) -> Any:
    builder = StateGraph(State)
    builder.add_node("write", lambda state: {"draft": DRAFT, "steps": 1})
    builder.add_node("ask", ask)
    builder.add_edge(START, "write")
    builder.add_edge("write", "ask")
    builder.add_edge("ask", END)
    return builder.compile(checkpointer=saver)


async def open_saver(kind: str, name: str, *, use_async: bool) -> DynamoDBSaver:
    if kind == "table":
        return DynamoDBSaver(DynamoDBConfig(table_config=DynamoDBTableConfig(table_name=name)))
    return await Either(DynamoDBSaver, use_async=use_async).from_stack(name)


async def main(mode: str, kind: str, name: str, thread_id: str, answer: str) -> None:
    saver = await open_saver(kind, name, use_async=mode == "async")
    async with saver:
        graph = Either(make_graph(saver), use_async=mode == "async")
        waiting = await graph.get_state(thread(thread_id))
        assert waiting.next == ("ask",), waiting
        print(json.dumps(await graph.invoke(Command(resume=answer), thread(thread_id))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
