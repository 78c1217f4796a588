"""`deepagents`: files, a subagent and interrupts, with a step in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deep_agent
from conftest import TABLE

from langgraph_checkpoint_dynamodb import DynamoDBSaver

SCRIPT = Path(deep_agent.__file__)


def approved_in_a_new_process(thread: Any) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, SCRIPT, TABLE, thread["configurable"]["thread_id"]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_one_run_in_two_processes(new_saver: Callable[[], DynamoDBSaver], thread: Any) -> None:
    asked = {"messages": [("user", "What is the answer?")]}
    started = deep_agent.step(new_saver(), thread, asked)
    assert started["questions"] == ["look_up"]  # of the subagent
    assert started["files"] == ["/plan.md"]

    answered = approved_in_a_new_process(thread)
    assert answered["questions"] == ["send_mail"]
    assert answered["tools"][1] == "It is 42."

    finished = deep_agent.step(new_saver(), thread, deep_agent.APPROVE)
    assert finished["questions"] == []
    assert finished["tools"][2] == "sent to ada: the answer is 42"
    assert "0. a line of a plan" in finished["tools"][3]
    assert finished["last"] == "The mail is sent."

    saver = new_saver()
    state = deep_agent.make_agent(saver).get_state(thread)
    assert state.next == ()
    assert "".join(state.values["files"]["/plan.md"]["content"]) == deep_agent.PLAN
    assert saver.verify().ok
    saver.prune([thread["configurable"]["thread_id"]])
    assert deep_agent.make_agent(new_saver()).get_state(thread).values == state.values
    assert saver.verify().ok
