"""What the nodes of random graphs do: return updates and commands, ask, fail, change in place.

All follows from the state and the chance that a node draws from it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from langchain_core.messages import RemoveMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import Command, Overwrite, Send, interrupt

import random_values
from random_values import message, restyled, text, value

Update = dict[str, Any]
Action = Callable[[random.Random, Any], Any]


def say(chance: random.Random, state: Any) -> Update:
    known = len(state.get("messages", []))
    count = chance.choice((1, 1, 1, 2, 5))
    stem = f"{state.get('count', 0)} {known} {chance.randrange(10_000)}"
    return {"messages": [message(chance, f"m {stem} {number}") for number in range(count)]}


def edit(chance: random.Random, state: Any) -> Update:
    if not state.get("messages"):
        return say(chance, state)
    old = chance.choice(state["messages"])
    return {"messages": [message(chance, old.id)]}


def restyle(chance: random.Random, state: Any) -> Update:
    """Messages that equal those that are there, and are not the same."""
    if not state.get("messages"):
        return say(chance, state)
    enums = chance.random() < 0.2
    return {"messages": [restyled(chance, one, enums=enums) for one in state["messages"][-8:]]}


def remove(chance: random.Random, state: Any) -> Update:
    if not state.get("messages"):
        return say(chance, state)
    found = chance.sample(state["messages"], min(2, len(state["messages"])))
    return {"messages": [RemoveMessage(id=one.id) for one in found]}


def clear(chance: random.Random, state: Any) -> Update:
    kept = [one.model_copy() for one in state.get("messages", [])[-2:]]
    said = say(chance, state)["messages"]
    return {"messages": [RemoveMessage(id=REMOVE_ALL_MESSAGES), *kept, *said]}


def note(chance: random.Random, state: Any) -> Update:
    return {"note": value(chance)}


def gather(chance: random.Random, state: Any) -> Update:
    return {"data": {chance.choice("abcd"): value(chance)}}


def log(chance: random.Random, state: Any) -> Update:
    return {"log": [random_values.nested(chance), text(chance)]}


def delta(chance: random.Random, state: Any) -> Update:
    return {"delta": [text(chance), len(state.get("delta", []))]}


def reset(chance: random.Random, state: Any) -> Update:
    return {"delta": Overwrite(["begun again"]), "log": Overwrite([text(chance)])}


def ask(chance: random.Random, state: Any) -> Update:
    questions = chance.choice((1, 1, 2, 3))
    stem = text(chance, 12)
    return {"log": [interrupt({"ask": f"{stem} {number}"}) for number in range(questions)]}


def send(chance: random.Random, state: Any) -> Command[Any]:
    packets = [
        Send("worker", {"item": value(chance), "number": number})
        for number in range(chance.choice((1, 3, 8)))
    ]
    return Command(update=log(chance, state), goto=packets)


def jump(chance: random.Random, state: Any) -> Command[Any]:
    return Command(update=say(chance, state), goto="aside")


def give_back(chance: random.Random, state: Any) -> Update:
    """The very list that the node was handed."""
    return {"messages": state["messages"]} if state.get("messages") else {}


def fail(chance: random.Random, state: Any) -> Update:
    if chance.random() < 0.5:
        raise RuntimeError(f"failed with {len(state.get('log', []))} entries")
    return log(chance, state)


ACTIONS: dict[str, Action] = {
    one.__name__: one
    for one in (say, edit, restyle, remove, clear, note, gather, log, delta, reset, ask)
} | {one.__name__: one for one in (send, jump, fail, give_back)}

MERGED = ("say", "say", "gather", "log", "delta", "ask")
"""What several nodes may do in one step."""

ALONE = (*MERGED, "say", "edit", "remove", "clear", "note", "note", "reset", "send", "jump", "fail")


# Changes in place: a node may do anything to what it was handed


def change_in_place(chance: random.Random, state: Any) -> None:
    for _ in range(chance.randint(1, 3)):
        chance.choice((_change_list, _change_message, _change_message, _change_nest))(chance, state)


def _change_list(chance: random.Random, state: Any) -> None:
    name = chance.choice(("messages", "messages", "log", "delta"))
    held = state.get(name)
    if not held:
        return
    if chance.random() < 0.4:
        held.pop(chance.randrange(len(held)))
    elif name == "messages":
        held.append(message(chance, f"in place {len(held)} {state.get('count', 0)}"))
    else:
        held.append(text(chance))


def _change_message(chance: random.Random, state: Any) -> None:
    if not state.get("messages"):
        return
    changed = chance.choice(state["messages"])
    if chance.random() < 0.5:
        changed.content = f"changed in place {text(chance)}"
    else:
        changed.additional_kwargs["in place"] = random_values.nested(chance)


def _change_nest(chance: random.Random, state: Any) -> None:
    data = state.get("data")
    if not data:
        return
    held = data[chance.choice(sorted(data))]
    if isinstance(held, dict):
        held["in place"] = text(chance)
    elif isinstance(held, list):
        held.append("in place")
    else:
        data["in place"] = value(chance)
