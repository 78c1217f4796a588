"""What other DynamoDB savers get wrong: order, names, nothing, reruns, filters, reserved words."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from conftest import MakeSaver
from langgraph.checkpoint.base import WRITES_IDX_MAP
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME, SCHEDULED

from either import Either
from play import thread
from threads import new_checkpoint
from threads import put_values as put

ODD_NAMES = [
    *("1", "10", "11", "1#", "1#0", "#", "##", "#child", "C#1", "S#0#", "W", "#W#", "$", "a$b"),
    *("%", "%23", "%2523", "%=", " ", "1 ", " 1", "'", '"', "\\", "/", "|", ":", "a:b|c:d"),
    *("\x00", "\x01", "\t", "\n", "\r\n", "\x1f", "\x7f", "é", "e\u0301", "ß", "🧵", "\U0010ffff"),
    *("x" * 1000, "x" * 999, "x" * 999 + "y", "#" * 1000, "ü" * 1000),
]
SPECIAL = [ERROR, SCHEDULED, INTERRUPT, RESUME]


async def pending(client: Either, config: Any) -> list[Any]:
    return [value for _, _, value in (await client.get_tuple(config)).pending_writes]


async def test_order_of_12_parallel_writes(client: Either) -> None:
    config = await put(client)
    numbers = list(range(12))
    random.Random(7).shuffle(numbers)
    await asyncio.gather(
        *(
            client.put_writes(config, [("a", n)], f"{n:x}f-task", f"~__pregel_push, {n:010}")
            for n in numbers
        )
    )
    assert await pending(client, config) == list(range(12))


async def test_order_of_12_writes_of_one_task(client: Either) -> None:
    config = await put(client)
    await client.put_writes(config, [("a", n) for n in range(12)], "task")
    assert await pending(client, config) == list(range(12))


async def test_order_of_tasks_whose_index_has_two_digits(client: Either) -> None:
    config = await put(client)
    for task_id in ("task 10", "task 2", "task 1"):
        await client.put_writes(config, [("a", f"{task_id}-{n}") for n in range(11)], task_id)
    expected = [f"{task}-{n}" for task in ("task 1", "task 10", "task 2") for n in range(11)]
    assert await pending(client, config) == expected


async def test_threads_with_odd_names_stay_apart(client: Either) -> None:
    configs = [await put(client, thread(name), a=name) for name in ODD_NAMES]
    for name, config in zip(ODD_NAMES, configs, strict=True):
        await client.put_writes(config, [("a", name)], "task")
    for name in ODD_NAMES:
        (found,) = await client.list(thread(name))
        assert found.checkpoint["channel_values"] == {"a": name}
        assert found.pending_writes == [("task", "a", name)]
    assert len(await client.list(None)) == len(ODD_NAMES)
    for gone, name in enumerate(ODD_NAMES, 1):
        await client.delete_thread(name)
        assert await client.get_tuple(thread(name)) is None
        assert len(await client.list(None)) == len(ODD_NAMES) - gone


async def test_namespaces_with_odd_names_stay_apart(client: Either) -> None:
    for ns in ("", *ODD_NAMES):
        config = await put(client, thread(checkpoint_ns=ns), a=ns)
        await client.put_writes(config, [("a", ns)], "task")
    for ns in ("", *ODD_NAMES):
        newest = await client.get_tuple(thread(checkpoint_ns=ns))
        (listed,) = await client.list(thread(checkpoint_ns=ns))
        for found in (newest, listed):
            assert found.config["configurable"]["checkpoint_ns"] == ns
            assert found.checkpoint["channel_values"] == {"a": ns}
            assert found.pending_writes == [("task", "a", ns)]
    assert len(await client.list(thread())) == 1 + len(ODD_NAMES)


async def test_tasks_and_channels_with_odd_names_stay_apart(client: Either) -> None:
    config = await put(client)
    for name in ODD_NAMES:
        await client.put_writes(config, [(name, name), (ERROR, name)], name, f"path {name}")
    found = await client.get_tuple(config)
    writes = set(found.pending_writes)
    assert writes == {(n, c, n) for n in ODD_NAMES for c in (n, ERROR)}
    assert len(found.pending_writes) == 2 * len(ODD_NAMES)


async def test_channel_names_in_a_checkpoint(client: Either) -> None:
    values = {name: position for position, name in enumerate(ODD_NAMES)}
    config = await put(client, thread(), **values)
    assert (await client.get_tuple(config)).checkpoint["channel_values"] == values


async def test_none_is_a_value(client: Either) -> None:
    config = await put(client, thread(), a=None, b=[None])
    await client.put_writes(config, [("a", None), (RESUME, None), ("b", None)], "task")
    found = await client.get_tuple(config)
    assert found.checkpoint["channel_values"] == {"a": None, "b": [None]}
    assert sorted(found.pending_writes) == [
        ("task", RESUME, None),
        ("task", "a", None),
        ("task", "b", None),
    ]


async def test_a_rerun_keeps_finished_writes_and_overwrites_special_ones(client: Either) -> None:
    config = await put(client)
    first = [("a", "first"), ("b", "first"), *((channel, "first") for channel in SPECIAL)]
    await client.put_writes(config, first, "task", "path")
    again = [("a", "again"), ("b", "again"), *((channel, "again") for channel in SPECIAL)]
    await client.put_writes(config, again, "task", "path")
    found = {
        channel: value for _, channel, value in (await client.get_tuple(config)).pending_writes
    }
    assert found == {"a": "first", "b": "first", **dict.fromkeys(SPECIAL, "again")}
    assert set(SPECIAL) == WRITES_IDX_MAP.keys()


async def test_a_rerun_adds_what_was_not_written_yet(client: Either) -> None:
    config = await put(client)
    await client.put_writes(config, [("a", 0), ("a", 1)], "task")
    await client.put_writes(config, [("a", "kept"), ("a", "kept"), ("a", 2), ("b", 3)], "task")
    assert await pending(client, config) == [0, 1, 2, 3]


async def test_writers_of_one_task_at_once_lose_nothing(client: Either) -> None:
    config = await put(client)
    many = [[("a", f"{writer}-{n}") for n in range(writer + 1)] for writer in range(6)]
    await asyncio.gather(*(client.put_writes(config, writes, "task") for writes in many))
    found = await pending(client, config)
    assert len(found) == 6
    for index, value in enumerate(found):
        assert str(value).endswith(f"-{index}")


async def test_limit_counts_after_the_filter(client: Either) -> None:
    config = None
    for step in range(60):
        config = await put(client, config, step=step % 10)
    found = await client.list(thread(), filter={"step": 3}, limit=4)
    assert [one.metadata["step"] for one in found] == [3, 3, 3, 3]
    everything = await client.list(thread(), filter={"step": 3})
    assert [one.config for one in everything[:4]] == [one.config for one in found]
    assert len(everything) == 6
    assert await client.list(thread(), limit=0) == []


async def test_a_filter_may_ask_for_none_and_for_nested_values(client: Either) -> None:
    for extra in ({"note": None}, {"parents": {"": "1"}}, {}):
        await client.put(thread(), new_checkpoint(), {"step": 1, **extra}, {})
    assert len(await client.list(thread(), filter={"parents": {"": "1"}})) == 1
    assert len(await client.list(thread(), filter={"note": None})) == 3
    assert len(await client.list(thread(), filter={"note": "x"})) == 0


@pytest.mark.parametrize("attribute", ["ttl", "status", "size", "data", "a.b", "with space", "#x"])
async def test_ttl_attribute_may_be_any_word(
    make_saver: MakeSaver, mode: str, scan: Callable[..., Any], attribute: str
) -> None:
    saver = make_saver(mode=mode, enable_ttl=True, ttl_seconds=3600, ttl_attribute=attribute)
    client = Either(saver, use_async=mode != "sync")
    config = await put(client, thread(), a=random.Random(1).randbytes(50_000))
    await client.put_writes(config, [("a", random.Random(2).randbytes(50_000)), (ERROR, 1)], "task")
    items = scan(saver.config.table_config.table_name)
    assert len(items) > 3
    assert all(int(item[attribute]["N"]) > 3600 for item in items)
    assert len(await client.list(thread())) == 1
    await client.get_delta_channel_history(config=config, channels=["a"])
    await client.prune(["thread"])
    await client.delete_thread("thread")
    assert scan(saver.config.table_config.table_name) == []


async def test_metadata_of_the_run_neither_overrides_nor_gets_lost(client: Either) -> None:
    config = {
        "configurable": {"thread_id": "thread", "checkpoint_ns": "", "user": "ada", "__x": 1},
        "metadata": {"step": 99, "source": "spoofed", "tenant": "t1", "nested": {}, "n": 1.5},
    }
    stored = await client.put(config, new_checkpoint(), {"step": 1, "source": "loop"}, {})
    found = await client.get_tuple(stored)
    assert found.metadata == {
        "step": 1,
        "source": "loop",
        "tenant": "t1",
        "user": "ada",
        "n": 1.5,
    }
    assert len(await client.list(thread(), filter={"tenant": "t1", "step": 1})) == 1
    assert await client.list(thread(), filter={"step": 99}) == []


async def test_writes_without_a_checkpoint_are_deleted_too(
    client: Either, scan: Callable[..., Any]
) -> None:
    orphan = thread(checkpoint_id=str(uuid6()))
    await client.put_writes(orphan, [("a", random.Random(1).randbytes(30_000))], "task")
    assert await client.get_tuple(orphan) is None
    assert await client.list(thread()) == []
    await client.delete_thread("thread")
    assert scan(client.target.config.table_config.table_name) == []


async def test_newest_is_found_behind_the_writes_of_later_checkpoints(client: Either) -> None:
    newest = await put(client, thread(), a="newest")
    for _ in range(30):
        late = thread(checkpoint_id=str(uuid6()), checkpoint_ns="")
        await client.put_writes(late, [("a", 1)], "task")
    assert (await client.get_tuple(thread())).config == newest
