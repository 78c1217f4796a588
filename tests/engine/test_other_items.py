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


@pytest.mark.parametrize(
    "keys", [{"PK": "HASH"}, {"id": "HASH", "SK": "RANGE"}, {"thread_id": "HASH"}]
)
async def test_a_table_with_other_keys_is_named_without_deploy(
    make_saver: MakeSaver, dynamodb: Any, mode: str, keys: dict[str, str]
) -> None:
    name = f"test-{uuid.uuid4().hex}"
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
    )
    client = Either(make_saver(mode=mode, table_name=name, deploy=False), use_async=mode != "sync")
    with pytest.raises(TableMismatchError, match=rf"{name}.*other keys.*table_name"):
        await client.get_tuple(config_of("t"))
    if "PK" not in keys:  # such a table takes one item, and then fails on reading
        with pytest.raises(TableMismatchError, match=rf"{name}.*other keys.*table_name"):
            await client.put(config_of("t"), new_checkpoint(a=1), {}, {"a": "1"})
