"""Tables and items that are not this package's: a clear error, before anything is changed."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from conftest import MakeSaver

from capacity import Costs
from either import Either
from langgraph_checkpoint_dynamodb import (
    DynamoDBSaver,
    TableMismatchError,
    UnsupportedFormatError,
)
from threads import config_of, new_checkpoint, put

OF_0_1_3 = ("#checkpoint#1ef", "#write#1ef#task#0")


@pytest.fixture
def plant(saver: DynamoDBSaver, dynamodb: Any) -> Any:
    def plant(thread_id: str, *sort_keys: str) -> None:
        for key in sort_keys:
            item = {"PK": {"S": thread_id}, "SK": {"S": key}, "type": {"S": "msgpack"}}
            dynamodb.put_item(TableName=saver.config.table_config.table_name, Item=item)

    return plant


async def test_a_thread_of_0_1_3_is_neither_read_nor_continued(client: Either, plant: Any) -> None:
    plant("old", *OF_0_1_3)
    await put(client, config_of("new"), {"a": 1})
    for call in (client.get_tuple, client.list):
        with pytest.raises(UnsupportedFormatError, match=r"thread 'old'.*0\.1\.3.*table_name"):
            await call(config_of("old"))
        assert await call(config_of("new"))
    with pytest.raises(UnsupportedFormatError, match=r"thread 'old'.*0\.1\.3.*table_name"):
        await client.copy_thread("old", "copy")
    await client.copy_thread("new", "copy")
    assert await client.get_tuple(config_of("copy"))


async def test_the_plan_names_items_of_0_1_3(client: Either, plant: Any) -> None:
    await put(client, config_of("new"), {"a": 1})
    assert "0.1.3" not in str(await client.plan())
    plant("old", *OF_0_1_3)
    (drift,) = [drift for drift in (await client.plan()).drift if drift.setting == "items"]
    assert "langgraph-checkpoint-amazon-dynamodb 0.1.3" in drift.found


async def test_other_items_of_a_partition_are_not_in_the_way(client: Either, plant: Any) -> None:
    plant("t", "#meta", "A", "profile", "~")
    assert await client.get_tuple(config_of("t")) is None
    config = await put(client, config_of("t"), {"a": 1})
    assert (await client.get_tuple(config_of("t"))).config == config
    assert len(await client.list(config_of("t"))) == 1


async def test_it_is_found_in_the_request_that_reads_the_newest(
    make_saver: MakeSaver, mode: str
) -> None:
    costs = Costs()
    client = Either(make_saver(mode=mode, costs=costs), use_async=mode != "sync")
    await client.get_tuple(config_of("warm"))
    costs.reset()
    assert await client.get_tuple(config_of("new")) is None
    assert costs.requests == 1
    await put(client, config_of("new"), {"a": 1})
    costs.reset()
    assert await client.get_tuple(config_of("new"))
    assert costs.requests == 1


STRINGS = {"PK": "S", "SK": "S"}
TABLES: dict[str, tuple[list[str], dict[str, str]]] = {
    "no sort key": (["PK"], {"PK": "S"}),
    "another partition key": (["id", "SK"], {"id": "S", "SK": "S"}),
    "another key": (["thread_id"], {"thread_id": "S"}),
    "keys in the other order": (["SK", "PK"], STRINGS),
    "a binary partition key": (["PK", "SK"], {**STRINGS, "PK": "B"}),
    "a number as sort key": (["PK", "SK"], {**STRINGS, "SK": "N"}),
}
OF_TYPE = {"S": {"S": "x"}, "B": {"B": b"x"}, "N": {"N": "1"}}


async def calls_of_other_table(client: Either, kind: str) -> list[Any]:
    """All calls that read the table, and those writes that DynamoDB refuses at once."""
    thread = config_of("t", checkpoint_ns="")
    calls = [
        client.get_tuple(config_of("t")),
        client.list(config_of("t")),
        client.list(None),
        client.verify(),
        client.copy_thread("t", "copy"),
        client.delete_thread("t"),
        client.delete_for_runs(["run"]),
        client.prune(["t"]),
        client.storage("t"),
        client.warm(),
    ]
    if kind not in {"no sort key", "keys in the other order"}:  # they take an item
        calls.append(client.put(thread, new_checkpoint(a=1), {}, {"a": "1"}))
    return calls


@pytest.mark.parametrize("holds_an_item", [False, True])
@pytest.mark.parametrize("kind", TABLES)
async def test_a_table_with_other_keys_is_named_by_every_call(
    make_saver: MakeSaver, dynamodb: Any, mode: str, kind: str, holds_an_item: bool
) -> None:
    name = f"test-{uuid.uuid4().hex}"
    keys, types = TABLES[kind]
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": key, "KeyType": role}
            for key, role in zip(keys, ("HASH", "RANGE"), strict=False)
        ],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": types[key]} for key in keys],
    )
    if holds_an_item:
        own = {key: OF_TYPE[types[key]] for key in keys}
        dynamodb.put_item(TableName=name, Item={**own, "a": {"S": "b"}})
    client = Either(make_saver(mode=mode, table_name=name, deploy=False), use_async=mode != "sync")
    for call in await calls_of_other_table(client, kind):
        with pytest.raises(TableMismatchError, match=rf"{name}.*other keys.*table_name"):
            await call


@pytest.mark.parametrize("index", [True, False])
async def test_a_table_without_a_sort_key_keeps_what_it_holds(
    make_saver: MakeSaver, dynamodb: Any, mode: str, index: bool
) -> None:
    name = f"test-{uuid.uuid4().hex}"
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "PK", "AttributeType": "S"}],
    )
    item = {"PK": {"S": "t"}, "a": {"S": "of another application"}}
    dynamodb.put_item(TableName=name, Item=item)
    saver = make_saver(mode=mode, table_name=name, deploy=False, enable_thread_index=index)
    client = Either(saver, use_async=mode != "sync")
    at = config_of("t", checkpoint_ns="", checkpoint_id="1")
    for call in (
        client.put(config_of("t", checkpoint_ns=""), new_checkpoint(a=1), {}, {"a": "1"}),
        client.put_writes(at, [("a", 1)], "task"),
        client.put_writes(at, [("__interrupt__", 1)], "task"),
    ):
        with pytest.raises(TableMismatchError, match=rf"{name}.*other keys.*table_name"):
            await call
    assert dynamodb.scan(TableName=name)["Items"] == [item]
