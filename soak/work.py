"""Work for writers: turns of a graph with all that a thread can have, and plain puts.

What a node returns follows from the state alone: a task that runs again after a crash writes
the same again.
"""

import itertools
import operator
import random
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.serde.types import RESUME
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from langgraph_checkpoint_dynamodb import StorageError

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "support"))
from play import in_run_context

DURABILITIES = ("sync", "async", "exit")
ASKS_EVERY = 3
OWNERS = ("ada", "bob", None)
DOCUMENT = random.Random(0).randbytes(60_000)


class State(TypedDict, total=False):
    messages: Annotated[list[str], operator.add]
    document: bytes
    notes: list[str]


class Notes(TypedDict, total=False):
    notes: list[str]


def _say(name: str, state: State) -> State:
    chance = random.Random(f"{name} {len(state['messages'])}")
    return {"messages": [f"{name} " + chance.randbytes(chance.choice((20, 600))).hex()]}


def _research(state: State) -> State:
    """A large value, of which a part is new each time."""
    chance = random.Random(len(state["messages"]))
    cut = chance.randrange(len(DOCUMENT))
    return {"document": DOCUMENT[:cut] + chance.randbytes(3_000) + DOCUMENT[cut:]}


def _ask(state: State) -> State:
    if len(state["messages"]) % ASKS_EVERY:
        return {}
    answers = [interrupt(f"{question}?") for question in ("first", "second")]
    return {"messages": [" ".join(answers)]}


def _note(name: str, state: State) -> State:
    return {"notes": [*state.get("notes", [])[-5:], f"{name} {len(state['messages'])}"]}


def _subgraph() -> Any:
    builder = StateGraph(State, output_schema=Notes)
    for name in ("inner one", "inner two"):
        builder.add_node(name, partial(_note, name))
    builder.add_edge(START, "inner one").add_edge("inner one", "inner two")
    return builder.compile()


def graph(saver: Any) -> Any:
    """Parallel nodes, one of them a subgraph and one with a large value; then two questions."""
    builder = StateGraph(State)
    for name in ("left", "right"):
        builder.add_node(name, partial(_say, name))
    builder.add_node("research", _research)
    builder.add_node("inner", _subgraph())
    parallel = ["left", "right", "research", "inner"]
    for name in parallel:
        builder.add_edge(START, name)
    builder.add_node("ask", in_run_context(_ask)).add_edge(parallel, "ask")
    return builder.compile(checkpointer=saver)


def owner_of(thread_id: str) -> str | None:
    return OWNERS[zlib.crc32(thread_id.encode()) % len(OWNERS)]


def config_of(thread_id: str) -> Any:
    owner = owner_of(thread_id)
    named = {} if owner is None else {"user_id": owner}
    return {"configurable": {"thread_id": thread_id, **named}}


def turn(compiled: Any, thread_id: str, chance: random.Random) -> None:
    """Go on with a thread from wherever it stands."""
    state = compiled.get_state(config_of(thread_id))
    compiled.invoke(
        _next(state, chance), config_of(thread_id), durability=chance.choice(DURABILITIES)
    )


async def aturn(compiled: Any, thread_id: str, chance: random.Random) -> None:
    state = await compiled.aget_state(config_of(thread_id))
    durability = chance.choice(DURABILITIES)
    await compiled.ainvoke(_next(state, chance), config_of(thread_id), durability=durability)


def _next(state: Any, chance: random.Random) -> Any:
    if state.interrupts:
        return Command(resume=chance.choice(("yes", "no")))
    return None if state.next else {"messages": [f"question {chance.random()}"]}


def plain(saver: Any, thread_id: str, chance: random.Random, pool: ThreadPoolExecutor) -> None:
    """A checkpoint without a graph, and writes to it that come at once."""
    newest = saver.get_tuple(config_of(thread_id))
    made = empty_checkpoint()
    made["id"] = str(uuid6())
    values = dict(newest.checkpoint["channel_values"]) if newest else {}
    values[f"channel-{chance.randrange(4)}"] = _value(chance)
    values["list"] = [*values.get("list", []), chance.randbytes(chance.choice((50, 900))).hex()]
    before = newest.checkpoint["channel_versions"] if newest else {}
    versions = {name: saver.get_next_version(before.get(name), None) for name in values}
    made["channel_values"], made["channel_versions"] = values, versions
    at = newest.config if newest else config_of(thread_id)
    at["configurable"].setdefault("checkpoint_ns", "")
    config = saver.put(at, made, {"step": len(values["list"])}, versions)
    jobs = [
        pool.submit(_write, saver, config, f"task-{task}", random.Random(chance.random()))
        for task in range(3)
    ]
    for job in jobs:
        job.result()


def _write(saver: Any, config: Any, task: str, chance: random.Random) -> None:
    writes = [("list", _value(chance)), ("other", chance.random())]
    patiently(lambda: saver.put_writes(config, writes, task))
    for answer in chance.choices(("yes", "no"), k=3):
        resume = [(RESUME, answer)]
        patiently(partial(saver.put_writes, config, resume, task))


def patiently(call: Callable[[], Any]) -> int:
    """Call until it succeeds, as a user would; returns how often it failed."""
    for failures in itertools.count():
        try:
            call()
        except StorageError as error:
            if not error.retryable:
                raise
        else:
            return failures
    raise AssertionError("unreachable")


def _value(chance: random.Random) -> Any:
    size = chance.choice((10, 2_000, 30_000))
    return chance.choice((chance.randbytes(size), DOCUMENT[:size]))
