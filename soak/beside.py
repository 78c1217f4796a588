"""Processes that run a graph on a thread, while others prune, copy and delete in that thread.

Real processes on DynamoDB Local. The thread has a past that is older than the grace time, so a
sweep does delete; the graph goes on, goes back to documents of that past, and asks a human now
and then. Run as a script, this file is the process of a graph.
"""

from __future__ import annotations

import itertools
import operator
import os
import random
import subprocess
import sys
import time
import uuid
from typing import Annotated, Any

from langgraph.channels.delta import DeltaChannel
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig

TITLE = "Graphs of 4 processes beside processes that prune, copy and delete in their threads"
SHORT = {"processes": 1, "turns": 3}
LONG = {"processes": 4, "turns": 200}

DOCUMENTS = [random.Random(seed).randbytes(30_000).hex() for seed in range(4)]
HOURS = 3 * 3600
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


def extend(state: list[Any] | None, writes: Any) -> list[Any]:
    return [*(state or []), *(one for write in writes for one in write)]


class State(TypedDict, total=False):
    turn: int
    document: str
    log: Annotated[list[str], operator.add]
    deltas: Annotated[list[int], DeltaChannel(extend, snapshot_frequency=7)]


def make_graph(saver: DynamoDBSaver) -> Any:
    def work(state: State) -> State:
        turn = state["turn"]
        document = DOCUMENTS[turn * 7 % len(DOCUMENTS)]
        return {"document": document, "log": [f"turn {turn} " * 99], "deltas": [turn]}

    def ask(state: State) -> State:
        return {"log": [interrupt("?")]} if state["turn"] % 3 == 0 else {}

    builder = StateGraph(State).add_node("work", work).add_node("ask", ask)
    return builder.add_edge(START, "work").add_edge("work", "ask").compile(checkpointer=saver)


def open_saver(endpoint: str, table: str, *, deploy: bool = False) -> DynamoDBSaver:
    settings = DynamoDBTableConfig(table_name=table, enable_run_index=True)
    config = DynamoDBConfig(
        endpoint_url=endpoint, region_name="eu-central-1", table_config=settings
    )
    return DynamoDBSaver(config, deploy=deploy)


def take_turns(graph: Any, thread_id: str, turns: range) -> None:
    """Each turn is a run of its own; a state that is not what it was would show in the next."""
    for turn in turns:
        run = {
            "configurable": {"thread_id": thread_id},
            "metadata": {"run_id": f"{thread_id} {turn}"},
        }
        graph.invoke({"turn": turn}, run)
        if turn % 3 == 0:
            graph.invoke(Command(resume=f"answer {turn}"), run)
        values = graph.get_state(run).values
        check(values, turn + 1)


def check(values: dict[str, Any], turns: int) -> None:
    """The state after so many turns, all of it."""
    log = []
    for turn in range(turns):
        log += [f"turn {turn} " * 99, *([f"answer {turn}"] if turn % 3 == 0 else [])]
    assert values["log"] == log, f"{len(values['log'])} entries, not {len(log)}"
    assert values["deltas"] == list(range(turns))
    assert values["document"] == DOCUMENTS[(turns - 1) * 7 % len(DOCUMENTS)]


def run(endpoint: str, seed: int, processes: int, turns: int) -> dict[str, int | float]:
    """Play until all processes have taken their turns."""
    draw = random.Random(seed)
    table = f"beside-{uuid.uuid4().hex}"
    os.environ.update({name: os.environ.get(name, value) for name, value in KEYS.items()})
    saver = open_saver(endpoint, table, deploy=True)
    saver.clock = lambda: time.time() - HOURS  # type: ignore[method-assign]
    past = 4
    threads = [f"thread-{number}" for number in range(processes)]
    for thread_id in threads:
        take_turns(make_graph(saver), thread_id, range(past))
    del saver.clock
    counts = dict.fromkeys(("prunes", "copies", "deletions"), 0)
    graphs = [
        subprocess.Popen(
            [sys.executable, __file__, endpoint, table, thread_id, str(past), str(turns)]
        )
        for thread_id in threads
    ]
    try:
        for choice in itertools.cycle(counts):
            if min(counts.values()) and all(graph.poll() is not None for graph in graphs):
                break
            disturb(open_saver(endpoint, table), draw, draw.choice(threads), choice)
            counts[choice] += 1
        assert [graph.wait() for graph in graphs] == [0] * processes, f"seed {seed}"
        for thread_id in threads:
            state = make_graph(saver).get_state({"configurable": {"thread_id": thread_id}})
            check(state.values, past + turns)
        saver.clock = lambda: time.time() + HOURS  # type: ignore[method-assign]
        saver.prune(threads, keep_last=1_000)
        report = saver.verify()
        assert report.ok, f"seed {seed}: {report}"
        assert report.young == 0
    finally:
        for graph in graphs:
            graph.kill()
            graph.wait()
        saver.destroy(force=True)
        saver.close()
    return {"turns": processes * turns, **counts, "lost": 0, "checkpoints left": report.checkpoints}


def disturb(saver: DynamoDBSaver, draw: random.Random, thread_id: str, choice: str) -> None:
    """One piece of maintenance, by a process that knows nothing."""
    with saver:
        if choice == "prunes":
            saver.prune([thread_id], keep_last=draw.choice((None, 2, 5)))
        elif choice == "deletions":  # of runs that have ended
            saver.delete_for_runs([f"{thread_id} {turn}" for turn in range(3)])
        else:
            copy = f"copy-{uuid.uuid4().hex}"
            saver.copy_thread(thread_id, copy)
            values = make_graph(saver).get_state({"configurable": {"thread_id": copy}}).values
            turns = values["deltas"][-1] + 1
            assert values["deltas"] == list(range(turns))
            report = saver.verify(copy)
            assert report.ok, report
            saver.delete_thread(copy)


if __name__ == "__main__":
    endpoint, table, thread_id, past, turns = sys.argv[1:]
    with open_saver(endpoint, table) as opened:
        take_turns(make_graph(opened), thread_id, range(int(past), int(past) + int(turns)))
