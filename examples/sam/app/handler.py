"""One message in, one answer out; the conversation is in the checkpoint table."""

from __future__ import annotations

import os
from typing import Any

from langgraph.graph import END, START, MessagesState, StateGraph

from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig


def answer(state: MessagesState) -> dict[str, Any]:
    """Stand in for a model: say what the conversation holds."""
    first = state["messages"][0].content
    return {"messages": [("ai", f"{len(state['messages'])} messages since {first!r}.")]}


def make_graph() -> Any:
    """Compile the graph with a saver on the stack's table."""
    builder = StateGraph(MessagesState)
    builder.add_node("answer", answer)
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    table = DynamoDBTableConfig(table_name=os.environ["TABLE_NAME"])
    return builder.compile(checkpointer=DynamoDBSaver(DynamoDBConfig(table_config=table)))


# Made once for each execution environment: a warm one keeps its client and what it has read.
GRAPH = make_graph()


def handler(event: dict[str, str], _context: object) -> dict[str, str]:
    """Answer `event["message"]` in the conversation `event["thread_id"]`."""
    thread = {"configurable": {"thread_id": event["thread_id"]}}
    state = GRAPH.invoke({"messages": [("user", event["message"])]}, thread)
    return {"answer": state["messages"][-1].content}
