"""A chat whose text compresses as far as English does, the same in every run."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import START, MessagesState, StateGraph

from either import Either
from langgraph_checkpoint_dynamodb import DynamoDBSaver
from play import thread

# Words of a few syllables; the n-th comes up 1/n as often as the first, as in English,
# and 800 bytes of them compress about as far as English does (55 %, English 57 %).
_SOUNDS = (
    ("b", "c", "ch", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "sh", "st", "th", "tr", "w"),
    ("a", "e", "i", "o", "u", "ai", "ea", "ee", "ou"),
    ("d", "l", "m", "n", "nd", "ng", "r", "s", "st", "t", "y", "ck"),
)
_DRAW = random.Random(1)
WORDS = [
    "".join(_DRAW.choice(sounds) for _ in range(1 + rank // 500) for sounds in _SOUNDS)
    for rank in range(2000)
]
RANKS = [1 / (rank + 3) for rank in range(len(WORDS))]


def prose(seed: int, size: int) -> str:
    """So many bytes of English-like words, the same for the same seed."""
    words = random.Random(seed).choices(WORDS, RANKS, k=size // 2)
    return " ".join(words)[:size]


def identity(seed: int) -> str:
    """An id as LangGraph gives it, but the same in each run: it decides where lists are cut."""
    return str(UUID(int=random.Random(f"id {seed}").getrandbits(128), version=4))


def chat(saver: DynamoDBSaver) -> Any:
    """One node that answers 200 bytes with 800."""

    def reply(state: MessagesState) -> dict[str, Any]:
        turn = len(state["messages"])
        return {"messages": [AIMessage(prose(-turn, 800), id=identity(-turn))]}

    builder = StateGraph(MessagesState).add_node("reply", reply).add_edge(START, "reply")
    return builder.compile(checkpointer=saver)


async def converse(graph: Either, turns: int, *, first: int = 0) -> None:
    for turn in range(turns):
        question = {"messages": [HumanMessage(prose(turn, 200), id=identity(first + turn))]}
        await graph.invoke(question, thread("chat"), durability="sync")
