"""TTL: what has expired is never returned, and what lives is always whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from capacity import Costs
from clock import START, Clock
from either import Either
from langgraph_checkpoint_dynamodb import CorruptCheckpointError
from langgraph_checkpoint_dynamodb.format.keys import THREAD_ENTRY
from langgraph_checkpoint_dynamodb.format.thread_entries import PERIOD_SECONDS
from threads import LARGE, chain, config_of, load_all, put

TTL = 1_000


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
            generation = int(item["SK"]["S"].split("#")[1])
            assert START + TTL <= generation <= START + 2 * TTL
            assert expiry == generation
        else:
            is_entry = item["SK"]["S"] == THREAD_ENTRY
            assert expiry == START + TTL + (PERIOD_SECONDS if is_entry else 0)


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


LENGTHS = {
    "shorter": ({"ttl_seconds": 10 * TTL}, {}),
    "longer": ({}, {"ttl_seconds": 10 * TTL}),
    "off": ({}, {"ttl_seconds": None}),
    "on": ({"enable_ttl": False, "ttl_seconds": None}, {}),
}


async def answers(client: Either, clock: Clock, ages: Any) -> list[Any]:
    """The config that a thread answers with at some times, in TTL periods."""
    found = []
    for age in ages:
        clock.now = START + age * TTL
        newest = await client.get_tuple(config_of("t"))
        found.append(newest and newest.config)
    return found


@pytest.mark.parametrize(("before", "after"), LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("known", [True, False], ids=["known parent", "unknown parent"])
async def test_a_checkpoint_does_not_expire_before_its_parent(
    make_client: Any, clock: Clock, before: Any, after: Any, known: bool
) -> None:
    first = make_client(**before)
    parent = await put(first, config_of("t"), {"document": LARGE})
    second = make_client(**after, **on_table_of(first))
    if known:
        await second.get_tuple(config_of("t"))
    child = await put(second, parent, {"document": LARGE, "step": 1})
    cold = make_client(**on_table_of(first))
    assert await answers(cold, clock, (0.5, 2, 9)) == [child] * 3
    forever = None in {before.get("ttl_seconds", TTL), after.get("ttl_seconds", TTL)}
    assert await answers(cold, clock, (11, 1000)) == [child if forever else None] * 2


async def test_a_fork_does_not_expire_before_the_newest(make_client: Any, clock: Clock) -> None:
    client = make_client()
    root = await put(client, config_of("t"), {"document": LARGE})
    longer = make_client(ttl_seconds=10 * TTL, **on_table_of(client))
    await longer.get_tuple(config_of("t"))
    await put(longer, root, {"document": LARGE, "branch": 1})
    clock.now += TTL / 2
    again = make_client(**on_table_of(client))
    await again.get_tuple(root)
    fork = await put(again, root, {"document": LARGE, "branch": 2})
    cold = make_client(**on_table_of(client))
    # Without the rule the thread would fall back to the first branch after 1.5 periods.
    assert await answers(cold, clock, (1.4, 2, 9)) == [fork] * 3
    assert await answers(cold, clock, (10.1,)) == [None]
    assert await load_all(cold, "t") == []


async def test_a_subgraph_does_not_expire_before_the_checkpoint_around_it(
    make_client: Any, clock: Clock
) -> None:
    longer = make_client(ttl_seconds=10 * TTL)
    around = await put(longer, config_of("t"), {"document": LARGE})
    client = make_client(**on_table_of(longer))
    await client.get_tuple(around)
    inner = config_of("t", checkpoint_ns="sub:1")
    metadata = {"parents": {"": around["configurable"]["checkpoint_id"]}}
    first = await put(client, inner, {"document": LARGE}, metadata)
    second = await put(client, first, {"document": LARGE, "step": 1}, metadata)
    clock.now += 9 * TTL
    cold = make_client(**on_table_of(longer))
    assert (await cold.get_tuple(inner)).config == second
    clock.now += 1.1 * TTL
    assert await load_all(cold, "t") == []


async def test_an_expired_thread_is_told_by_one_request(
    make_client: Any, clock: Clock, make_saver: Any, mode: str
) -> None:
    client = make_client()
    await chain(client, "t", 30)
    clock.now += TTL
    costs = Costs()
    table = {**on_table_of(client), "enable_ttl": True, "ttl_seconds": TTL}
    saver = make_saver(mode=mode, costs=costs, **table)
    saver.clock = clock
    costs.reset()
    cold = Either(saver, use_async=mode != "sync")
    assert await cold.get_tuple(config_of("t")) is None
    assert (costs.requests, costs.read_units) == (1, 1), costs


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


DELTAS = {"counters_since_delta_snapshot": {"log": (1, 1)}}


def value_of(history: Any) -> list[Any]:
    seed = history["log"].get("seed")
    return [*(seed.value if seed else []), *(value for _, _, value in history["log"]["writes"])]


async def run(client: Either, clock: Clock, steps: int, pace: float, parent: Any = None) -> Any:
    """What LangGraph puts in one run of a graph with a delta channel, after a snapshot."""
    parent = parent or await put(client, config_of("t"), {"log": _DeltaSnapshot([LARGE])})
    for step in range(steps):
        await client.put_writes(parent, [("log", step), ("log", LARGE[step:])], f"task {step}")
        clock.now += pace
        parent = await put(client, parent, {"step": step}, DELTAS, log=f"a{step}.x")
    return parent


def delete_expired(dynamodb: Any, scan: Any, table: str, clock: Clock) -> None:
    for item in scan(table):
        if "ttl" in item and int(item["ttl"]["N"]) <= clock.now:
            key = {name: item[name] for name in ("PK", "SK")}
            dynamodb.delete_item(TableName=table, Key=key)


@pytest.mark.parametrize("pace", [1, TTL / 3], ids=["short run", "run of two TTL periods"])
async def test_a_run_is_whole_until_its_last_checkpoint_expires(
    make_client: Any, clock: Clock, dynamodb: Any, scan: Any, pace: float
) -> None:
    client = make_client()
    table = client.target.config.table_config.table_name
    head = await run(client, clock, 6, pace)
    clock.now += TTL - 1
    delete_expired(dynamodb, scan, table, clock)
    cold = make_client(**on_table_of(client))
    history = await cold.get_delta_channel_history(config=head, channels=["log"])
    expected = [LARGE, *(one for step in range(6) for one in (step, LARGE[step:]))]
    assert value_of(history) == expected
    # What it was rebuilt from has expired itself, and is not returned.
    found = await load_all(cold, "t")
    assert found[0].config == head
    assert len(found) == 1
    clock.now += 2  # times are rounded up to seconds
    assert await load_all(cold, "t") == []


@pytest.mark.parametrize(
    "after",
    [{"ttl_seconds": None}, {"enable_ttl": False, "ttl_seconds": None}, {"ttl_seconds": 9 * TTL}],
    ids=["off", "off in the table", "longer"],
)
async def test_ancestors_of_another_ttl_are_kept_for_a_child_that_lives_longer(
    make_client: Any, clock: Clock, dynamodb: Any, scan: Any, after: Any
) -> None:
    client = make_client()
    table = client.target.config.table_config.table_name
    head = await run(client, clock, 2, 1)
    switched = make_client(**on_table_of(client), **after)
    await switched.get_tuple(head)
    await switched.get_delta_channel_history(config=head, channels=["log"])
    head = await run(switched, clock, 1, 1, head)
    clock.now += 9 * TTL - 1
    delete_expired(dynamodb, scan, table, clock)
    cold = make_client(**on_table_of(client), **after)
    history = await cold.get_delta_channel_history(config=head, channels=["log"])
    assert value_of(history) == [LARGE, 0, LARGE, 1, LARGE[1:], 0, LARGE]
    assert [one.config for one in await load_all(cold, "t")] == [head]


async def test_a_chunk_that_is_written_again_does_not_go_before_who_was_kept_for_longer(
    make_client: Any, clock: Clock, dynamodb: Any, scan: Any
) -> None:
    client = make_client()
    table = client.target.config.table_config.table_name
    head = await run(client, clock, 1, 1)
    # Ancestors are kept for longer; then a stranger writes the same bytes at the old place.
    longer = make_client(**on_table_of(client), ttl_seconds=9 * TTL)
    await longer.get_delta_channel_history(config=head, channels=["log"])
    head = await run(longer, clock, 1, 1, head)
    await run(make_client(**on_table_of(client)), clock, 1, 1)
    clock.now += 5 * TTL
    delete_expired(dynamodb, scan, table, clock)
    cold = make_client(**on_table_of(client), ttl_seconds=9 * TTL)
    history = await cold.get_delta_channel_history(config=head, channels=["log"])
    assert value_of(history) == [LARGE, 0, LARGE, 0, LARGE]


@pytest.mark.parametrize("before", [{"ttl_seconds": None}, {"ttl_seconds": 9 * TTL}])
async def test_pending_writes_live_as_long_as_their_checkpoint(
    make_client: Any, clock: Clock, dynamodb: Any, scan: Any, before: Any
) -> None:
    client = make_client(**before)
    table = client.target.config.table_config.table_name
    waiting = await put(client, config_of("t"), {"document": LARGE})
    shorter = make_client(**on_table_of(client))
    await shorter.get_tuple(waiting)
    await shorter.put_writes(waiting, [("__interrupt__", "?"), ("a", LARGE[::-1])], "task")
    clock.now += 8 * TTL
    delete_expired(dynamodb, scan, table, clock)
    found = await make_client(**on_table_of(client)).get_tuple(waiting)
    assert sorted(channel for _, channel, _ in found.pending_writes) == ["__interrupt__", "a"]


async def test_what_was_given_an_expiry_expires_when_ttl_is_off(
    make_client: Any, clock: Clock
) -> None:
    client = make_client()
    await chain(client, "t", 2)
    off = make_client(enable_ttl=False, ttl_seconds=None, **on_table_of(client))
    assert len(await load_all(off, "t")) == 2
    clock.now += TTL
    assert await load_all(off, "t") == []
    assert await off.get_tuple(config_of("t")) is None


async def test_a_shorter_ttl_writes_nothing_again(
    make_client: Any, clock: Clock, scan: Any
) -> None:
    client = make_client(ttl_seconds=100 * TTL)
    table = client.target.config.table_config.table_name
    parent = await put(client, config_of("t"), {"document": LARGE})
    before = {item["SK"]["S"]: item for item in scan(table)}
    clock.now += 1
    shorter = make_client(**on_table_of(client))
    await shorter.get_tuple(parent)
    await put(shorter, parent, {"document": LARGE, "new": LARGE[::-1]})
    after = {item["SK"]["S"]: item for item in scan(table)}
    assert {key: after[key] for key in before} == before
    # It lives as long as its parent; so do its chunks, in the parent's generation.
    assert len({key.split("#")[1] for key in after if key.startswith("S#")}) == 1
    assert len({item["ttl"]["N"] for key, item in after.items() if key.startswith("C#")}) == 1


async def test_a_chunk_that_is_moved_to_what_never_expires_does_not_expire(
    make_client: Any, scan: Any
) -> None:
    client = make_client()
    parent = await put(client, config_of("t"), {"document": LARGE}, document="1")
    off = make_client(**on_table_of(client), ttl_seconds=None)
    found = await off.get_tuple(parent)
    checkpoint = {**found.checkpoint, "id": str(uuid6())}
    await off.put(parent, checkpoint, {}, {})
    items = scan(client.target.config.table_config.table_name)
    lasting = [item for item in items if item["SK"]["S"].startswith("S#0#")]
    assert lasting
    assert not [item for item in lasting if "ttl" in item]


@pytest.mark.parametrize("length", [TTL, 9 * TTL], ids=["the same", "longer"])
async def test_writes_put_after_the_history_was_read_are_kept_as_long_as_their_checkpoint(
    make_client: Any, clock: Clock, scan: Any, length: int
) -> None:
    """Reading the history keeps the checkpoint for longer, and what is put beside it then."""
    client = make_client()
    head = await run(client, clock, 1, 1)
    clock.now = START + 0.9 * TTL
    again = make_client(**on_table_of(client), ttl_seconds=length)
    await again.get_tuple(head)
    await again.get_delta_channel_history(config=head, channels=["log"])
    await again.put_writes(head, [("log", "late")], "task")
    kept = {
        item["SK"]["S"]: int(item["ttl"]["N"])
        for item in scan(client.target.config.table_config.table_name)
        if head["configurable"]["checkpoint_id"] in item["SK"]["S"]
    }
    assert len(kept) == 2
    assert len(set(kept.values())) == 1, kept


async def test_kept_ancestors_are_pruned_with_the_rest(
    make_client: Any, clock: Clock, scan: Any
) -> None:
    client = make_client()
    head = await run(client, clock, 4, TTL / 3)
    await client.prune(["t"])
    history = await client.get_delta_channel_history(config=head, channels=["log"])
    assert len(value_of(history)) == 9
    await put(client, head, {"log": _DeltaSnapshot([1])}, {})
    await client.prune(["t"])
    keys = [item["SK"]["S"] for item in scan(client.target.config.table_config.table_name)]
    assert sum(key.startswith("C#") for key in keys) == 1


async def test_a_graph_without_delta_channels_keeps_nothing_for_longer(
    make_client: Any, scan: Any
) -> None:
    client = make_client()
    await chain(client, "t", 2)
    items = scan(client.target.config.table_config.table_name)
    kept = {int(one["ttl"]["N"]) for one in items if one["SK"]["S"].startswith("C#")}
    assert kept == {int(START) + TTL}
