"""Puts of different operations that share a request, with `share_puts=True`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from conftest import MakeSaver

from at_once import at_once, busy_threads
from capacity import Costs, events_of
from either import Either
from langgraph_checkpoint_dynamodb import (
    DynamoDBSaver,
)
from sessions import refusal
from threads import config_of, put

CHATS = 40


class Meddling(Costs):
    """Also fails what is shared, before it is sent or after, if told to."""

    before: Exception | None = None
    after: Exception | None = None

    def __init__(self) -> None:
        super().__init__()
        self.failed = 0

    def watch(self, session: Any) -> Any:
        for when in ("before", "after"):
            handler = partial(self._fail, when)
            events_of(session).register(f"{when}-call.dynamodb.BatchExecuteStatement", handler)
        return super().watch(session)

    def _fail(self, when: str, **_: Any) -> None:
        error = getattr(self, when)
        if error is not None:
            self.failed += 1
            raise error


UNLISTED = {"enable_thread_index": False}
"""The entry of a new thread is a put of its own, which is never shared."""


class Crowd:
    """A saver that shares puts, and chats that use it at once."""

    def __init__(self, make_saver: MakeSaver, mode: str, **settings: Any) -> None:
        self.costs = Meddling()
        settings = {"share_puts": True, **UNLISTED, **settings}
        self.saver = make_saver(mode=mode, costs=self.costs, **settings)
        self.client = Either(self.saver, use_async=mode != "sync")
        self._native = mode == "async"
        self.costs.reset()

    async def at_once(self, *calls: Any, awaited: int | None = None) -> list[Any]:
        requests = len(calls) if awaited is None else awaited
        return await at_once(self.client, calls, awaited=requests, native=self._native)

    async def put(self, parents: list[Any], **values: Any) -> list[Any]:
        return await self.at_once(*(partial(put, self.client, one, values) for one in parents))


@pytest.fixture
def reader(make_saver: MakeSaver, mode: str) -> Callable[[DynamoDBSaver], Either]:
    """A saver on the same table that knows nothing yet and shares nothing."""

    def open_reader(saver: DynamoDBSaver, **settings: Any) -> Either:
        name = saver.config.table_config.table_name
        other = make_saver(mode=mode, table_name=name, deploy=False, **settings)
        return Either(other, use_async=mode != "sync")

    return open_reader


async def test_chats_at_once_share_requests(
    make_saver: MakeSaver, mode: str, reader: Callable[..., Either]
) -> None:
    crowd = Crowd(make_saver, mode)
    names = [f"chat-{n}" for n in range(CHATS)]
    first = await crowd.put([config_of(name) for name in names], said="a")
    assert crowd.costs.calls == {"BatchExecuteStatement": 2}
    second = await crowd.put(first, said="b")
    writes = [
        partial(crowd.client.put_writes, one, [("said", n), ("__interrupt__", "?")], "task")
        for n, one in enumerate(second)
    ]
    crowd.costs.reset()
    await crowd.at_once(*writes, awaited=2 * CHATS)
    assert crowd.costs.calls == {"BatchExecuteStatement": 4}
    for n, config in enumerate(second):
        for client in (crowd.client, reader(crowd.saver)):
            found = await client.get_tuple(config_of(names[n]))
            assert found.config == config
            assert found.parent_config == first[n]
            assert found.checkpoint["channel_values"] == {"said": "b"}
            assert [write[1:] for write in found.pending_writes] == [
                ("__interrupt__", "?"),
                ("said", n),
            ]


async def test_the_first_of_equal_writes_stays(make_saver: MakeSaver, mode: str) -> None:
    """One task, run by two at once: `put_writes` keeps the first write of each index."""
    crowd = Crowd(make_saver, mode)
    (config,) = await crowd.put([config_of("thread")], said="a")
    await crowd.client.put_writes(config, [("a", "first")], "done")
    await crowd.at_once(
        partial(crowd.client.put_writes, config, [("a", 1), ("b", 1)], "task"),
        partial(crowd.client.put_writes, config, [("a", 2), ("b", 2)], "task"),
        partial(crowd.client.put_writes, config, [("a", "second"), ("b", "new")], "done"),
    )
    found = await crowd.client.get_tuple(config_of("thread"))
    stored = {(task, channel): value for task, channel, value in found.pending_writes}
    assert stored["done", "a"] == "first"
    assert stored["done", "b"] == "new"
    assert stored["task", "a"] == stored["task", "b"]
    assert len(stored) == 4


async def test_a_checkpoint_that_is_put_again_replaces_the_first(
    make_saver: MakeSaver, mode: str
) -> None:
    crowd = Crowd(make_saver, mode)
    (config,) = await crowd.put([config_of("thread")], said="a")
    found = await crowd.client.get_tuple(config)
    changed = {**found.checkpoint, "channel_values": {"said": "b"}}
    versions = found.checkpoint["channel_versions"]
    again = partial(crowd.client.put, config_of("thread"), changed, {}, versions)
    await crowd.at_once(again, partial(put, crowd.client, config_of("other"), {"said": "c"}))
    for name, value in (("thread", "b"), ("other", "c")):
        found = await crowd.client.get_tuple(config_of(name))
        assert found.checkpoint["channel_values"] == {"said": value}


async def test_names_that_need_quotes(make_saver: MakeSaver, mode: str) -> None:
    table = {"table_name": f"a.b-C_{mode}", "ttl_attribute": 'it\'s "kept", until'}
    crowd = Crowd(make_saver, mode, **table, enable_ttl=True, ttl_seconds=3600)
    names = ('it\'s "one"', "{'PK': ?}", "?")
    await crowd.put([config_of(name) for name in names], said="a")
    assert crowd.costs.calls == {"BatchExecuteStatement": 1}
    for name in names:
        found = await crowd.client.get_tuple(config_of(name))
        assert found.checkpoint["channel_values"] == {"said": "a"}


async def test_without_the_permission_each_is_sent_by_itself(
    make_saver: MakeSaver, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    crowd = Crowd(make_saver, mode)
    crowd.costs.before = refusal("AccessDeniedException")
    names = [f"chat-{n}" for n in range(5)]
    parents = await crowd.put([config_of(name) for name in names], said="a")
    for parent in parents:
        await put(crowd.client, parent, {"said": "b"})
    assert crowd.costs.calls == {"PutItem": 10}
    assert crowd.costs.failed == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    for name in names:
        found = await crowd.client.get_tuple(config_of(name))
        assert found.checkpoint["channel_values"] == {"said": "b"}


async def test_a_lost_answer_loses_and_doubles_nothing(
    make_saver: MakeSaver, mode: str, reader: Callable[..., Either]
) -> None:
    """The puts were stored, and are found when each is sent again."""
    crowd = Crowd(make_saver, mode)
    crowd.costs.after = ReadTimeoutError(endpoint_url="https://dynamodb")
    names = [f"chat-{n}" for n in range(5)]
    first = await crowd.put([config_of(name) for name in names], said="a")
    assert crowd.costs.calls["PutItem"] == 5
    await crowd.at_once(
        *(partial(crowd.client.put_writes, one, [("said", "w")], "task") for one in first)
    )
    for name in names:
        (found,) = await reader(crowd.saver).list(config_of(name))
        assert found.checkpoint["channel_values"] == {"said": "a"}
        assert [write[1:] for write in found.pending_writes] == [("said", "w")]


@pytest.mark.aio
async def test_who_is_cancelled_before_the_request_begins_stores_nothing(
    make_saver: MakeSaver,
) -> None:
    crowd = Crowd(make_saver, "async")
    given_up, stays = (
        asyncio.ensure_future(put(crowd.client, config_of(name), {"said": "a"}))
        for name in ("given up", "stays")
    )
    await asyncio.sleep(0)
    given_up.cancel()
    await stays
    assert given_up.cancelled()
    assert await crowd.client.get_tuple(config_of("given up")) is None
    assert await crowd.client.get_tuple(config_of("stays"))


async def test_a_saver_shares_no_puts_unless_it_is_told_to(
    make_saver: MakeSaver, mode: str
) -> None:
    costs = Costs()
    client = Either(make_saver(mode=mode, costs=costs, **UNLISTED), use_async=mode != "sync")
    costs.reset()
    calls = [partial(put, client, config_of(f"chat-{n}"), {"said": "a"}) for n in range(5)]
    await at_once(client, calls, awaited=0, native=mode == "async")
    assert costs.calls == {"PutItem": 5}


@pytest.mark.parametrize("mode", [pytest.param("async", marks=pytest.mark.aio), "threads"])
async def test_who_is_cancelled_does_not_cancel_what_others_share(
    make_saver: Callable[..., DynamoDBSaver], mode: str
) -> None:
    costs = Costs()
    saver = make_saver(mode=mode, costs=costs, share_puts=True, **UNLISTED)
    client = Either(saver, use_async=True)
    costs.reset()
    with busy_threads(saver, 0 if mode == "async" else 2):
        given_up, stays = (
            asyncio.ensure_future(put(client, config_of(name), {"said": "a"}))
            for name in ("given up", "stays")
        )
        await asyncio.sleep(0)
        given_up.cancel()
        await stays
    assert given_up.cancelled()
    assert costs.requests == 1
    found = await client.get_tuple(config_of("stays"))
    assert found.checkpoint["channel_values"] == {"said": "a"}


@pytest.mark.aio
async def test_nobody_waits_for_a_request_that_was_cancelled_before_it_began(
    make_saver: Callable[..., DynamoDBSaver],
) -> None:
    """Servers that shut down cancel all tasks of a loop."""
    client = Either(make_saver(mode="async", share_puts=True, **UNLISTED), use_async=True)
    senders = client.target._async._senders
    putting = asyncio.ensure_future(put(client, config_of("thread"), {"said": "a"}))
    for _ in range(2):
        await asyncio.sleep(0)
    assert [sender.cancel() for sender in senders] == [True]
    child = await asyncio.wait_for(putting, 30)
    await asyncio.wait_for(put(client, child, {"said": "b"}), 30)
    found = await client.get_tuple(config_of("thread"))
    assert found.checkpoint["channel_values"] == {"said": "b"}
    assert not senders


async def test_without_threads_it_is_sent_at_once(
    make_saver: Callable[..., DynamoDBSaver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter that ends starts no threads any more."""
    costs = Costs()
    saver = make_saver(mode="sync", costs=costs, share_puts=True, **UNLISTED)
    costs.reset()

    def submit(_: Callable[[], Any]) -> None:
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    monkeypatch.setattr(saver._sync, "submit", submit)
    for name in ("first", "second"):
        await put(Either(saver, use_async=False), config_of(name), {"said": "a"})
    assert costs.calls == {"PutItem": 2}
