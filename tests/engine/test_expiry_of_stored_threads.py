"""`apply_ttl`: an expiry for what is stored already."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from conftest import MakeSaver
from langgraph.checkpoint.serde.types import INTERRUPT

import threads
from either import Either
from langgraph_checkpoint_dynamodb import (
    ConfigurationError,
    InvalidInputError,
)
from langgraph_checkpoint_dynamodb.maintenance import retention
from threads import config_of

DAY = 86_400
THREAD = config_of("thread")


class Table:
    """A table whose savers share a clock, and may differ in their TTL."""

    def __init__(self, make_saver: MakeSaver, mode: str) -> None:
        self._make = make_saver
        self._mode = mode
        self.now = 1_800_000_000.0
        self.name = make_saver(mode=mode, enable_ttl=True).config.table_config.table_name

    def saver(self, ttl_seconds: int | None = None, **settings: Any) -> Either:
        made = self._make(
            mode=self._mode,
            table_name=self.name,
            deploy=False,
            enable_ttl=True,
            ttl_seconds=ttl_seconds,
            **settings,
        )
        made.clock = lambda: self.now
        return Either(made, use_async=self._mode != "sync")


@pytest.fixture
def table(make_saver: MakeSaver, mode: str) -> Table:
    return Table(make_saver, mode)


async def newest(client: Either, config: Any = THREAD) -> Any:
    found = await client.get_tuple(config)
    return found and found.config["configurable"]["checkpoint_id"]


@pytest.mark.parametrize("before", [None, 90 * DAY])
async def test_a_thread_expires_as_a_whole(table: Table, before: int | None) -> None:
    old = table.saver(before)
    configs = await threads.chain(old, "thread", 4)
    await threads.chain(old, "thread", 2, ns="node")
    await old.put_writes(configs[-1], [(INTERRUPT, ["?"])], "asks")
    assert await table.saver(DAY).apply_ttl(["thread"]) == 2 * 6 + 1 + 1  # and the entry
    for share in (0, 0.5, 0.99):
        table.now = 1_800_000_000 + DAY * share
        found = await threads.load_all(table.saver(DAY), "thread")
        assert len(found) == 6
        assert (await table.saver(DAY).verify("thread")).ok
    table.now += DAY * 0.02
    assert await threads.load_all(table.saver(DAY), "thread") == []
    assert await newest(table.saver(DAY)) is None


async def test_what_was_done_is_passed_over(table: Table) -> None:
    await threads.chain(table.saver(), "thread", 3)
    assert await table.saver(DAY).apply_ttl(["thread"]) == 2 * 3 + 1
    table.now += 100
    assert await table.saver(DAY).apply_ttl() == 0


async def test_a_run_goes_on_and_expires_with_its_own_time(table: Table) -> None:
    config = (await threads.chain(table.saver(), "thread", 2))[-1]
    client = table.saver(DAY)
    await client.get_tuple(THREAD)  # remembers a checkpoint without an expiry
    await table.saver(DAY).apply_ttl(["thread"])
    child = await threads.put(client, config, {"own": random.Random(9).randbytes(9_000)})
    assert await newest(table.saver(DAY)) == child["configurable"]["checkpoint_id"]
    table.now += retention.GRACE_SECONDS + 1
    await table.saver(DAY).apply_ttl(["thread"])
    await table.saver(DAY).prune(["thread"], keep_last=9)
    assert (await table.saver(DAY).verify("thread")).ok
    table.now += DAY - 60
    assert len(await threads.load_all(table.saver(DAY), "thread")) == 1
    table.now += 120
    assert await threads.load_all(table.saver(DAY), "thread") == []


async def test_a_later_prune_deletes_the_chunks_that_were_copied(
    table: Table, scan: Callable[[str], list[dict[str, Any]]]
) -> None:
    await threads.chain(table.saver(), "thread", 2)

    def without_time() -> int:
        return sum(item["SK"]["S"].startswith("S#0#") for item in scan(table.name))

    assert without_time()
    await table.saver(DAY).apply_ttl(["thread"])
    await table.saver(DAY).prune(["thread"], keep_last=9)
    assert without_time()  # a process may go on from what it remembers
    table.now += retention.GRACE_SECONDS + 1
    await table.saver(DAY).prune(["thread"], keep_last=9)
    assert without_time() == 0
    assert len(await threads.load_all(table.saver(DAY), "thread")) == 2
    assert (await table.saver(DAY).verify("thread")).ok


async def test_it_is_for_savers_with_a_ttl(table: Table) -> None:
    with pytest.raises(ConfigurationError, match="ttl_seconds=None"):
        await table.saver().apply_ttl(["thread"])
    with pytest.raises(InvalidInputError, match="thread_ids='thread'"):
        await table.saver(DAY).apply_ttl("thread")
