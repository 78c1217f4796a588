"""What a conversation costs, exactly, in requests, capacity units and bytes."""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

import pytest
import zstandard
from conftest import MakeSaver
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import END, START, MessagesState, StateGraph

from capacity import Costs
from chat import chat, converse, prose
from either import Either
from langgraph_checkpoint_dynamodb import DynamoDBSaver
from play import thread
from sizes import item_bytes
from threads import config_of, put

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import scripts
from scripts import Script

TURNS = 100

Scan = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def costs() -> Costs:
    return Costs()


async def play(saver: Callable[[], DynamoDBSaver], mode: str, script: Script) -> None:
    """The turns of a workload of the benchmark, each with the saver that is given for it."""
    for turn in script.turns:
        graph = Either(script.graph.compile(checkpointer=saver()), use_async=mode != "sync")
        for given in turn.inputs:
            await graph.invoke(given, {**thread("chat"), **script.limits}, durability="sync")


async def test_chat_of_100_turns(
    make_saver: MakeSaver, mode: str, costs: Costs, scan: Scan
) -> None:
    saver = make_saver(mode=mode, costs=costs)
    table_name = saver.config.table_config.table_name
    script = scripts.chat(TURNS)
    costs.reset()

    await play(lambda: saver, mode, script)

    # Just above what it takes; ids differ from run to run, and with them what compresses.
    assert costs.requests <= 705, costs
    assert costs.write_units <= 615, costs
    assert costs.read_units <= 100, costs
    assert costs.calls["PutItem"] == 5 * TURNS + 1, costs  # one lists the thread
    assert costs.calls["UpdateItem"] == 0, costs
    assert sum(map(item_bytes, scan(table_name))) <= 345_000

    # A finished thread: its newest checkpoint has no pending writes.
    costs.reset()
    graph = Either(script.graph.compile(checkpointer=saver), use_async=mode != "sync")
    state = await graph.get_state(thread("chat"))
    assert len(state.values["messages"]) == 2 * TURNS
    assert (costs.requests, costs.read_units) == (1, 1), costs

    cold = make_saver(mode=mode, costs=costs, table_name=table_name, deploy=False)
    costs.reset()
    again = await Either(chat(cold), use_async=mode != "sync").get_state(thread("chat"))
    assert again.values["messages"] == state.values["messages"]
    assert costs.requests <= 2, costs

    cold = make_saver(mode=mode, costs=costs, table_name=table_name, deploy=False)
    costs.reset()
    history = await Either(chat(cold), use_async=mode != "sync").get_state_history(thread("chat"))
    assert len(history) == 3 * TURNS
    assert costs.requests <= 5, costs


async def test_a_chat_of_100_turns_in_three_hours_pays_8_write_units_to_be_listed(
    make_saver: MakeSaver, costs: Costs
) -> None:
    """2 for the entry and its place in the index, then 3 an hour, because its place changes."""
    mode = "async"
    saver = make_saver(mode=mode, costs=costs)
    start, turns = time.time(), itertools.count()

    def in_turn() -> DynamoDBSaver:
        now = start + next(turns) * 3 * 3600 / TURNS
        saver.clock = lambda: now
        return saver

    costs.reset()
    await play(in_turn, mode, scripts.chat(TURNS))
    assert (costs.calls["UpdateItem"], costs.units["UpdateItem"]) == (2, 6), costs
    assert costs.calls["PutItem"] == 5 * TURNS + 1, costs
    assert costs.write_units <= 615 + 8, costs
    assert costs.units["UpdateItem"] <= 0.02 * (costs.write_units - 8)
    assert costs.requests <= 705 + 3, costs
    client = Either(saver, use_async=mode != "sync")
    assert [one.thread_id for one in (await client.list_threads()).threads] == ["chat"]


async def test_chat_of_100_turns_each_in_a_new_process(
    make_saver: MakeSaver, costs: Costs, scan: Scan
) -> None:
    """What a process has cached saves reading, and changes nothing of what is stored."""
    first = make_saver(mode="sync", costs=costs)
    table_name = first.config.table_config.table_name
    costs.reset()

    def new() -> DynamoDBSaver:
        return make_saver(mode="sync", costs=costs, table_name=table_name, deploy=False)

    await play(new, "sync", scripts.chat(TURNS))
    assert costs.requests <= 810, costs
    assert costs.write_units <= 625, costs
    assert sum(map(item_bytes, scan(table_name))) <= 345_000


async def test_agent_of_15_turns(make_saver: MakeSaver, mode: str, costs: Costs) -> None:
    saver = make_saver(mode=mode, costs=costs)
    costs.reset()
    await play(lambda: saver, mode, scripts.agent(15, 4096))
    assert costs.write_units <= 245, costs
    assert costs.requests <= 190, costs


CHUNKS_OF = {
    "a few short values": {"note": "short", "step": 1},
    "a chat": {"messages": [f"{turn}: {prose(turn, 800)}" for turn in range(200)]},
    "a large value": {"document": random.Random(2).randbytes(3_000_000)},
}


@pytest.mark.parametrize("values", CHUNKS_OF.values(), ids=CHUNKS_OF)
async def test_a_put_on_an_unknown_parent_reads_it_and_writes_no_chunk_again(
    make_saver: MakeSaver, mode: str, costs: Costs, scan: Scan, values: dict[str, Any]
) -> None:
    saver = make_saver(mode=mode)
    on_table = {"table_name": saver.config.table_config.table_name, "deploy": False}
    parent = await put(Either(saver, use_async=mode != "sync"), config_of("t"), values)
    stored = scan(on_table["table_name"])
    took: dict[str, Counter[str]] = {}
    for name in ("known", "unknown"):
        child = make_saver(mode=mode, costs=costs, **on_table)
        child.clock = lambda: time.time() + 100
        client = Either(child, use_async=mode != "sync")
        if name == "known":
            await client.get_tuple(parent)
        costs.reset()
        await put(client, parent, {**values, "new": 1})
        took[name] = Counter(costs.calls)
    assert took["unknown"] - took["known"] <= Counter(Query=1, BatchGetItem=1), took
    assert took["known"] == Counter(PutItem=1), took
    # As it was, not even written once more: a chunk tells when that was.
    after = {item["SK"]["S"]: item for item in scan(on_table["table_name"])}
    assert [after.pop(item["SK"]["S"]) for item in stored] == stored
    assert len(after) == 2


async def test_a_turn_costs_the_same_at_the_end_as_at_the_beginning(
    make_saver: MakeSaver, costs: Costs
) -> None:
    graph = Either(chat(make_saver(mode="sync", costs=costs)), use_async=False)
    await converse(graph, 20)
    costs.reset()
    await converse(graph, 20, first=20)
    early = costs.write_units
    await converse(graph, 160, first=40)
    costs.reset()
    await converse(graph, 20, first=200)
    # A saver that rewrites the whole list would pay eight times as much.
    assert costs.write_units <= 1.25 * early, (early, costs)


async def test_equal_bytes_are_stored_once_in_a_thread(
    make_saver: MakeSaver, mode: str, costs: Costs, scan: Scan
) -> None:
    """A tool result of 200 KB is first a pending write and then part of the state."""
    document = random.Random(0).randbytes(200_000)
    saver = make_saver(mode=mode, costs=costs)
    builder = StateGraph(MessagesState)
    builder.add_node("tool", lambda state: {"messages": [AIMessage(document.hex())]})
    builder.add_edge(START, "tool")
    graph = Either(builder.compile(checkpointer=saver), use_async=mode != "sync")
    await graph.invoke({"messages": []}, thread(), durability="sync")
    stored = sum(map(item_bytes, scan(saver.config.table_config.table_name)))
    assert 200_000 < stored < 1.2 * 200_000


async def test_a_sliding_window_costs_the_same_at_any_age(
    make_saver: MakeSaver, mode: str, costs: Costs
) -> None:
    saver = make_saver(mode=mode, costs=costs)
    costs.reset()
    script = scripts.window(TURNS)
    spent = []
    for first in range(0, TURNS, 20):
        before = costs.write_units
        turns = script.turns[first : first + 20]
        await play(lambda: saver, mode, replace(script, turns=turns))
        spent.append(costs.write_units - before)
    assert costs.write_units <= 615, costs
    assert max(spent[1:]) <= 1.1 * min(spent[1:]), spent


class Held(TypedDict):
    document: str
    steps: int


@pytest.mark.parametrize("origin", ["input", "task"])
async def test_a_document_is_stored_once_and_pays_for_little_more_than_its_compressed_size(
    make_saver: MakeSaver, mode: str, costs: Costs, origin: str
) -> None:
    document = prose(1, 300_000)
    steps = 20
    builder = StateGraph(Held)
    came = {"document": document} if origin == "task" else {}
    builder.add_node("read", lambda _: {"steps": 0, **came})
    builder.add_node("work", lambda state: {"steps": state["steps"] + 1})
    builder.add_edge(START, "read").add_edge("read", "work")
    builder.add_conditional_edges("work", lambda state: "work" if state["steps"] < steps else END)
    saver = make_saver(mode=mode, costs=costs)
    graph = Either(builder.compile(checkpointer=saver), use_async=mode != "sync")
    costs.reset()
    given = {"steps": 0, **({} if came else {"document": document})}
    # Saved in the background: a task's write and the checkpoint are under way together.
    await graph.invoke(given, {**thread(), "recursion_limit": 50})
    durable_calls = 2 * (steps + 2) + (origin == "input")
    entry = 2
    compressed = len(zstandard.ZstdCompressor(level=3).compress(document.encode())) / 1024
    assert costs.write_units - durable_calls - entry <= 1.3 * compressed, (compressed, costs)


async def test_an_edit_in_the_middle_of_a_long_list(
    make_saver: MakeSaver, mode: str, costs: Costs
) -> None:
    builder = StateGraph(MessagesState).add_node("edit", lambda _: {}).add_edge(START, "edit")
    saver = make_saver(mode=mode, costs=costs)
    graph = Either(builder.compile(checkpointer=saver), use_async=mode != "sync")
    messages = [AIMessage(prose(number, 500), id=f"{number}") for number in range(200)]
    await graph.invoke({"messages": messages}, thread(), durability="sync")
    costs.reset()
    for turn in range(20):
        edited = AIMessage(prose(1_000 + turn, 500), id=f"{90 + turn}")
        await graph.invoke({"messages": [edited]}, thread(), durability="sync")
    assert costs.write_units <= 20 * 8, costs


async def test_listing_10_of_many_reads_about_10(
    make_saver: MakeSaver, mode: str, costs: Costs
) -> None:
    saver = make_saver(mode=mode, costs=costs)
    graph = Either(chat(saver), use_async=mode != "sync")
    await converse(graph, 40)
    costs.reset()
    found = await Either(saver, use_async=mode != "sync").list(thread("chat"), limit=10)
    assert len(found) == 10
    whole_thread_units = costs.read_units * 4
    costs.reset()
    await Either(saver, use_async=mode != "sync").list(thread("chat"))
    assert costs.read_units >= whole_thread_units, costs


def test_a_listing_is_read_as_it_is_consumed(make_saver: MakeSaver, costs: Costs) -> None:
    saver = make_saver(mode="sync", costs=costs)
    graph = chat(saver)
    for turn in range(200):
        graph.update_state(thread("chat"), {"messages": [HumanMessage(f"turn {turn}")]}, "reply")
    costs.reset()
    whole = sum(1 for _ in saver.list(thread("chat")))
    all_units = costs.read_units
    assert whole == 200
    costs.reset()
    listing = saver.list(thread("chat"))
    assert costs.requests == 0
    for _ in range(10):
        next(listing)
    assert costs.read_units <= all_units / 4, (all_units, costs)
