"""Deleting, copying and pruning threads: complete, and harmless to what stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from either import Either
from langgraph_checkpoint_dynamodb import ConflictError, CorruptCheckpointError, maintain
from threads import LARGE, chain, config_of, load_all, put

Scan = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def stored(client: Either, scan: Scan) -> Callable[..., dict[str, Any]]:
    def read(thread_id: str, prefix: str = "") -> dict[str, Any]:
        return {
            item["SK"]["S"]: item
            for item in scan(client.target.config.table_config.table_name)
            if item["PK"]["S"] == thread_id and item["SK"]["S"].startswith(prefix)
        }

    return read


def later(client: Either) -> None:
    """Let the grace time of all chunks pass."""
    now = client.target.clock()
    client.target.clock = lambda: now + maintain.GRACE_SECONDS + 60


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


async def test_prune_by_delete_deletes_the_threads(client: Either, stored: Any) -> None:
    for thread_id in ("1", "2", "3"):
        await chain(client, thread_id, 2)
    await client.prune(["1", "3"], strategy="delete")
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
