"""Nodes that change what they were handed while the checkpoint with it is being stored.

Which of the changes are stored depends on the moment. But each is numbered, and so is what they
change: what a new process reads has to be a state that there was, and reading never fails. A
value whose version a later checkpoint repeats is the one that its parent has.
"""

from __future__ import annotations

import operator
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Annotated, Any, NamedTuple

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

import seen
from fleet import Fleet
from random_graphs import merge
from random_values import Point, Profile

_LIMIT = 2_000
"""Changes of one node."""


class NodeError(RuntimeError):
    """What the graph's own node raises."""


class State(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]
    log: Annotated[list[Any], operator.add]
    data: Annotated[dict[str, Any], merge]
    profile: Any
    turn: int


class Change(NamedTuple):
    """A change that a node makes over and over, and what may be stored of it."""

    make: Callable[[State, int], Any]
    check: Callable[[Any, int], None]


def _append(state: State, number: int) -> None:
    state["messages"].append(AIMessage("in place " * 9, id=f"x{state['turn']} {number}"))


def _pop(state: State, number: int) -> None:
    if len(state["messages"]) > 1:
        state["messages"].pop()


def _edit(state: State, number: int) -> None:
    state["messages"][number * 7 % len(state["messages"])].content = f"edit {number}"


def _tag(state: State, number: int) -> None:
    changed = state["messages"][number % 3].additional_kwargs
    changed.setdefault(f"tags {state['turn']}", []).append(number)
    changed[f"k{number}"] = Point(number, "tag")


def _log(state: State, number: int) -> None:
    state["log"].append(Point(number, f"x{state['turn']}"))


def _key(state: State, number: int) -> None:
    state["data"]["grown"][f"k{number}"] = Point(number, "key")


def _top_key(state: State, number: int) -> None:
    state["data"][f"k{number}"] = Point(number, "key")


def _unkey(state: State, number: int) -> None:
    if state["data"]["grown"]:
        state["data"]["grown"].popitem()


def _part(state: State, number: int) -> None:
    state["profile"].parts.append(number)


def _member(state: State, number: int) -> None:
    state["data"]["set"].add(number)


def _in_order(found: Iterable[int], least: int = 0) -> None:
    """That numbers are the first ones, all of them up to some number."""
    numbers = list(found)
    assert numbers == list(range(len(numbers))), f"{numbers[:9]} … {numbers[-3:]}"
    assert len(numbers) >= least, f"{len(numbers)}, not {least} at least"


def _check_messages(values: Any, count: int) -> None:
    groups: dict[str, list[int]] = {}
    for one in values["messages"]:
        group, number = one.id.split()
        groups.setdefault(group, []).append(int(number))
        assert one.content.startswith(("edit ", "in place", "fill")), one
        for name, tags in one.additional_kwargs.items():
            if name.startswith("tags"):
                _in_order(tag // 3 for tag in tags)
    for group, numbers in groups.items():
        _in_order(numbers, count if group[0] == "f" else 0)


def _check_shrunk(values: Any, count: int) -> None:
    _check_messages(values, 0)


def _check_log(values: Any, count: int) -> None:
    groups: dict[str, list[int]] = {}
    for point in values["log"]:
        groups.setdefault(point.label, []).append(point.x)
    for label, numbers in groups.items():
        _in_order(numbers, count if label[0] == "f" else 0)


def _check_keys(values: Any, count: int, least: int = 5) -> None:
    for held in (values["data"], values["data"]["grown"]):
        points = [one for key, one in held.items() if key[0] == "k"]
        _in_order((point.x for point in points), least if held is not values["data"] else 0)
        assert [f"k{point.x}" for point in points] == [key for key in held if key[0] == "k"]


def _check_fewer_keys(values: Any, count: int) -> None:
    _check_keys(values, count, least=0)


def _check_parts(values: Any, count: int) -> None:
    _in_order(values["profile"].parts)


def _check_set(values: Any, count: int) -> None:
    _in_order(sorted(values["data"]["set"]))


APPEND = "append"

CHANGES = {
    APPEND: Change(_append, _check_messages),
    "pop": Change(_pop, _check_shrunk),
    "edit": Change(_edit, _check_messages),
    "tag": Change(_tag, _check_messages),
    "log": Change(_log, _check_log),
    "key": Change(_key, _check_keys),
    "top key": Change(_top_key, _check_keys),
    "unkey": Change(_unkey, _check_fewer_keys),
    "part": Change(_part, _check_parts),
    "member": Change(_member, _check_set),
}


class Graph:
    """A node that fills the state, one that changes it in place, and one that does nothing."""

    def __init__(self, chance: random.Random, change: Change) -> None:
        self.chance, self.change = chance, change
        self.size = chance.choice((60, 200, 400))
        self.length = chance.choice((100, 900, 900))
        self.milliseconds = chance.choice((25, 50, 100))
        self.pause = chance.choice((0.0001, 0.0003, 0.001))
        self.ending = chance.choice(("fail", "fail", "return", "give back"))
        self.in_thread = chance.random() < 0.3

    def compile(self, saver: Any) -> Any:
        builder = StateGraph(State)
        builder.add_node("fill", self.fill).add_node("change", self.change_for_a_while)
        builder.add_node("rest", lambda state: {})
        builder.add_edge(START, "fill").add_edge("fill", "change").add_edge("change", "rest")
        return builder.compile(checkpointer=saver)

    def fill(self, state: State) -> State:
        turn = state["turn"]
        filler = "fill " * (self.length // 5)
        # Numbers in order again, whatever the turn before has taken away.
        return {
            "messages": [AIMessage(filler, id=f"f{turn} {n}") for n in range(self.size)],
            "log": [Point(n, f"f{turn}") for n in range(self.size)],
            "data": {
                "grown": {f"k{n}": Point(n, "key") for n in range(5)},
                "set": set(),
                "pad": [Point(n, "pad") for n in range(self.size)],
            },
            "profile": Profile(name="p", parts=[]),
        }

    def change_for_a_while(self, state: State) -> Any:
        if self.in_thread:
            worker = threading.Thread(target=self._change, args=(state,))
            worker.start()
            worker.join()
        else:
            self._change(state)
        if self.ending == "fail":
            raise NodeError
        return {"messages": state["messages"]} if self.ending == "give back" else {"turn": -1}

    def _change(self, state: State) -> None:
        ends = time.monotonic() + self.milliseconds / 1000
        first = len(state["data"]["grown"]) if self.change.make is _key else 0
        for number in range(first, _LIMIT):
            self.change.make(state, number)
            if time.monotonic() > ends:
                break
            time.sleep(self.pause)


def racing(fleet: Fleet, chance: random.Random, name: str, figures: Counter[str]) -> None:
    """Some turns; after each, a new process reads all that is stored."""
    kind = APPEND if chance.random() < 0.5 else chance.choice(tuple(CHANGES))
    made = Graph(chance, CHANGES[kind])
    config: Any = {"configurable": {"thread_id": name}}
    graph = made.compile(fleet.savers[0])
    for turn in range(2):
        durability = chance.choice(("async", "async", "async", "async", "sync", "exit"))
        given = {"turn": turn, "messages": [HumanMessage("fill", id=f"q{turn} 0")]}
        try:
            if chance.random() < 0.4:
                fleet.table.wait(graph.ainvoke(given, config, durability=durability))
            else:
                graph.invoke(given, config, durability=durability)
        except NodeError:
            pass
        figures["turns"] += 1
        try:
            _check_stored(fleet, name, made)
        except Exception as error:
            raise AssertionError(
                f"{kind!r} in place, {durability}, turn {turn}: {type(error).__name__}: {error}"
            ) from error
        figures["reads"] += 1
    report = fleet.fresh().verify(name)
    assert report.ok, report


def _check_stored(fleet: Fleet, name: str, made: Graph) -> None:
    config: Any = {"configurable": {"thread_id": name}}
    fresh = fleet.fresh()
    state = made.compile(fresh).get_state(config)
    made.change.check(state.values, made.size)
    found = {seen.checkpoint_id(one.config): one for one in fresh.list(config, limit=4)}
    for one in found.values():
        values = one.checkpoint["channel_values"]
        if values.keys() >= {"messages", "log", "data", "profile"}:
            made.change.check(values, made.size)
        parent = one.parent_config and found.get(seen.checkpoint_id(one.parent_config))
        if parent:
            _check_same_versions(parent.checkpoint, one.checkpoint)


def _check_same_versions(parent: Any, child: Any) -> None:
    """What the child did not change is what the parent has."""
    for channel in ("messages", "log", "data", "profile"):
        version = parent["channel_versions"].get(channel)
        if version is None or child["channel_versions"][channel] != version:
            continue
        values = (one["channel_values"].get(channel) for one in (parent, child))
        told = seen.difference(*map(seen.exact, values))
        assert not told, f"{channel} with the same version {told}"
