"""One message in, one answer out; the conversation is in the checkpoint table."""

from __future__ import annotations

import os
from typing import Any

from botocore.config import Config
from langgraph.graph import END, START, MessagesState, StateGraph

from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig


def answer(state: MessagesState) -> dict[str, Any]:
    """Stand in for a model: say what the conversation holds."""
    first = state["messages"][0].content
    return {"messages": [("ai", f"{len(state['messages'])} messages since {first!r}.")]}


def make_saver() -> DynamoDBSaver:
    """A saver on the stack's table, by the outputs of the stack that the template passes on."""
    has_ttl = os.environ["TTL_ENABLED"] == "true"
    table = DynamoDBTableConfig(
        table_name=os.environ["TABLE_NAME"],
        enable_ttl=has_ttl,
        ttl_attribute=os.environ["TTL_ATTRIBUTE"],
        ttl_seconds=int(os.environ["TTL_SECONDS"]) if has_ttl else None,
        enable_run_index=os.environ["RUN_INDEX_ENABLED"] == "true",
        enable_thread_index=os.environ["THREAD_INDEX_ENABLED"] == "true",
    )
    # A call without an answer fails after at most 9.6 s: three tries of 3 s, and two delays. So
    # the function logs the saver's error. Lambda stops it after the template's Timeout, and its
    # initialization after 10 s, with nothing in the log but that.
    return DynamoDBSaver(
        DynamoDBConfig(
            table_config=table,
            max_retries=2,
            max_retry_delay=0.3,
            botocore_config=Config(connect_timeout=1, read_timeout=2),
        )
    )


def make_graph(saver: DynamoDBSaver) -> Any:
    """Compile the graph."""
    builder = StateGraph(MessagesState)
    builder.add_node("answer", answer)
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    return builder.compile(checkpointer=saver)


# Made once for each execution environment: a warm one keeps its client and what it has read.
SAVER = make_saver()
SAVER.warm()
GRAPH = make_graph(SAVER)


def handler(event: dict[str, str], _context: object) -> dict[str, str]:
    """Answer `event["message"]` in the conversation `event["thread_id"]`."""
    thread = {"configurable": {"thread_id": event["thread_id"]}}
    state = GRAPH.invoke({"messages": [("user", event["message"])]}, thread)
    return {"answer": state["messages"][-1].content}
