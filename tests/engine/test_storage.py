"""`storage`: the report is what a scan of the table finds, to the byte."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from conftest import MakeSaver

from capacity import Costs
from either import Either
from langgraph_checkpoint_dynamodb import (
    CorruptCheckpointError,
    InvalidInputError,
    StorageKind,
    StorageReport,
)
from sizes import item_bytes
from threads import LARGE, chain, config_of, put, put_values

KINDS = {"C": StorageKind.CHECKPOINTS, "W": StorageKind.WRITES, "S": StorageKind.CHUNKS}


def kind_of(sort_key: str) -> StorageKind:
    """By a simpler rule than the package's, for the keys of these tests."""
    letter = "W" if "#W#" in sort_key else sort_key[0]
    return KINDS.get(letter, StorageKind.OTHER)


def check(report: StorageReport, items: dict[str, Any]) -> None:
    """Compare a report with the items of the thread, by their sort keys."""
    expected: defaultdict[StorageKind, list[int]] = defaultdict(list)
    for sort_key, item in items.items():
        expected[kind_of(sort_key)].append(item_bytes(item))
    found = {kind: (one.items, one.bytes, one.write_units) for kind, one in report.kinds.items()}
    assert found == {
        kind: (len(sizes), sum(sizes), sum(-(-size // 1024) for size in sizes))
        for kind, sizes in ((kind, expected[kind]) for kind in StorageKind)
    }
    attributed = sum(channel.bytes for channel in report.channels.values())
    other = report.unreferenced.bytes + report.kinds[StorageKind.OTHER].bytes
    assert attributed + report.headers.bytes + other == sum(map(item_bytes, items.values()))


async def test_it_is_what_a_scan_finds(
    client: Either, stored: Callable[..., dict[str, Any]], dynamodb: Any
) -> None:
    configs = await chain(client, "t", 3)
    await chain(client, "t", 1, ns="child")
    await chain(client, "u", 1)
    wide = random.Random(1).randbytes(1_500_000)  # lists of its chunks are chunks, too
    await put(client, configs[-1], {"wide": wide, **{f"c{n}": "x" * 300 for n in range(99)}})
    table = client.target.config.table_config.table_name
    foreign = {"PK": {"S": "t"}, "SK": {"S": "Z"}, "more": {"S": "ab"}}
    dynamodb.put_item(TableName=table, Item=foreign)

    report = await client.storage("t")
    check(report, stored("t"))
    assert report.thread_id == "t"
    assert set(report.channels) == {
        "step",
        "document",
        "own",
        "wide",
        *(f"c{n}" for n in range(99)),
    }
    assert report.kinds[StorageKind.OTHER].items == 2  # that item, and the thread's entry
    assert report.headers.own.items > 0  # of the body with a hundred channels


async def test_the_units_are_those_of_deleting_it(make_saver: MakeSaver) -> None:
    costs = Costs()
    saver = make_saver(mode="sync", costs=costs)
    await chain(Either(saver, use_async=False), "t", 3)
    units = saver.storage("t").total.write_units
    costs.reset()
    saver.delete_thread("t")
    assert costs.write_units == units + 1  # the thread's entry is in the index, too


async def test_chunks_are_shared_between_checkpoints(client: Either) -> None:
    first = await put_values(client, kept=LARGE, once=LARGE[::-1])
    version = {"kept": "1"}
    checkpoint = (await client.get_tuple(first)).checkpoint
    following = {**checkpoint, "id": f"{checkpoint['id'][:-1]}z", "channel_values": {"kept": LARGE}}
    await client.put(first, {**following, "channel_versions": version}, {"step": 2}, {})
    report = await client.storage(first["configurable"]["thread_id"])
    kept, once = report.channels["kept"], report.channels["once"]
    assert (kept.own.items, once.shared.items, report.unreferenced.items) == (0, 0, 0)
    assert kept.shared.bytes > 30_000
    assert once.own.bytes > 30_000


async def test_what_nothing_refers_to_and_what_fencing_adds(make_saver: MakeSaver) -> None:
    saver = make_saver(mode="sync", fence=True)
    client = Either(saver, use_async=False)
    (config,) = await chain(client, "t", 1)
    report = saver.storage("t")
    assert (report.kinds[StorageKind.OTHER].items, report.unreferenced.items) == (2, 0)
    saver.prune(["t"], strategy="keep_latest")
    await put(client, config, {"step": 1})
    saver.prune(["t"])  # its chunks are younger than an hour
    assert saver.storage("t").unreferenced == saver.storage("t").kinds[StorageKind.CHUNKS]


async def test_a_thread_that_does_not_exist_has_nothing(client: Either) -> None:
    report = await client.storage("none")
    assert (report.total.items, report.total.bytes, report.channels) == (0, 0, {})


async def test_bad_input_and_damage(client: Either, stored: Any, dynamodb: Any) -> None:
    with pytest.raises(InvalidInputError, match="thread_id=''"):
        await client.storage("")
    await put(client, config_of("t"), {"a": 1})
    (item,) = stored("t", "C#").values()
    table = client.target.config.table_config.table_name
    dynamodb.put_item(TableName=table, Item={**item, "B": {"B": item["B"]["B"][:-1]}})
    with pytest.raises(CorruptCheckpointError, match="thread 't'"):
        await client.storage("t")
