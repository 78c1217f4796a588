"""Puts of different operations that share a request: how they gather, and how they are answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any
from unittest.mock import Mock

import pytest

from at_once import busy_threads
from costs import Costs
from either import Either
from fake_table import TABLE, FakeTable
from langgraph_checkpoint_dynamodb import AccessDeniedError, DynamoDBSaver, ThrottledError
from langgraph_checkpoint_dynamodb.drivers.coalescing import (
    Gathering,
    PendingCall,
    groups,
    send_shared,
)
from langgraph_checkpoint_dynamodb.format import requests
from langgraph_checkpoint_dynamodb.runtime.effects import Call, Failed, advance
from threads import config_of, put


def item(name: str, body: bytes = b"body", thread: str = "thread", **more: Any) -> dict[str, Any]:
    return {**requests.key(thread, name), "B": {"B": body}, **more}


def shareable(name: str, **more: Any) -> Call:
    return requests.put_new(TABLE, item(name, **more), shareable=True)


def gathered(*calls: Call) -> tuple[Sequence[PendingCall], list[Future[Any]]]:
    gathering = Gathering()
    replies: list[Future[Any]] = [Future() for _ in calls]
    for call, reply in zip(calls, replies, strict=True):
        gathering.add(call, reply, lambda: None)
    return gathering.take(), replies


def send(table: FakeTable, entries: Sequence[PendingCall]) -> None:
    for group in groups(entries):
        table.run(send_shared(group))


def sizes(table: FakeTable) -> list[int]:
    """How many puts each request held."""
    return [len(call.params.get("Statements", "1")) for call in table.calls]


def test_the_first_to_come_sends_what_has_gathered_by_then() -> None:
    gathering, table = Gathering(), FakeTable()
    started: list[str] = []
    for name in "abc":
        gathering.add(shareable(name), Future(), lambda name=name: started.append(name))
    send(table, gathering.take())
    assert sizes(table) == [3]
    gathering.add(shareable("d"), Future(), lambda: started.append("d"))
    assert started == ["a", "d"]


def test_what_cannot_be_started_waits_for_nobody() -> None:
    gathering = Gathering()
    with pytest.raises(KeyboardInterrupt):
        gathering.add(shareable("a"), Future(), Mock(side_effect=KeyboardInterrupt))
    started = Mock()
    gathering.add(shareable("b"), Future(), started)
    started.assert_called_once()
    assert len(gathering.take()) == 1


def test_a_request_holds_no_more_items_than_dynamodb_takes() -> None:
    entries, replies = gathered(*(shareable(str(n)) for n in range(60)))
    table = FakeTable()
    send(table, entries)
    assert sizes(table) == [25, 25, 10]
    assert len(table.items) == 60
    assert all(reply.done() for reply in replies)


def test_a_request_holds_no_item_twice() -> None:
    """DynamoDB refuses one that does."""
    entries, replies = gathered(
        *(shareable("a"), shareable("b"), shareable("c")),
        *(shareable("b"), shareable("b", thread="other")),
    )
    table = FakeTable()
    send(table, entries)
    assert sizes(table) == [3, 2]
    assert [isinstance(reply.result(0), Failed) for reply in replies] == [
        *(False, False, False),
        *(True, False),
    ]


@pytest.mark.parametrize("error", [AccessDeniedError("no"), ThrottledError("no"), KeyError("no")])
def test_a_request_that_failed_is_told_and_not_raised(error: Exception) -> None:
    entries, replies = gathered(shareable("a"), shareable("b"))
    table = FakeTable(Mock(side_effect=error))
    send(table, entries)
    assert sizes(table) == [2]
    assert [reply.result(0) for reply in replies] == [Failed(error)] * 2


def test_who_gave_up_waiting_is_passed_over() -> None:
    entries, replies = gathered(shareable("a"), shareable("b"))
    replies[0].cancel()
    table = FakeTable()
    send(table, entries)
    assert replies[1].result(0) == {}
    assert list(table.items) == [("thread", "b")]


def test_nobody_waits_for_a_request_that_was_cancelled() -> None:
    entries, replies = gathered(*(shareable(str(n)) for n in range(20)))
    operation = send_shared(entries)
    advance(operation)
    operation.close()
    assert all(isinstance(reply.result(0), Failed) for reply in replies)


@pytest.mark.parametrize("mode", [pytest.param("async", marks=pytest.mark.aio), "threads"])
async def test_who_is_cancelled_does_not_cancel_what_others_share(
    make_saver: Callable[..., DynamoDBSaver], mode: str
) -> None:
    costs = Costs()
    saver = make_saver(mode=mode, costs=costs, share_puts=True)
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
    client = Either(make_saver(mode="async", share_puts=True), use_async=True)
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
    saver = make_saver(mode="sync", costs=costs, share_puts=True)
    costs.reset()

    def submit(_: Callable[[], Any]) -> None:
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    monkeypatch.setattr(saver._sync, "submit", submit)
    for name in ("first", "second"):
        await put(Either(saver, use_async=False), config_of(name), {"said": "a"})
    assert costs.calls == {"PutItem": 2}
