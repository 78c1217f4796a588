"""A deep agent with files, a subagent and two questions to a human.

Run: `python deep_agent.py TABLE THREAD` to approve what it waits for in a process of its own. What
that ends with is printed as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from deepagents import create_deep_agent
from langchain_core.messages import ToolMessage
from langgraph.types import Command
from scripted_model import ScriptedModel

from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig

PLAN = "\n".join(f"{n}. a line of a plan that takes more than one chunk" for n in range(1000))
RESEARCH = {"subagent_type": "researcher", "description": "find the answer"}
MAIN = [
    ("write_file", {"file_path": "/plan.md", "content": PLAN}),
    ("task", RESEARCH),
    ("send_mail", {"to": "ada", "text": "the answer is 42"}),
    ("read_file", {"file_path": "/plan.md", "limit": 1}),
]


def look_up(question: str) -> str:
    """Look something up."""
    return f"42 is the answer to {question}"


def send_mail(to: str, text: str) -> str:
    """Send a mail."""
    return f"sent to {to}: {text}"


def make_agent(saver: DynamoDBSaver) -> Any:
    researcher: Any = {
        "name": "researcher",
        "description": "Finds answers.",
        "system_prompt": "Find the answer.",
        "tools": [look_up],
        "model": ScriptedModel(calls=[("look_up", {"question": "life"})], reply="It is 42."),
        "interrupt_on": {"look_up": True},
    }
    return create_deep_agent(
        model=ScriptedModel(calls=MAIN, reply="The mail is sent."),
        tools=[send_mail],
        subagents=[researcher],
        interrupt_on={"send_mail": True},
        checkpointer=saver,
    )


APPROVE: Any = Command(resume={"decisions": [{"type": "approve"}]})


def step(saver: DynamoDBSaver, thread: Any, asked: Any) -> dict[str, Any]:
    """Run until the agent asks or ends, and tell that in words that JSON has."""
    result = make_agent(saver).invoke(asked, thread)
    questions = [
        request["name"]
        for interrupt in result.get("__interrupt__", ())
        for request in interrupt.value["action_requests"]
    ]
    return {
        "questions": questions,
        "files": sorted(result.get("files", {})),
        "tools": [one.content for one in result["messages"] if isinstance(one, ToolMessage)],
        "last": result["messages"][-1].content,
    }


def main(table: str, thread_id: str) -> None:
    config = DynamoDBConfig(table_config=DynamoDBTableConfig(table_name=table))
    with DynamoDBSaver(config) as saver:
        print(json.dumps(step(saver, {"configurable": {"thread_id": thread_id}}, APPROVE)))


if __name__ == "__main__":
    main(*sys.argv[1:])
