"""What is timed, in the process of one saver.

A scenario is a generator: it prepares itself, and then does one step for each request that
it is sent, and yields the step's figures. So the driver, `timing_rounds.py`, can let all savers
take their steps in turn, and a slow moment of the machine falls on all of them.
"""

import asyncio
import itertools
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, MessagesState, StateGraph

from profile_turn import profile
from savers import Saver
from scripts import ANSWER, QUESTION, Author
from timing_loop import gaps
from timing_own import cpu_of_chat, memory_of_threads

Request = dict[str, Any]
Figures = dict[str, Any]
Steps = Generator[Figures, Request, None]

TEXTS = 500


@dataclass(frozen=True)
class Place:
    """Where a scenario works."""

    saver: Saver
    table: str
    directory: Path
    """Temporary; for a table that is a file."""

    def open(self) -> BaseCheckpointSaver[Any]:
        return self.saver.open(self.table)


class Chat:
    """The chat of `scripts.py` without an end, in any number of threads, sync and async."""

    def __init__(self, saver: BaseCheckpointSaver[Any]) -> None:
        author = Author()
        self._questions = itertools.cycle([author.say(QUESTION) for _ in range(TEXTS)])
        self._answers = itertools.cycle([author.say(ANSWER) for _ in range(TEXTS)])
        graph = StateGraph(MessagesState)
        graph.add_node("answer", RunnableLambda(self._answer, afunc=self._answer_async))
        graph.add_edge(START, "answer")
        graph.add_edge("answer", END)
        self._graph = graph.compile(checkpointer=saver)

    def turn(self, thread: str, durability: Any = "sync") -> int:
        """One turn; how many messages the thread has then."""
        place: Any = {"configurable": {"thread_id": thread}}
        return len(self._graph.invoke(self._input(), place, durability=durability)["messages"])

    async def turn_async(self, thread: str) -> int:
        place: Any = {"configurable": {"thread_id": thread}}
        state = await self._graph.ainvoke(self._input(), place, durability="sync")
        return len(state["messages"])

    def _input(self) -> Any:
        return {"messages": [HumanMessage(next(self._questions))]}

    def _answer(self, _: Any) -> Any:
        return {"messages": [AIMessage(next(self._answers))]}

    async def _answer_async(self, _: Any) -> Any:
        return self._answer(None)


def remembers(messages: int, turns: int) -> None:
    if messages != 2 * turns:
        raise AssertionError(f"remembers {messages} of {2 * turns} messages")


def latency(place: Place) -> Steps:
    """`{"turns": n}` takes n turns in a thread, and tells how long one took."""
    chat = Chat(place.open())
    taken: dict[str, int] = {}
    figures: Figures = {}
    while True:
        request = yield figures
        thread, turns = request["thread"], request["turns"]
        started, cpu = time.perf_counter(), time.process_time()
        for _ in range(turns):
            messages = chat.turn(thread, request.get("durability", "sync"))
        figures = {
            "ms": (time.perf_counter() - started) * 1000 / turns,
            "cpu_ms": (time.process_time() - cpu) * 1000 / turns,
        }
        taken[thread] = taken.get(thread, 0) + turns
        remembers(messages, taken[thread])


def throughput(place: Place) -> Steps:
    """Chats at once in threads of their own: on an event loop, or in a thread each."""
    saver = place.open()
    chat = Chat(saver)
    figures: Figures = {}
    rounds = itertools.count()
    loop = asyncio.new_event_loop()
    try:
        while True:
            request = yield figures
            chats, turns, tag = request["chats"], request["turns"], next(rounds)
            threads = [f"{tag}-{number}" for number in range(chats)]
            started, cpu = time.perf_counter(), time.process_time()
            if request["mode"] == "async":
                loop.run_until_complete(_chats_async(chat, threads, turns))
            else:
                _chats_in_pool(chat, threads, turns)
            seconds = time.perf_counter() - started
            figures = {
                "turns_per_second": chats * turns / seconds,
                "cpu_ms": (time.process_time() - cpu) * 1000 / (chats * turns),
            }
    finally:
        if hasattr(saver, "aclose"):
            loop.run_until_complete(saver.aclose())
        loop.close()


async def _chats_async(chat: Chat, threads: list[str], turns: int) -> None:
    async def one(thread: str) -> None:
        for _ in range(turns):
            messages = await chat.turn_async(thread)
        remembers(messages, turns)

    await asyncio.gather(*map(one, threads))


def _chats_in_pool(chat: Chat, threads: list[str], turns: int) -> None:
    def one(thread: str) -> None:
        for _ in range(turns):
            messages = chat.turn(thread)
        remembers(messages, turns)

    with ThreadPoolExecutor(len(threads)) as pool:
        for _ in pool.map(one, threads):
            pass


def loop(place: Place) -> Steps:
    """The longest time that the event loop stood still while large states were saved and loaded."""
    figures: Figures = {}
    while True:
        request = yield figures
        figures = asyncio.run(gaps(place.open, request["size"], request["collects"]))


def cpu(place: Place) -> Steps:
    """CPU time of the saver's own methods in a chat."""
    figures: Figures = {}
    for number in itertools.count():
        request = yield figures
        if "profile" in request:
            figures = profile(Chat, request["profile"], request["first"])
            continue
        figures = cpu_of_chat(place, request["source"], request["turns"], number, Chat)


def memory(place: Place) -> Steps:
    """Resident memory of a process whose saver has served many threads."""
    figures: Figures = {}
    while True:
        request = yield figures
        figures = memory_of_threads(place, request["threads"], request["turns"], Chat)
