"""langchain's `create_agent` with a human in the loop: each step on a saver without memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, TodoListMiddleware
from langchain_core.messages import ToolMessage
from langgraph.types import Command
from scripted_model import ScriptedModel

from langgraph_checkpoint_dynamodb import DynamoDBSaver

CALLS: Any = [
    ("write_todos", {"todos": [{"content": "transfer", "status": "pending"}]}),
    ("transfer", {"amount": 100}),
]


def transfer(amount: int) -> str:
    """Transfer money."""
    return f"transferred {amount}"


def make_agent(saver: DynamoDBSaver) -> Any:
    human = HumanInTheLoopMiddleware(interrupt_on={"transfer": True})
    return create_agent(
        ScriptedModel(calls=CALLS),
        tools=[transfer],
        middleware=[TodoListMiddleware(), human],
        checkpointer=saver,
    )


EDITED = {"name": "transfer", "args": {"amount": 1}}


@pytest.mark.parametrize(
    ("decision", "answer", "use_async"),
    [
        ({"type": "approve"}, "transferred 100", True),
        ({"type": "edit", "edited_action": EDITED}, "transferred 1", False),
        ({"type": "reject", "message": "too much"}, "too much", True),
    ],
    ids=["approve", "edit", "reject"],
)
def test_a_human_decides(
    new_saver: Callable[[], DynamoDBSaver],
    thread: Any,
    decision: dict[str, Any],
    answer: str,
    use_async: bool,
) -> None:
    def run(asked: Any) -> dict[str, Any]:
        saver = new_saver()
        if not use_async:
            return dict(make_agent(saver).invoke(asked, thread))

        async def in_loop() -> dict[str, Any]:
            async with saver:
                return dict(await make_agent(saver).ainvoke(asked, thread))

        return asyncio.run(in_loop())

    for _ in range(2):  # the second run continues the conversation of the first
        waiting = run({"messages": [("user", "Send the money.")]})
        (request,) = waiting["__interrupt__"][0].value["action_requests"]
        assert (request["name"], request["args"]) == ("transfer", {"amount": 100})
        state = make_agent(new_saver()).get_state(thread)
        assert state.values["todos"] == [{"content": "transfer", "status": "pending"}]
        result = run(Command(resume={"decisions": [decision]}))
        tools = [one for one in result["messages"] if isinstance(one, ToolMessage)]
        assert answer in tools[-1].content
        assert result["messages"][-1].content == "done"
    assert new_saver().verify(thread["configurable"]["thread_id"]).ok
