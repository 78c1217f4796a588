"""Threads that several callers use at once: readers beside runs, two runs, deletion.

What is read then depends on the moment, so it is not compared with another saver: it has to be
a state that the thread has had, and no call may fail. Message number n of a thread has the id n
and a text that follows from n.
"""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import random_values
from fleet import Fleet

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "support"))
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from either import Either

LENGTHS = ((60, 900), (300, 300), (300, 900), (600, 300))
"""How many messages a thread begins with, and their length."""


class State(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]


def numbered(number: int, length: int) -> BaseMessage:
    chance = random.Random(f"{number} {length}")
    kind = HumanMessage if number % 2 == 0 else AIMessage
    return kind(random_values.text(chance, length), id=str(number))


def check_messages(values: Any, length: int) -> int:
    """That messages are the first of the thread, each as it was written; how many there are."""
    found = values.get("messages", [])
    ids = [one.id for one in found]
    assert ids == [str(number) for number in range(len(found))], f"messages {ids[:5]}…{ids[-5:]}"
    for number in {0, len(found) // 2, len(found) - 1} if found else ():
        assert found[number] == numbered(number, length), f"message {number}: {found[number]}"
    return len(found)


@dataclass
class Chat:
    """A thread with a graph that appends two messages a turn."""

    fleet: Fleet
    chance: random.Random
    name: str
    figures: Counter[str]

    def __post_init__(self) -> None:
        self.count, self.length = self.chance.choice(LENGTHS)
        self.stop = threading.Event()
        self.graphs = [self.graph(saver) for saver in self.fleet.savers]
        self.config: Any = {"configurable": {"thread_id": self.name}}

    def graph(self, saver: Any) -> Any:
        def reply(state: State) -> State:
            return {"messages": [numbered(len(state["messages"]), self.length)]}

        builder = StateGraph(State).add_node("reply", reply).add_edge(START, "reply")
        return builder.compile(checkpointer=saver)

    def fill(self) -> None:
        """Begin with many messages, in two updates."""
        for begin, end in ((0, self.count // 2), (self.count // 2, self.count)):
            made = [numbered(number, self.length) for number in range(begin, end)]
            self.graphs[0].update_state(self.config, {"messages": made}, as_node="reply")

    def question(self) -> Any:
        self.count += 2
        return {"messages": [numbered(self.count - 2, self.length)]}

    async def poll(self, graph: Any, *, use_async: bool) -> int:
        """Read until told to stop: no read fails, and no state is older than the one before."""
        reads = seen = 0
        reader = Either(graph, use_async=use_async)
        while not self.stop.is_set():
            state = await reader.get_state(self.config)
            newest = check_messages(state.values, self.length)
            assert newest >= seen, f"{newest} messages after {seen}"
            seen = newest
            if reads % 4 == 3:
                for one in await reader.get_state_history(self.config, limit=3):
                    check_messages(one.values, self.length)
            reads += 1
            await asyncio.sleep(0)
        return reads


def readers(fleet: Fleet, chance: random.Random, name: str, figures: Counter[str]) -> None:
    """Readers beside a run, with the same saver and with others, sync or async."""
    chat = Chat(fleet, chance, name, figures)
    chat.fill()
    turns = chance.randint(3, 5)
    evicts = chance.random() < 0.4
    polled = [chance.choice(chat.graphs[:1] * 2 + chat.graphs) for _ in range(chance.randint(1, 3))]
    if chance.random() < 0.6:
        reads = fleet.table.wait(_read_async(chat, polled, turns, evicts=evicts))
    else:
        reads = _read_in_threads(chat, polled, turns, evicts=evicts)
    figures["reads"] += reads
    figures["turns"] += turns
    check_thread(chat)


async def _read_async(chat: Chat, polled: list[Any], turns: int, *, evicts: bool) -> int:
    async def take_turns() -> None:
        try:
            for _ in range(turns):
                await chat.graphs[0].ainvoke(chat.question(), chat.config)
                if evicts:
                    await asyncio.to_thread(chat.fleet.evict, chat.fleet.savers[0])
        finally:
            chat.stop.set()

    polls = [asyncio.ensure_future(chat.poll(one, use_async=True)) for one in polled]
    found = await asyncio.gather(take_turns(), *polls, return_exceptions=True)
    return sum(_without_errors(found)[1:])


def _read_in_threads(chat: Chat, polled: list[Any], turns: int, *, evicts: bool) -> int:
    with ThreadPoolExecutor(len(polled)) as pool:
        polls = [pool.submit(asyncio.run, chat.poll(one, use_async=False)) for one in polled]
        try:
            for _ in range(turns):
                chat.graphs[0].invoke(chat.question(), chat.config)
                if evicts:
                    chat.fleet.evict(chat.fleet.savers[0])
        finally:
            chat.stop.set()
        return sum(poll.result() for poll in polls)


def _without_errors(found: list[Any]) -> list[Any]:
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found


def check_thread(chat: Chat) -> None:
    """A new process reads all of it, and the table verifies."""
    fresh = chat.fleet.fresh()
    state = chat.graph(fresh).get_state(chat.config)
    assert check_messages(state.values, chat.length) == chat.count
    report = fresh.verify(chat.name)
    assert report.ok, report


def runs(fleet: Fleet, chance: random.Random, name: str, figures: Counter[str]) -> None:
    """Two runs of one thread at once, or a run beside a prune of what is old."""
    chat = Chat(fleet, chance, name, figures)
    chat.fill()
    prunes = chance.random() < 0.5

    async def run() -> None:
        second = _prune_often(chat) if prunes else _ask_often(chat, "b")
        found = await asyncio.gather(_ask_often(chat, "a"), second, return_exceptions=True)
        _without_errors(list(found))

    fleet.table.wait(run())
    fresh = fleet.fresh()
    messages = chat.graph(fresh).get_state(chat.config).values["messages"]
    check_messages({"messages": messages[: chat.count]}, chat.length)
    report = fresh.verify(name)
    assert report.ok, report


async def _ask_often(chat: Chat, who: str) -> None:
    """Each run appends to the state that it has found."""
    builder = StateGraph(State).add_node("reply", lambda state: {"messages": [("ai", "yes")]})
    graph = builder.add_edge(START, "reply").compile(checkpointer=chat.fleet.savers[0])
    for number in range(6):
        asked = HumanMessage("question " * 10, id=f"{who} {number}")
        found = await graph.ainvoke({"messages": [asked]}, chat.config)
        ids = [one.id for one in found["messages"]]
        assert asked.id in ids, f"{asked.id} is not in {ids[-5:]}"
        assert len(ids) == len(set(ids))
        chat.figures["turns"] += 1
    chat.stop.set()


async def _prune_often(chat: Chat) -> None:
    while not chat.stop.is_set():
        await chat.fleet.savers[-1].aprune([chat.name], older_than=timedelta(minutes=1))
        chat.figures["prunes"] += 1
        await asyncio.sleep(0.01)


def deletions(fleet: Fleet, chance: random.Random, name: str, figures: Counter[str]) -> None:
    """Readers beside a deletion: they get the newest state or none, an old one whole or not."""
    for number in range(2):
        chat = Chat(fleet, chance, f"{name} {number}", figures)
        chat.fill()
        chat.graphs[0].invoke(chat.question(), chat.config)
        old = list(chat.graphs[0].get_state_history(chat.config))[1].config
        readers_of = [chat.graph(fleet.fresh()), chat.graphs[-1]]
        prunes = chance.random() < 0.5
        with ThreadPoolExecutor(2) as pool:
            polls = [
                pool.submit(_poll_deleted, chat, graph, old, prunes=prunes) for graph in readers_of
            ]
            time.sleep(chance.random() * 0.02)
            try:
                if prunes:
                    fleet.savers[0].prune([chat.name], keep_last=1)
                else:
                    fleet.savers[0].delete_thread(chat.name)
                time.sleep(0.01)
            finally:
                chat.stop.set()
            figures["reads"] += sum(poll.result() for poll in polls)
        figures["deletions"] += 1
        left = readers_of[0].get_state(chat.config).values
        assert check_messages(left, chat.length) == (chat.count if prunes else 0)


def _poll_deleted(chat: Chat, graph: Any, old: Any, *, prunes: bool) -> int:
    reads = 0
    while not chat.stop.is_set():
        for config in (chat.config, old):
            found = check_messages(graph.get_state(config).values, chat.length)
            allowed = {chat.count} if config is chat.config else {chat.count - 1}
            if not prunes or config is old:
                allowed.add(0)
            assert found in allowed, f"{found} messages, not one of {allowed}"
            reads += 1
    return reads
