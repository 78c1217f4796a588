"""Many chats of 1 MB, answered by one process at the same moment.

What a turn writes must not grow once the states of all chats together are more than the cache
holds. Every model's answer waits until all have been asked, so all chats are between reading and
putting at once, and each pushes the others out of the cache. Write units are counted by
DynamoDB's rules, on a table in memory.
"""

from __future__ import annotations

import math
import random
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import START, MessagesState, StateGraph

sys.path.append(str(Path(__file__).parent.parent / "tests" / "support"))

from expiry import FakeSaver
from fake_table import TABLE, FakeTable
from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBTableConfig
from sizes import item_bytes

TITLE = "64 chats of 1 MB at once in the default cache"
SHORT = {"chats": 8, "messages": 400}
LONG = {"chats": 64, "messages": 2_000}
ENGINE = False

MOST_UNITS = 9
"""Write units that a turn may take: five calls, the message itself, and chunks that it closes."""

_KB = 1 << 10
_QUESTION, _ANSWER = 200, 800
_ROUNDS = 3


class SharedTable(FakeTable):
    """A table that is asked by several threads."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def answer(self, call: Any) -> Any:
        with self._lock:
            return super().answer(call)


def run(endpoint: str, seed: int, chats: int, messages: int) -> dict[str, int | float]:
    """Let each chat take some turns; figures are what a turn took, in the last round."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnop", k=6)) for _ in range(5_000)]

    def text(size: int) -> str:
        return " ".join(rng.choices(words, k=size // 7))

    def said() -> Iterator[Any]:
        for number in range(messages // 2):
            yield HumanMessage(text(_QUESTION), id=f"h{number}")
            yield AIMessage(text(_ANSWER), id=f"a{number}")

    gate = threading.Barrier(1)

    def reply(_: MessagesState) -> dict[str, Any]:
        gate.wait()
        return {"messages": [AIMessage(text(_ANSWER))]}

    # In the long form this is the default; in the short one it has the same share of the states.
    saver = FakeSaver(
        DynamoDBConfig(
            table_config=DynamoDBTableConfig(table_name=TABLE),
            cache_bytes=(1 << 26) * chats * messages // (64 * 2_000),
        )
    )
    saver.table = SharedTable()
    builder = StateGraph(MessagesState).add_node("reply", reply).add_edge(START, "reply")
    graph = builder.compile(checkpointer=saver)
    for chat in range(chats):
        graph.update_state(_config(chat), {"messages": list(said())})
        graph.invoke({"messages": [HumanMessage(text(_QUESTION))]}, _config(chat))

    units, requests = [], []
    for _ in range(_ROUNDS):
        gate = threading.Barrier(chats)
        saver.table.calls.clear()
        with ThreadPoolExecutor(chats) as pool:
            asked = [{"messages": [HumanMessage(text(_QUESTION))]} for _ in range(chats)]
            list(pool.map(graph.invoke, asked, map(_config, range(chats))))
        units.append(sum(map(write_units, saver.table.calls)) / chats)
        requests.append(len(saver.table.calls) / chats)
    for chat in range(chats):
        found = graph.get_state(_config(chat)).values["messages"]
        assert len(found) == messages + 2 * (_ROUNDS + 1), f"seed {seed}, chat {chat}: {len(found)}"
    assert max(units) <= MOST_UNITS, f"seed {seed}: a turn takes {units} write units"
    return {
        "chats": chats,
        "KB each": messages * (_QUESTION + _ANSWER) // 2 // _KB,
        "write units a turn": max(units),
        "requests a turn": max(requests),
    }


def write_units(call: Any) -> int:
    """What DynamoDB bills for a call: each KB of an item that is begun."""
    if call.method == "put_item":
        written = [call.params["Item"]]
    elif call.method == "batch_write_item":
        asked = call.params["RequestItems"][TABLE]
        written = [one["PutRequest"]["Item"] for one in asked if "PutRequest" in one]
    else:
        assert call.method in {"query", "batch_get_item"}, call.method
        written = []
    return sum(math.ceil(item_bytes(item) / _KB) for item in written)


def _config(chat: int) -> Any:
    return {"configurable": {"thread_id": f"chat {chat}", "checkpoint_ns": ""}}
