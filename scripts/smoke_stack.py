"""Prove that a deployed stack serves a graph: interrupt, resume by another saver, delete.

Run: `python scripts/smoke_stack.py STACK`. Region and credentials come from where AWS's tools
look for them; they need what the stack's runtime policy allows, and to describe the stack.
The thread it makes has a random name and is deleted again, also after a failure.
"""

from __future__ import annotations

import sys
import uuid
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from langgraph_checkpoint_dynamodb import DynamoDBSaver


class State(TypedDict):
    """What the graph asks, and what it is told."""

    question: str
    answer: str


def ask(state: State) -> dict[str, str]:
    """Wait for an answer."""
    return {"answer": interrupt(state["question"])}


def make_graph(saver: DynamoDBSaver) -> Any:
    """A graph that waits once."""
    builder = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", END)
    return builder.compile(checkpointer=saver)


def smoke(stack_name: str) -> str:
    """Return what is wrong with the stack; nothing if it serves."""
    thread = {"configurable": {"thread_id": f"smoke-{uuid.uuid4()}"}}
    # The second saver knows nothing of the first one's thread but what the table holds.
    with (
        DynamoDBSaver.from_stack(stack_name) as first,
        DynamoDBSaver.from_stack(stack_name) as second,
    ):
        try:
            make_graph(first).invoke({"question": "Ready?"}, thread)
            waiting = make_graph(second).get_state(thread).next
            if waiting != ("ask",):
                return f"the graph waits at {waiting}, not at ('ask',)"
            values = make_graph(second).invoke(Command(resume="yes"), thread)
        finally:
            second.delete_thread(thread["configurable"]["thread_id"])
        if values != {"question": "Ready?", "answer": "yes"}:
            return f"the graph ended with {values}"
        if second.get_tuple(thread) is not None:
            return "the thread is still there after it was deleted"
    return ""


def main() -> int:
    """Test the stack that the command line names."""
    if len(sys.argv) != 2:
        sys.exit("usage: smoke_stack.py STACK")
    if wrong := smoke(sys.argv[1]):
        print(f"{sys.argv[1]}: {wrong}", file=sys.stderr)
        return 1
    print(f"{sys.argv[1]}: a graph waited, was resumed by another saver, and was deleted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
