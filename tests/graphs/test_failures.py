"""Crashes and durability: what is finished is never done again."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt
from typing_extensions import TypedDict

from play import Play, Scenario, in_run_context, thread

LAST = 13
DURABILITY_MODES = ("sync", "async", "exit")


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    item: Any


class FlakyError(Exception):
    """What the first run of a flaky node raises."""


class Nodes:
    """Nodes that count their runs; a flaky one fails until it is repaired."""

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        self.broken = True

    def solid(self, name: str, state: State) -> State:
        self.runs[name] += 1
        return {"log": [name]}

    def flaky(self, name: str, state: State) -> State:
        self.runs[name] += 1
        if self.broken:
            raise FlakyError(name)
        return {"log": [name]}

    def work(self, state: State) -> State:
        self.runs[f"work {state['item']}"] += 1
        if self.broken and state["item"] == LAST:
            raise FlakyError(str(state["item"]))
        return {"log": [state["item"]]}


async def invoke_failing(play: Play, graph: Any, value: Any, **options: Any) -> None:
    # One at a time, the failing one last: LangGraph cancels what has not finished, and
    # which tasks that are must not depend on timing.
    config = {**thread(), "max_concurrency": 1}
    with pytest.raises(FlakyError) as caught:
        await graph.invoke(value, config, **options)
    play.see(type(caught.value).__name__)


def beside_a_flaky_node(nodes: Nodes) -> StateGraph[State]:
    builder = StateGraph(State)
    for name in ("one", "two", "three"):
        builder.add_node(name, partial(nodes.solid, name)).add_edge(START, name)
    builder.add_node("unsteady", partial(nodes.flaky, "unsteady")).add_edge(START, "unsteady")
    builder.add_node("join", partial(nodes.solid, "join"))
    builder.add_edge(["one", "two", "three", "unsteady"], "join")
    return builder


async def parallel_node_fails(play: Play, durability: str) -> None:
    nodes = Nodes()
    builder = beside_a_flaky_node(nodes)
    options = {"durability": durability}
    await invoke_failing(play, play.graph(builder), {"log": []}, **options)
    play.restart()
    await play.see_thread(play.graph(builder), thread())
    nodes.broken = False
    play.restart()
    result = play.see(await play.graph(builder).invoke(None, thread(), **options))
    assert result["log"] == ["one", "three", "two", "unsteady", "join"]
    finished = {name: count for name, count in nodes.runs.items() if name != "unsteady"}
    assert finished == {"one": 1, "two": 1, "three": 1, "join": 1}
    await play.see_thread(play.graph(builder), thread())


async def fan_out_fails(play: Play, durability: str) -> None:
    nodes = Nodes()
    builder = (
        StateGraph(State)
        .add_node("work", nodes.work)
        .add_conditional_edges(
            START, lambda state: [Send("work", {"item": n}) for n in range(LAST + 1)], ["work"]
        )
    )
    options = {"durability": durability}
    await invoke_failing(play, play.graph(builder), {"log": []}, **options)
    nodes.broken = False
    play.restart()
    result = play.see(await play.graph(builder).invoke(None, thread(), **options))
    assert result["log"] == list(range(LAST + 1))
    assert nodes.runs == {**{f"work {n}": 1 for n in range(LAST)}, f"work {LAST}": 2}
    await play.see_thread(play.graph(builder), thread())


async def steps_then_a_crash(play: Play, durability: str) -> None:
    nodes = Nodes()
    builder = StateGraph(State)
    before = START
    for name in ("a", "b", "c"):
        builder.add_node(name, partial(nodes.solid, name)).add_edge(before, name)
        before = name
    builder.add_node("flaky", partial(nodes.flaky, "flaky")).add_edge(before, "flaky")
    options = {"durability": durability}
    await invoke_failing(play, play.graph(builder), {"log": ["begin"]}, **options)
    play.restart()
    await play.see_thread(play.graph(builder), thread())
    await invoke_failing(play, play.graph(builder), None, **options)
    nodes.broken = False
    play.restart()
    play.see(await play.graph(builder).invoke(None, thread(), **options))
    assert nodes.runs == {"a": 1, "b": 1, "c": 1, "flaky": 3}
    await play.see_thread(play.graph(builder), thread())


async def crash_inside_a_subgraph(play: Play, durability: str) -> None:
    nodes = Nodes()
    child = (
        StateGraph(State)
        .add_node("first", partial(nodes.solid, "first"))
        .add_node("flaky", partial(nodes.flaky, "flaky"))
        .add_edge(START, "first")
        .add_edge("first", "flaky")
    )
    builder = StateGraph(State).add_node("child", child.compile()).add_edge(START, "child")
    options = {"durability": durability}
    await invoke_failing(play, play.graph(builder), {"log": ["begin"]}, **options)
    play.restart()
    play.see(await play.graph(builder).get_state(thread(), subgraphs=True))
    nodes.broken = False
    play.restart()
    play.see(await play.graph(builder).invoke(None, thread(), **options))
    play.see(dict(nodes.runs))
    await play.see_thread(play.graph(builder), thread())


async def question_after_steps(play: Play, durability: str) -> None:
    nodes = Nodes()
    builder = (
        StateGraph(State)
        .add_node("a", partial(nodes.solid, "a"))
        .add_node("beside", partial(nodes.solid, "beside"))
        .add_node("ask", in_run_context(lambda state: {"log": [interrupt("go on?")]}))
        .add_edge(START, "a")
        .add_edge("a", "ask")
        .add_edge("a", "beside")
    )
    options = {"durability": durability}
    play.see(await play.graph(builder).invoke({"log": []}, thread(), **options))
    play.restart()
    await play.see_thread(play.graph(builder), thread())
    play.see(await play.graph(builder).invoke(Command(resume="yes"), thread(), **options))
    assert nodes.runs == {"a": 1, "beside": 1}
    await play.see_thread(play.graph(builder), thread())


async def streamed_with_checkpoints(play: Play, durability: str) -> None:
    nodes = Nodes()
    nodes.broken = False
    builder = beside_a_flaky_node(nodes)
    for mode in ("values", "checkpoints"):
        events = await play.graph(builder).stream(
            {"log": []}, thread(mode), stream_mode=mode, durability=durability
        )
        assert events
        if mode == "values":
            play.see(events)
        else:
            play.see([(event["values"], event["next"]) for event in events])


SCENARIOS = [
    parallel_node_fails,
    fan_out_fails,
    steps_then_a_crash,
    crash_inside_a_subgraph,
    question_after_steps,
    streamed_with_checkpoints,
]


@pytest.mark.parametrize("durability", DURABILITY_MODES)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_failures(
    scenario: Callable[..., Awaitable[None]],
    durability: str,
    compare: Callable[[Scenario], Awaitable[None]],
) -> None:
    await compare(partial(scenario, durability=durability))
