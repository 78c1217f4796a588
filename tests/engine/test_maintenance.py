"""Deleting, copying and pruning threads: complete, and harmless to what stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.graph import START, StateGraph
from langgraph.types import Command

from clock import later
from either import Either
from graph_scenarios.interrupts import State, ask
from langgraph_checkpoint_dynamodb import ConflictError, CorruptCheckpointError
from play import Play, thread
from threads import LARGE, chain, config_of, load_all, put

DAY = 24 * 3600.0

Scan = Callable[[str], list[dict[str, Any]]]


async def test_delete_thread_leaves_nothing_and_no_other_thread_is_touched(
    client: Either, stored: Any
) -> None:
    for thread_id in ("1", "10", "1#C"):
        await chain(client, thread_id, 3)
    await chain(client, "1", 30, ns="child:1")
    before = stored("10"), stored("1#C")
    await client.delete_thread("1")
    assert stored("1") == {}
    assert (stored("10"), stored("1#C")) == before


async def test_delete_thread_removes_writes_that_have_no_checkpoint(
    client: Either, stored: Any
) -> None:
    await client.put_writes(config_of("t", checkpoint_id="lost"), [("a", LARGE)], "task")
    assert stored("t")
    await client.delete_thread("t")
    assert stored("t") == {}


FOREIGN_KEYS = ["\x00", " ", "42", "A#1", "C", "C#", "C#x", "C##1#W#", "C$", "H#", "S#", "S#x", "T"]
LAST_KEYS = ["~", "é", "\U0010ffff", "\U0010ffff" * 256]


async def test_delete_thread_empties_the_partition_whatever_stands_in_it(
    client: Either, stored: Any, dynamodb: Any
) -> None:
    await chain(client, "t", 2)
    await chain(client, "u", 1)
    table, others = client.target.config.table_config.table_name, stored("u")
    for key in FOREIGN_KEYS + LAST_KEYS:
        item = {"PK": {"S": "t"}, "SK": {"S": key}, "count": {"N": "1"}}
        dynamodb.put_item(TableName=table, Item=item)
    await client.delete_thread("t")
    assert (stored("t"), stored("u")) == ({}, others)


async def test_a_thread_that_does_not_exist_is_deleted_pruned_and_copied(client: Either) -> None:
    await client.delete_thread("none")
    await client.prune(["none"])
    await client.copy_thread("none", "other")
    assert await load_all(client, "other") == []


async def test_a_deleted_thread_begins_anew(client: Either) -> None:
    configs = await chain(client, "t", 2)
    await client.delete_thread("t")
    assert await client.get_tuple(configs[-1]) is None
    await put(client, configs[-1], {"document": LARGE})
    (found,) = await load_all(client, "t")
    assert found.checkpoint["channel_values"] == {"document": LARGE}


async def test_a_copy_is_the_thread_under_another_name(client: Either, stored: Any) -> None:
    await chain(client, "source", 4)
    await chain(client, "source", 2, ns="child:1")
    await client.copy_thread("source", "target")
    originals, copies = await load_all(client, "source"), await load_all(client, "target")
    assert [tuple(one)[1:3] for one in copies] == [tuple(one)[1:3] for one in originals]
    assert [one.pending_writes for one in copies] == [one.pending_writes for one in originals]
    assert {one.config["configurable"]["thread_id"] for one in copies} == {"target"}
    assert stored("source").keys() == stored("target").keys()


async def test_a_copy_lives_on_without_its_source(client: Either) -> None:
    await chain(client, "source", 3)
    await client.copy_thread("source", "target")
    await client.delete_thread("source")
    assert len(await load_all(client, "target")) == 3


@pytest.mark.parametrize("lost", [1, 5, 9])
async def test_a_copy_that_failed_can_be_repeated(
    client: Either, stored: Any, dynamodb: Any, lost: int
) -> None:
    await chain(client, "source", 4)
    await client.copy_thread("source", "target")
    table = client.target.config.table_config.table_name
    for item in list(stored("target").values())[:lost]:
        dynamodb.delete_item(TableName=table, Key={name: item[name] for name in ("PK", "SK")})
    await client.copy_thread("source", "target")
    assert stored("target").keys() == stored("source").keys()
    assert len(await load_all(client, "target")) == 4


async def test_a_copy_refuses_a_target_that_holds_other_checkpoints(
    client: Either, stored: Any
) -> None:
    await chain(client, "source", 2)
    await chain(client, "target", 1)
    before = stored("target")
    with pytest.raises(ConflictError, match="target_thread_id='target'"):
        await client.copy_thread("source", "target")
    assert stored("target") == before


async def test_a_copy_refuses_a_target_that_has_gone_on(client: Either) -> None:
    configs = await chain(client, "source", 2)
    await client.copy_thread("source", "target")
    resumed = config_of("target", checkpoint_id=configs[-1]["configurable"]["checkpoint_id"])
    await client.put_writes(resumed, [("a", "answer")], "another task")
    with pytest.raises(ConflictError):
        await client.copy_thread("source", "target")


async def test_a_thread_copied_onto_itself_stays(client: Either) -> None:
    await chain(client, "t", 2)
    await client.copy_thread("t", "t")
    assert len(await load_all(client, "t")) == 2


async def test_prune_keeps_the_newest_of_each_namespace_whole(client: Either, stored: Any) -> None:
    root, child = await chain(client, "t", 5), await chain(client, "t", 3, ns="child:1")
    newest = [await client.get_tuple(configs[-1]) for configs in (root, child)]
    later(client)
    await client.prune(["t"], strategy="keep_latest")
    found = await load_all(client, "t")
    assert sorted(one.config["configurable"]["checkpoint_ns"] for one in found) == ["", "child:1"]
    assert [await client.get_tuple(configs[-1]) for configs in (root, child)] == newest
    writes = [key for key in stored("t", "C#") if "#W#" in key]
    assert len(writes) == 2


async def test_prune_leaves_no_chunk_that_nothing_refers_to(
    client: Either, stored: Any, make_saver: Any, mode: str, dynamodb: Any
) -> None:
    configs = await chain(client, "t", 6)
    later(client)
    await client.prune(["t"])
    table_name = client.target.config.table_config.table_name
    cold = make_saver(mode=mode, table_name=table_name, deploy=False, cache_bytes=0)
    reader = Either(cold, use_async=mode != "sync")
    assert await reader.get_tuple(configs[-1])
    left = stored("t", "S#")
    assert left
    for item in left.values():
        dynamodb.delete_item(TableName=table_name, Key={name: item[name] for name in ("PK", "SK")})
        with pytest.raises(CorruptCheckpointError):
            await reader.get_tuple(configs[-1])
        dynamodb.put_item(TableName=table_name, Item=item)


async def test_prune_spares_young_chunks_a_run_may_be_about_to_refer_to(
    client: Either, stored: Any
) -> None:
    await chain(client, "t", 4)
    before = stored("t", "S#").keys()
    await client.prune(["t"])
    assert stored("t", "S#").keys() == before
    later(client)
    await client.prune(["t"])
    assert stored("t", "S#").keys() < before


async def test_a_pruned_thread_goes_on(client: Either) -> None:
    configs = await chain(client, "t", 4)
    later(client)
    await client.prune(["t"])
    await put(client, configs[-1], {"document": LARGE, "own": LARGE[::-1]})
    found = await load_all(client, "t")
    assert [one.checkpoint["channel_values"]["document"] for one in found] == [LARGE, LARGE]


async def put_at(client: Either, parent: Any, made_at: float, values: Any, **more: Any) -> Any:
    """Put a checkpoint with an id, or by `ts` and a foreign id, of some time."""
    checkpoint = empty_checkpoint()
    ticks = int(made_at * 10_000_000) + 0x01B21DD213814000
    high, low = ticks >> 12, ticks & 0xFFF
    checkpoint["id"] = f"{high >> 16:08x}-{high & 0xFFFF:04x}-6{low:03x}-8000-000000000000"
    checkpoint["channel_values"] = values
    checkpoint["channel_versions"] = dict.fromkeys(values, "1")
    return await client.put(parent, {**checkpoint, **more}, {}, dict.fromkeys(values, "1"))


async def steps_left(client: Either, thread_id: str = "t") -> list[int]:
    found = [one.checkpoint["channel_values"]["step"] for one in await load_all(client, thread_id)]
    assert (await client.verify()).ok
    return sorted(found)


async def test_prune_keeps_the_last_of_each_namespace(client: Either) -> None:
    await chain(client, "t", 6)
    await chain(client, "t", 2, ns="child:1")
    later(client)
    await client.prune(["t"], keep_last=3)
    assert await steps_left(client) == [0, 1, 3, 4, 5]
    await client.prune(["t"], keep_last=100)
    assert await steps_left(client) == [0, 1, 3, 4, 5]
    assert [len(one.pending_writes) for one in await load_all(client, "t")] == [1] * 5


@pytest.mark.parametrize("ids", ["uuid", "foreign"])
@pytest.mark.parametrize(
    ("keywords", "left"),
    [
        ({"older_than": timedelta(days=5)}, [4, 5, 6]),
        ({"older_than": timedelta(days=5), "keep_last": 1}, [4, 5, 6]),
        ({"older_than": timedelta(days=5), "keep_last": 5}, [2, 3, 4, 5, 6]),
        ({"older_than": timedelta(0)}, [6]),
        ({"older_than": timedelta(days=1000)}, [0, 1, 2, 3, 4, 5, 6]),
        ({"older_than": timedelta.max}, [0, 1, 2, 3, 4, 5, 6]),
    ],
)
async def test_prune_deletes_only_what_is_older(
    client: Either, ids: str, keywords: Any, left: list[int]
) -> None:
    now = client.target.clock()
    parent = config_of("t")
    for step in range(7):
        made_at = now - (13 - 2 * step) * DAY + 60
        more: Any = {}
        if ids == "foreign":
            time = datetime.fromtimestamp(made_at, timezone.utc).isoformat()
            more = {"id": f"{step}", "ts": time}
        parent = await put_at(client, parent, made_at, {"step": step}, **more)
    await client.prune(["t"], **keywords)
    assert await steps_left(client) == left


async def test_a_checkpoint_of_unknown_age_is_not_older(client: Either) -> None:
    parent = config_of("t")
    for step in range(3):
        more: Any = {"id": f"{step}", "ts": "yesterday"}
        parent = await put_at(client, parent, 0, {"step": step}, **more)
    await client.prune(["t"], older_than=timedelta(0))
    assert await steps_left(client) == [0, 1, 2]
    await client.prune(["t"])
    assert await steps_left(client) == [2]


async def test_a_kept_checkpoint_goes_on_naming_its_parent(client: Either) -> None:
    configs = await chain(client, "t", 3)
    await client.prune(["t"], keep_last=2)
    newest, oldest = await load_all(client, "t")
    assert newest.parent_config == oldest.config
    assert oldest.parent_config == configs[0]
    assert await client.get_tuple(oldest.parent_config) is None


async def test_prune_leaves_the_writes_of_a_put_that_may_be_under_way(
    client: Either, stored: Any
) -> None:
    first = config_of("t", checkpoint_id=str(uuid6()))
    await client.put_writes(first, [("a", 1)], "task")
    await client.prune(["t"])
    assert len(stored("t")) == 1
    later(client)
    assert [one.kind.value for one in (await client.verify("t")).problems] == ["orphan-writes"]
    await client.prune(["t"])
    assert stored("t") == {}


async def test_a_graph_that_waits_goes_on_after_a_prune(client: Either, mode: str) -> None:
    """Also one whose subgraph waits: each namespace keeps its newest checkpoint's writes."""
    inner = StateGraph(State).add_node("ask", ask("inner", times=2)).add_edge(START, "ask")
    builder = (
        StateGraph(State)
        .add_node("before", lambda state: {"log": [LARGE.hex()]})
        .add_node("inner", inner.compile())
        .add_node("done", lambda state: {"log": ["done"]})
        .add_edge(START, "before")
        .add_edge("before", "inner")
        .add_edge("inner", "done")
    )
    graph = Play(lambda: client.target, use_async=mode != "sync").graph(builder)
    await graph.invoke({"log": []}, thread("t"))
    for answer in ("one", "two"):
        later(client)
        await client.prune(["t"])
        assert (await client.verify("t")).ok
        state = await graph.get_state(thread("t"))
        assert [one.value for task in state.tasks for one in task.interrupts]
        result = await graph.invoke(Command(resume=answer), thread("t"))
    assert result["log"][-2:] == ["inner: two", "done"]
    await client.prune(["t"])
    assert (await graph.get_state(thread("t"))).values["log"] == result["log"]


async def test_delete_for_runs_keeps_what_another_run_s_delta_channels_need(
    client: Either,
) -> None:
    counters = {"counters_since_delta_snapshot": {"log": (1, 1)}}
    unneeded = await put(client, config_of("t"), {"log": [0]}, {"run_id": "first"})
    seed = await put(client, unneeded, {"log": [LARGE]}, {"run_id": "first"})
    await client.put_writes(seed, [("log", 1)], "task")
    middle = await put(client, seed, {}, {"run_id": "first", **counters}, log="a2.x")
    await client.put_writes(middle, [("log", 2)], "task")
    head = await put(client, middle, {}, {"run_id": "second", **counters}, log="a2.x")
    before = await client.get_delta_channel_history(config=head, channels=["log"])
    later(client)
    await client.delete_for_runs(["first"])
    found = await client.get_delta_channel_history(config=head, channels=["log"])
    assert found == before
    assert [value for _, _, value in found["log"]["writes"]] == [1, 2]
    assert len(await load_all(client, "t")) == 3
    # Once nothing needs them, they go.
    await put(client, head, {"log": [LARGE, 1, 2]}, {"run_id": "second"})
    await client.delete_for_runs(["second"])
    await client.delete_for_runs(["first"])
    assert await load_all(client, "t") == []
    report = await client.verify("t")
    assert (report.ok, report.chunks - report.young) == (True, 0)


@pytest.mark.parametrize("strategy", ["delete", "delete_all"])
async def test_prune_by_delete_deletes_the_threads(
    client: Either, stored: Any, strategy: str
) -> None:
    for thread_id in ("1", "2", "3"):
        await chain(client, thread_id, 2)
    await client.prune(["1", "3"], strategy=strategy)
    assert (stored("1"), stored("3")) == ({}, {})
    assert len(await load_all(client, "2")) == 2


async def test_delete_for_runs_deletes_what_they_made_in_every_thread(
    client: Either, stored: Any
) -> None:
    for thread_id in ("1", "2"):
        first = await chain(client, thread_id, 2, run_id="first")
        await put(client, first[-1], {"document": LARGE}, {"run_id": "second"})
        await chain(client, thread_id, 2, ns="child:1", run_id="first")
    later(client)
    await client.delete_for_runs(["first", "unknown"])
    for thread_id in ("1", "2"):
        (left,) = await load_all(client, thread_id)
        assert left.metadata["run_id"] == "second"
        assert left.checkpoint["channel_values"] == {"document": LARGE}
        assert not [key for key in stored(thread_id, "C#") if "#W#" in key]


async def test_delete_for_runs_takes_any_number_of_runs(client: Either) -> None:
    for index in range(3):
        await chain(client, "t", 1, run_id=f"run-{index}")
    await client.delete_for_runs([f"run-{index}" for index in range(250) if index != 1])
    (left,) = await load_all(client, "t")
    assert left.metadata["run_id"] == "run-1"
    await client.delete_for_runs([])
    assert len(await load_all(client, "t")) == 1
