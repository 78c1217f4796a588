"""TTL: what has expired is never returned, and what lives is always whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from either import Either
from langgraph_checkpoint_dynamodb import CorruptCheckpointError
from threads import LARGE, chain, config_of, load_all, put

TTL = 1_000
# Far in the future, so that the engine's own clean-up leaves the items alone.
START = 4_000_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_client(make_saver: Any, mode: str, clock: Clock) -> Callable[..., Either]:
    def make(**overrides: Any) -> Either:
        overrides = {"enable_ttl": True, "ttl_seconds": TTL, **overrides}
        saver = make_saver(mode=mode, **overrides)
        saver.clock = clock
        return Either(saver, use_async=mode != "sync")

    return make


def on_table_of(client: Either) -> dict[str, Any]:
    return {"table_name": client.target.config.table_config.table_name, "deploy": False}


@pytest.mark.parametrize("attribute", ["ttl", "status", "expires at"])
async def test_items_carry_their_expiry_in_the_configured_attribute(
    make_client: Any, scan: Any, dynamodb: Any, attribute: str
) -> None:
    client = make_client(ttl_attribute=attribute)
    await chain(client, "t", 2)
    table = client.target.config.table_config.table_name
    described = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert described["AttributeName"] == attribute
    for item in scan(table):
        expiry = int(item[attribute]["N"])
        if item["SK"]["S"].startswith("S#"):
            assert START + TTL <= expiry <= START + 2 * TTL
            assert item["SK"]["S"].startswith(f"S#{expiry}#")
        else:
            assert expiry == START + TTL


async def test_what_has_expired_is_not_returned_though_it_is_still_there(
    make_client: Any, clock: Clock, scan: Any
) -> None:
    client = make_client()
    configs = await chain(client, "t", 2)
    clock.now += TTL
    assert scan(client.target.config.table_config.table_name)
    assert await client.get_tuple(config_of("t")) is None
    assert await client.get_tuple(configs[0]) is None
    assert await load_all(client, "t") == []
    assert await client.list(None) == []


async def test_the_newest_that_lives_is_found_behind_what_has_expired(
    make_client: Any, clock: Clock
) -> None:
    client = make_client()
    lasting = make_client(ttl_seconds=10 * TTL, **on_table_of(client))
    first = await put(lasting, config_of("t"), {"document": LARGE})
    for _ in range(3):
        await chain(client, "t", 1)
    clock.now += 2 * TTL
    found = await client.get_tuple(config_of("t"))
    assert found.config == first


async def test_every_checkpoint_that_has_not_expired_loads_whole(
    make_client: Any, clock: Clock, dynamodb: Any, scan: Any
) -> None:
    client = make_client()
    table = client.target.config.table_config.table_name
    parent = config_of("t")
    put_at: dict[str, float] = {}
    for step in range(25):
        parent = await put(client, parent, {"document": LARGE, "step": step})
        put_at[parent["configurable"]["checkpoint_id"]] = clock.now
        clock.now += TTL // 7
        for item in scan(table):  # DynamoDB removes what has expired
            if int(item["ttl"]["N"]) <= clock.now:
                key = {name: item[name] for name in ("PK", "SK")}
                dynamodb.delete_item(TableName=table, Key=key)
        cold = make_client(**on_table_of(client))
        found = await load_all(cold, "t")
        living = {one for one, at in put_at.items() if at + TTL > clock.now}
        assert {one.config["configurable"]["checkpoint_id"] for one in found} == living
        assert all(one.checkpoint["channel_values"]["document"] == LARGE for one in found)


async def test_a_constant_document_is_written_about_once_in_a_ttl_period(
    make_client: Any, clock: Clock, scan: Any
) -> None:
    client = make_client()
    parent = config_of("t")
    for _ in range(30):
        parent = await put(client, parent, {"document": LARGE})
        clock.now += TTL / 10
    keys = [item["SK"]["S"] for item in scan(client.target.config.table_config.table_name)]
    generations = {key.split("#")[1] for key in keys if key.startswith("S#")}
    assert len(generations) <= 4


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"enable_ttl": False, "ttl_seconds": None}, {}),
        ({}, {"ttl_seconds": None}),
        ({}, {"ttl_seconds": 5 * TTL}),
        ({"ttl_seconds": 5 * TTL}, {}),
    ],
    ids=["on", "off", "longer", "shorter"],
)
async def test_another_ttl_on_a_living_table_keeps_new_checkpoints_whole(
    make_client: Any, clock: Clock, dynamodb: Any, scan: Any, before: Any, after: Any
) -> None:
    client = make_client(**before)
    table = client.target.config.table_config.table_name
    parent = await put(client, config_of("t"), {"document": LARGE, "other": 1})
    client = make_client(**after, **on_table_of(client))
    await client.get_tuple(parent)
    clock.now += TTL / 2
    parent = await put(client, parent, {"document": LARGE, "other": 2})
    lives_until = clock.now + (client.target.config.table_config.ttl_seconds or 100 * TTL)
    clock.now = lives_until - 1
    for item in scan(table):
        if "ttl" in item and int(item["ttl"]["N"]) <= clock.now:
            dynamodb.delete_item(TableName=table, Key={n: item[n] for n in ("PK", "SK")})
    cold = make_client(**after, **on_table_of(client))
    found = await cold.get_tuple(parent)
    assert found.checkpoint["channel_values"] == {"document": LARGE, "other": 2}


async def test_reading_the_history_renews_what_delta_channels_are_rebuilt_from(
    make_client: Any, clock: Clock
) -> None:
    client = make_client()
    counters = {"counters_since_delta_snapshot": {"log": (1, 1)}}
    seed = await put(client, config_of("t"), {"log": [LARGE]})
    await client.put_writes(seed, [("log", LARGE[::-1])], "task")
    head = await put(client, seed, {}, counters, log="a2.x")
    for _ in range(6):
        clock.now += 0.6 * TTL
        history = await make_client(**on_table_of(client)).get_delta_channel_history(
            config=head, channels=["log"]
        )
        assert history["log"] == {"writes": [("task", "log", LARGE[::-1])], "seed": [LARGE]}
        head = await put(client, head, {}, counters, log="a2.x")


async def test_a_chain_of_which_a_part_has_expired_raises_and_names_what_is_lost(
    make_client: Any, clock: Clock
) -> None:
    client = make_client()
    seed = await put(client, config_of("t"), {"log": [1]})
    clock.now += TTL / 2
    head = await put(client, seed, {}, log="a2.x")
    clock.now += TTL / 2
    with pytest.raises(CorruptCheckpointError, match="'log' cannot be rebuilt"):
        await client.get_delta_channel_history(config=head, channels=["log"])
