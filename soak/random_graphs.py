"""Graphs drawn at random, of all that LangGraph lets a node do.

What a node does follows from the state alone, so that a graph does the same on every saver
and again after a restart. Parallel nodes write only what can be merged in any order.
"""

from __future__ import annotations

import operator
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from langchain_core.messages import AnyMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from node_actions import ACTIONS, ALONE, MERGED, Update, change_in_place, say
from random_values import text, value

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "support"))
from play import in_run_context


def merge(old: Update | None, new: Update | None) -> Update:
    return {**(old or {}), **(new or {})}


def extend(old: list[Any] | None, writes: Sequence[list[Any]]) -> list[Any]:
    return [*(old or []), *(one for write in writes for one in write)]


def add_each(old: list[Any] | None, writes: Sequence[Any]) -> Any:
    for write in writes:
        old = add_messages(old or [], write)  # type: ignore[assignment]
    return old or []


@dataclass(frozen=True)
class Window:
    """A reducer that keeps the last messages."""

    size: int

    def __call__(self, old: Any, new: Any) -> Any:
        return add_messages(old, new)[-self.size :]  # type: ignore[index]


@dataclass(frozen=True)
class Node:
    """What a node does: some of `ACTIONS`, by name; or a subgraph, with what memory."""

    name: str
    actions: tuple[str, ...]
    is_subgraph: bool = False
    memory: bool | None = None


@dataclass(frozen=True)
class Plan:
    """A graph: layers of nodes, and how its channels keep their values."""

    seed: str
    layers: tuple[tuple[Node, ...], ...]
    messages: str
    window: int
    frequency: int
    stops: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def names(self) -> list[str]:
        return [node.name for layer in self.layers for node in layer]


def draw_plan(chance: random.Random, *, in_place: bool = False, restyles: bool = False) -> Plan:
    """A plan. With `in_place`, nodes after the first layer also change what they were handed.

    They run alone and never first: the checkpoint of the input may be under way by then.
    """
    layers = [
        _layer(chance, number, in_place=in_place, restyles=restyles)
        for number in range(chance.randint(2, 3) if in_place else chance.randint(1, 3))
    ]
    names = [node.name for layer in layers for node in layer]
    stops = ()
    if chance.random() < 0.15:
        kind = chance.choice(("interrupt_before", "interrupt_after"))
        stops = ((kind, (chance.choice(names),)),)
    return Plan(
        seed=f"{chance.random()}",
        layers=tuple(layers),
        messages=chance.choice(("all", "all", "window", "delta")),
        window=chance.choice((2, 6, 80)),
        frequency=chance.choice((1, 2, 5, 50, 50)),
        stops=stops,
    )


def _layer(
    chance: random.Random, number: int, *, in_place: bool, restyles: bool
) -> tuple[Node, ...]:
    width = chance.choice((1, 1, 1, 2, 3))
    if in_place and number:
        width = 1
    choices = MERGED if width > 1 else ALONE
    if in_place:
        choices = tuple(one for one in choices if one not in {"send", "jump"})
    nodes = []
    for column in range(width):
        count = 1 if width > 1 else chance.choice((1, 2))
        node = Node(f"node {number}{column}", tuple(chance.choices(choices, k=count)))
        if width == 1 and chance.random() < 0.25:
            node = replace(node, is_subgraph=True, memory=chance.choice((None, True)))
        elif width == 1 and restyles:
            node = replace(node, actions=("restyle",))
        if in_place and number and not node.is_subgraph:
            then = chance.choice(((), (), node.actions[:1], ("give_back",)))
            node = replace(node, actions=("change", *then))
        nodes.append(node)
    return tuple(nodes)


def state_type(plan: Plan) -> Any:
    reducers = {
        "all": add_messages,
        "window": Window(plan.window),
        "delta": DeltaChannel(add_each, snapshot_frequency=plan.frequency),
    }
    fields = {
        "messages": Annotated[list[AnyMessage], reducers[plan.messages]],
        "log": Annotated[list[Any], operator.add],
        "delta": Annotated[list[Any], DeltaChannel(extend, snapshot_frequency=plan.frequency)],
        "data": Annotated[dict[str, Any], merge],
        "note": Any,
        "count": Annotated[int, operator.add],
        "item": Any,
        "number": int,
    }
    return TypedDict("State", fields, total=False)  # type: ignore[operator]


class Inner(TypedDict, total=False):
    """A subgraph's state: what it shares with its parent, and steps of its own."""

    messages: Annotated[list[AnyMessage], add_messages]
    data: Annotated[dict[str, Any], merge]
    steps: Annotated[list[Any], operator.add]


class InnerOutput(TypedDict, total=False):
    data: dict[str, Any]
    messages: list[AnyMessage]


def build(plan: Plan) -> StateGraph[Any]:
    builder: StateGraph[Any] = StateGraph(state_type(plan))
    before: list[str] = [START]
    for layer in plan.layers:
        for node in layer:
            if node.is_subgraph:
                builder.add_node(node.name, _subgraph(plan, node))
            else:
                builder.add_node(node.name, _function(plan, node))
            for name in before if len(before) == 1 else ():
                builder.add_edge(name, node.name)
            if len(before) > 1:
                builder.add_edge(before, node.name)
        before = [node.name for node in layer]
    worker = replace(plan.layers[0][0], name="worker", actions=("log",))
    builder.add_node("worker", _function(plan, worker))
    return builder.add_node("aside", _function(plan, replace(worker, name="aside")))


def _function(plan: Plan, node: Node) -> Any:
    def run(state: Any) -> Any:
        marks = [len(state.get(name) or ()) for name in ("messages", "log", "delta", "data")]
        marks += [state.get("count", 0), state.get("number", 0)]
        chance = random.Random(f"{plan.seed} {node.name} {marks}")
        update: Update = {"count": 1}
        for name in node.actions:
            if name == "change":
                change_in_place(chance, state)
                continue
            made = ACTIONS[name](chance, state)
            if isinstance(made, Command):
                return made
            for channel, one in made.items():
                joined = isinstance(update.get(channel), list) and isinstance(one, list)
                update[channel] = [*update[channel], *one] if joined else one
        return update

    return in_run_context(run)


def _subgraph(plan: Plan, node: Node) -> Any:
    """Two nodes, the second of which may ask."""

    def first(state: Any) -> Any:
        chance = random.Random(f"{plan.seed} {node.name} {len(state.get('messages', []))}")
        return {**say(chance, state), "steps": [text(chance, 30)]}

    def second(state: Any) -> Any:
        chance = random.Random(f"{plan.seed} {node.name} {len(state.get('steps', []))}")
        if chance.random() < 0.3:
            return {"steps": [interrupt(f"{node.name} asks")], "data": {"inner": text(chance)}}
        return {"data": {"inner": len(state.get("steps", [])), chance.choice("ab"): value(chance)}}

    builder = StateGraph(Inner, output_schema=InnerOutput)
    builder.add_node("first", first).add_node("second", in_run_context(second))
    builder.add_edge(START, "first").add_edge("first", "second")
    return builder.compile(checkpointer=node.memory)
