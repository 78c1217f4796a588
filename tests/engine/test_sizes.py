"""Past DynamoDB's limits: 400 KB an item, 1 MB a page, 16 MB and 100 keys a read, 25 writes."""

from __future__ import annotations

import random
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.checkpoint.serde.types import ERROR

from either import Either
from langgraph_checkpoint_dynamodb import CorruptCheckpointError
from play import thread
from threads import new_checkpoint
from threads import put_values as put

MB = 1024 * 1024


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that do not compress."""
    return random.Random(seed).randbytes(size)


async def test_a_value_of_20_mb(client: Either) -> None:
    value = noise(20 * MB)
    config = await put(client, thread(), a=value)
    found = await client.get_tuple(thread())
    assert found.checkpoint["channel_values"]["a"] == value
    await client.put_writes(config, [("a", value)], "task")
    assert (await client.get_tuple(config)).pending_writes == [("task", "a", value)]
    await client.delete_thread("thread")
    assert await client.get_tuple(thread()) is None


@pytest.mark.parametrize("size", [1, 1_000, 1_025, 4_096, 399_000, 400 * 1024, 410_000, 2 * MB])
async def test_values_around_the_limits(client: Either, size: int) -> None:
    values = {"bytes": noise(size), "text": noise(size // 2, 1).hex(), "repeated": "ab" * size}
    config = await put(client, thread(), **values)
    await client.put_writes(config, list(values.items()), "task")
    await client.put_writes(config, [(ERROR, values["text"])], "task")
    (found,) = await client.list(thread())
    assert found.checkpoint["channel_values"] == values
    written = {channel: value for _, channel, value in found.pending_writes}
    assert written == {**values, ERROR: values["text"]}


async def test_a_body_of_many_small_values(client: Either) -> None:
    values = {f"channel {n}": noise(900, n) for n in range(1_500)}
    config = await put(client, thread(), **values)
    assert (await client.get_tuple(config)).checkpoint["channel_values"] == values


async def test_more_than_1_mb_of_checkpoints(client: Either) -> None:
    configs = []
    for n in range(60):
        values = {f"channel {c}": noise(900, n * 100 + c) for c in range(40)}
        configs.append(await put(client, thread(), **values))
    found = await client.list(thread())
    assert [one.config for one in found] == configs[::-1]
    assert sum(len(v) for one in found for v in one.checkpoint["channel_values"].values()) > 2 * MB
    assert (await client.get_tuple(thread())).config == configs[-1]


async def test_more_than_1_mb_of_pending_writes(client: Either) -> None:
    config = await put(client, thread(), a="state")
    for n in range(150):
        writes = [(f"c{c}", noise(900, n * 10 + c)) for c in range(10)]
        await client.put_writes(config, writes, f"task {n:03}")
    for found in (
        await client.get_tuple(config),
        await client.get_tuple(thread()),
        *(await client.list(thread(), limit=1)),
    ):
        assert found.checkpoint["channel_values"] == {"a": "state"}
        assert [(task, channel) for task, channel, _ in found.pending_writes] == [
            (f"task {n:03}", f"c{c}") for n in range(150) for c in range(10)
        ]
        assert found.pending_writes[-1][2] == noise(900, 1499)


async def test_more_than_25_items_in_one_call(client: Either, scan: Callable[..., Any]) -> None:
    table_name = client.target.config.table_config.table_name
    value = noise(6 * MB)
    config = await put(client, thread(), a=value)
    await client.put_writes(config, [(f"c{n}", noise(6_000, n)) for n in range(60)], "task")
    stored = len(scan(table_name))
    assert stored > 150
    await client.copy_thread("thread", "copy")
    assert len(scan(table_name)) == 2 * stored
    copied = await client.get_tuple(thread("copy"))
    assert copied.checkpoint["channel_values"] == {"a": value}
    assert len(copied.pending_writes) == 60
    await client.delete_thread("thread")
    assert len(scan(table_name)) == stored
    await client.prune(["copy"], strategy="delete")
    assert scan(table_name) == []


async def test_a_missing_or_altered_chunk_raises(
    client: Either, make_saver: Any, mode: str, dynamodb: Any, scan: Callable[..., Any]
) -> None:
    table_name = client.target.config.table_config.table_name
    older = await put(client, thread(), a="older")
    newest = await put(client, older, a=noise(200_000))
    chunks = [item for item in scan(table_name) if item["SK"]["S"].startswith("S#")]
    assert len(chunks) > 5
    cold = make_saver(mode=mode, table_name=table_name, deploy=False, cache_bytes=0)
    reader = Either(cold, use_async=mode != "sync")
    chunk = chunks[len(chunks) // 2]
    flipped = bytearray(chunk["B"]["B"])
    flipped[-1] ^= 1
    for damage in ("missing", "altered"):
        if damage == "missing":
            key = {name: chunk[name] for name in ("PK", "SK")}
            dynamodb.delete_item(TableName=table_name, Key=key)
        else:
            dynamodb.put_item(TableName=table_name, Item={**chunk, "B": {"B": bytes(flipped)}})
        for read in (reader.get_tuple, reader.list):
            with pytest.raises(CorruptCheckpointError) as caught:
                await read(thread())
            digest = urlsafe_b64decode(chunk["SK"]["S"].rpartition("#")[2] + "==").hex()
            for fact in ("thread", newest["configurable"]["checkpoint_id"], digest):
                assert fact in str(caught.value)
    # The checkpoint before it does not need the chunk.
    assert (await reader.get_tuple(older)).checkpoint["channel_values"] == {"a": "older"}


async def test_a_large_value_in_metadata(client: Either) -> None:
    metadata = {"step": 1, "note": noise(300_000).hex()}
    config = await client.put(thread(), new_checkpoint(a=1), metadata, {"a": "1"})
    found = await client.get_tuple(config)
    assert found.metadata == metadata
    assert len(await client.list(thread(), filter={"note": metadata["note"]})) == 1
