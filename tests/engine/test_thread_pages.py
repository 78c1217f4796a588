"""What a page of threads costs in a large table, and what new threads cost the index."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from conftest import MakeSaver
from langgraph.checkpoint.base import empty_checkpoint

from capacity import Costs
from clients import async_session, sync_session
from either import Either
from langgraph_checkpoint_dynamodb import (
    DynamoDBConfig,
    DynamoDBSaver,
    DynamoDBTableConfig,
    ThreadStatus,
    ThrottledError,
)
from langgraph_checkpoint_dynamodb.drivers import aio, sync
from langgraph_checkpoint_dynamodb.format import keys, requests
from langgraph_checkpoint_dynamodb.infra.api_calls import requests_of
from langgraph_checkpoint_dynamodb.runtime.effects import Call, Operation
from partition_limits import Partitions, limited

THREADS, OWNERS = 10_000, 100
BODY = {"B": {"B": b"x" * 100}}


@pytest.fixture
def table(dynamodb: Any) -> Iterator[DynamoDBTableConfig]:
    """Many threads, one a second, of owners in turn; each has one checkpoint."""
    config = DynamoDBTableConfig(table_name=f"test-{uuid.uuid4().hex}")
    dynamodb.create_table(**requests_of(config).create_table.params)
    made = [item for n in range(THREADS) for item in thread(n)]
    batches = [made[start : start + 25] for start in range(0, len(made), 25)]

    def write(batch: list[Any]) -> None:
        puts = [{"PutRequest": {"Item": item}} for item in batch]
        reply = dynamodb.batch_write_item(RequestItems={config.table_name: puts})
        assert not reply["UnprocessedItems"]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, batches))
    yield config
    dynamodb.delete_table(TableName=config.table_name)


def thread(n: int) -> Iterator[dict[str, Any]]:
    """The items of a thread; every seventh waits."""
    partition = {"PK": {"S": f"thread {n}"}}
    times = {"A": {"N": str(1_700_000_000 + n)}, "C": {"N": "1700000000"}}
    yield {
        **partition,
        "SK": {"S": keys.THREAD_ENTRY},
        "O": {"S": f"owner {n % OWNERS}"},
        **times,
    }
    checkpoint = keys.checkpoint("", f"1ee{n:05x}-6f1d-6000-8000-000000000000")
    yield {**partition, "SK": {"S": checkpoint}, **BODY}
    if n % 7 == 0:
        yield {**partition, "SK": {"S": keys.writes(checkpoint, "task", "__interrupt__")}, **BODY}


async def test_a_page_of_20_among_10000_threads_costs_half_a_unit_a_thread_in_two_round_trips(
    table: DynamoDBTableConfig, endpoint_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs, rounds = Costs(), count_rounds(monkeypatch)
    newest = [f"thread {n}" for n in range(THREADS - OWNERS + 3, 0, -OWNERS)]
    for use_async in (False, True):
        saver = DynamoDBSaver(
            DynamoDBConfig(
                table_config=table,
                endpoint_url=endpoint_url,
                session=costs.watch(sync_session()),
                async_session=costs.watch(async_session()) if use_async else None,
            )
        )
        client = Either(saver, use_async=use_async)
        cursor = None
        for start in range(0, THREADS // OWNERS, 20):
            costs.reset()
            rounds.clear()
            page = await client.list_threads("owner 3", cursor=cursor)
            assert [one.thread_id for one in page.threads] == newest[start : start + 20]
            statuses = {one.status for one in page.threads}
            assert statuses == {ThreadStatus.IDLE, ThreadStatus.INTERRUPTED}
            assert rounds == [1, 20]
            assert (costs.requests, costs.read_units) == (21, 10.5), costs
            cursor = page.cursor
        assert cursor is None or not (await client.list_threads("owner 3", cursor=cursor)).threads
    # Beside it, what `list(None)` reads before it returns a checkpoint of every thread.
    costs.reset()
    saver._sync.run(scan_of(table.table_name))
    assert costs.read_units > 400, costs
    saver.close()
    await saver.aclose()


def count_rounds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many calls each round of an operation has."""
    found: list[int] = []

    def counted(advance: Callable[..., Any]) -> Callable[..., Any]:
        def advance_and_count(*args: Any, **more: Any) -> Any:
            effect = advance(*args, **more)
            if isinstance(effect, list):
                found.append(len(effect))
            return effect

        return advance_and_count

    for driver in (sync, aio):
        monkeypatch.setattr(driver, "advance", counted(driver.advance))
    return found


def scan_of(table: str) -> Operation[None]:
    call: Call | None = requests.scan_checkpoints(table, None)
    while call is not None:
        (reply,) = yield [call]
        start = reply.get("LastEvaluatedKey")
        call = requests.scan_checkpoints(table, start) if start else None


def test_threads_without_an_owner_do_not_share_one_partition_of_the_index(
    make_saver: MakeSaver, endpoint_url: str
) -> None:
    """Puts are throttled with the index, so 10 units of each of its partitions are 10 threads."""
    units = Partitions(writes=1e-6, burst=9.5e6)
    made = make_saver(mode="sync", thread_owner="user_id")
    with limited(endpoint_url, units) as url:
        config = replace(made.config, endpoint_url=url, max_retries=0)
        with DynamoDBSaver(config) as saver:
            acknowledged = sum(_begins(saver, f"{n}", {}) for n in range(40))
            assert acknowledged > 30  # of the 40 that an even spread would allow
            ada = [_begins(saver, f"ada {n}", {"user_id": "ada"}) for n in range(12)]
            assert ada == [True] * 10 + [False] * 2
    assert units.throttled == 40 - acknowledged + 2
    listed = [one.thread_id for one in made.list_threads("ada", limit=100).threads]
    assert sorted(listed) == sorted(f"ada {n}" for n in range(10))


def _begins(saver: DynamoDBSaver, thread_id: str, named: dict[str, str]) -> bool:
    config: Any = {"configurable": {"thread_id": thread_id, "checkpoint_ns": "", **named}}
    try:
        saver.put(config, empty_checkpoint(), {}, {})
    except ThrottledError:
        return False
    return True
