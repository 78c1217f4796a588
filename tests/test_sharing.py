"""Announcements of different operations that share a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest

from at_once import at_once, busy_threads
from costs import Costs
from either import Either
from fake_table import TABLE, FakeTable, context
from langgraph_checkpoint_dynamodb import (
    AccessDeniedError,
    DynamoDBSaver,
    ThrottledError,
    UnavailableError,
    requests,
    sending,
)
from langgraph_checkpoint_dynamodb.operation import Call, Failed, advance
from langgraph_checkpoint_dynamodb.sharing import Entry, Gathering, groups, send_shared
from threads import config_of, put

CHATS = 40
MESSAGES = ["a message that closes a chunk. " * 40]


def batch(*names: str, thread: str = "thread") -> Call:
    puts = [{"PutRequest": {"Item": requests.key(thread, name)}} for name in names]
    return requests.batch_write(TABLE, puts, shareable=True)


def gathered(*calls: Call) -> tuple[Sequence[Entry], list[Future[Any]]]:
    gathering = Gathering()
    replies: list[Future[Any]] = [Future() for _ in calls]
    for call, reply in zip(calls, replies, strict=True):
        gathering.add(call, reply, lambda: None)
    return gathering.take(), replies


def send(table: FakeTable, entries: Sequence[Entry]) -> None:
    for group in groups(entries):
        table.run(send_shared(group))


def sizes(table: FakeTable) -> list[int]:
    return [len(call.params["RequestItems"][TABLE]) for call in table.calls]


def test_the_first_to_come_sends_what_has_gathered_by_then() -> None:
    gathering, table = Gathering(), FakeTable()
    started: list[str] = []
    for name in "abc":
        gathering.add(batch(name), Future(), lambda name=name: started.append(name))
    send(table, gathering.take())
    assert sizes(table) == [3]
    gathering.add(batch("d"), Future(), lambda: started.append("d"))
    assert started == ["a", "d"]


def test_what_cannot_be_started_waits_for_nobody() -> None:
    gathering = Gathering()
    with pytest.raises(KeyboardInterrupt):
        gathering.add(batch("a"), Future(), Mock(side_effect=KeyboardInterrupt))
    started = Mock()
    gathering.add(batch("b"), Future(), started)
    started.assert_called_once()
    assert len(gathering.take()) == 1


def test_each_is_answered_with_the_reply_to_its_request() -> None:
    left = {"UnprocessedItems": {TABLE: ["some"]}}
    entries, replies = gathered(batch("a"), batch("b"))
    send(FakeTable(lambda call: left), entries)
    assert [reply.result(0) for reply in replies] == [left, left]


def test_a_request_holds_no_more_items_than_dynamodb_takes() -> None:
    entries, replies = gathered(*(batch(*(f"{n}-{i}" for i in range(10))) for n in range(6)))
    table = FakeTable()
    send(table, entries)
    assert sizes(table) == [20, 20, 20]
    assert len(table.items) == 60
    assert all(reply.done() for reply in replies)


def test_a_request_holds_no_item_twice() -> None:
    """DynamoDB refuses one that does."""
    entries, _ = gathered(batch("a", "b"), batch("c"), batch("b"), batch("b", thread="other"))
    table = FakeTable()
    send(table, entries)
    assert sizes(table) == [3, 2]


@pytest.mark.parametrize("error", [AccessDeniedError("no"), ThrottledError("no"), KeyError("no")])
def test_a_request_that_failed_is_told_and_not_raised(error: Exception) -> None:
    entries, replies = gathered(batch("a"), batch("b"))
    table = FakeTable(Mock(side_effect=error))
    send(table, entries)
    assert sizes(table) == [2]
    assert [reply.result(0) for reply in replies] == [Failed(error)] * 2


def test_who_gave_up_waiting_is_passed_over() -> None:
    entries, replies = gathered(batch("a"), batch("b"))
    replies[0].cancel()
    send(FakeTable(), entries)
    assert replies[1].result(0) == {"UnprocessedItems": {}}


def test_nobody_waits_for_a_request_that_was_cancelled() -> None:
    entries, replies = gathered(*(batch(str(n)) for n in range(20)))
    operation = send_shared(entries)
    advance(operation)
    operation.close()
    assert all(isinstance(reply.result(0), Failed) for reply in replies)


def test_a_chunk_that_was_left_over_is_not_counted_as_stored() -> None:
    around = context()
    one, same, other = bytes(16), bytes(16), bytes([1]) * 16
    mine = sending.Announcement(around, "mine", 0, {one: b"x", other: b"y"}, frozenset())
    theirs = sending.Announcement(around, "theirs", 0, {same: b"x"}, frozenset())
    (call,) = theirs.calls()
    assert call.shareable
    left = {"UnprocessedItems": call.params["RequestItems"]}
    assert theirs.arrived([left]) == frozenset()
    assert mine.arrived([left]) == {other}
    assert mine.arrived([Failed(UnavailableError("no answer"))]) == frozenset()
    assert mine.arrived([{"UnprocessedItems": {}}]) == {one, other}


async def test_chats_that_announce_at_once_share_requests(
    make_saver: Callable[..., DynamoDBSaver], mode: str
) -> None:
    costs = Costs()
    saver = make_saver(mode=mode, costs=costs)
    client = Either(saver, use_async=mode != "sync")
    names = [f"chat-{n}" for n in range(CHATS)]

    async def put_all(parents: list[Any], messages: list[str], announced: int) -> list[Any]:
        calls = [partial(put, client, one, {"messages": messages}) for one in parents]
        return await at_once(client, calls, awaited=announced, native=mode == "async")

    costs.reset()
    children = await put_all([config_of(name) for name in names], MESSAGES, CHATS)
    assert costs.calls == {"PutItem": CHATS, "BatchWriteItem": 2}
    costs.reset()
    await put_all(children, [*MESSAGES, "short"], 0)
    assert costs.calls == {"PutItem": CHATS}, "a chunk that arrived is not sent again"
    reader = Either(
        make_saver(mode=mode, table_name=saver.config.table_config.table_name, deploy=False),
        use_async=mode != "sync",
    )
    for name in names:
        found = await reader.get_tuple(config_of(name))
        assert found.checkpoint["channel_values"]["messages"] == [*MESSAGES, "short"]


@pytest.mark.parametrize("mode", [pytest.param("async", marks=pytest.mark.aio), "threads"])
async def test_who_is_cancelled_does_not_cancel_what_others_share(
    make_saver: Callable[..., DynamoDBSaver], mode: str
) -> None:
    costs = Costs()
    saver = make_saver(mode=mode, costs=costs)
    client = Either(saver, use_async=True)
    costs.reset()
    with busy_threads(saver, 0 if mode == "async" else 2):
        given_up, stays = (
            asyncio.ensure_future(put(client, config_of(name), {"messages": MESSAGES}))
            for name in ("given up", "stays")
        )
        await asyncio.sleep(0)
        given_up.cancel()
        child = await stays
    assert given_up.cancelled()
    assert costs.calls["BatchWriteItem"] == 1
    await put(client, child, {"messages": [*MESSAGES, "short"]})
    assert costs.calls["BatchWriteItem"] == 1, "a chunk that arrived is not sent again"


@pytest.mark.aio
async def test_nobody_waits_for_a_request_that_was_cancelled_before_it_began(
    make_saver: Callable[..., DynamoDBSaver],
) -> None:
    """Servers that shut down cancel all tasks of a loop."""
    client = Either(make_saver(mode="async"), use_async=True)
    senders = client.target._async._senders
    putting = asyncio.ensure_future(put(client, config_of("thread"), {"messages": MESSAGES}))
    for _ in range(2):
        await asyncio.sleep(0)
    assert [sender.cancel() for sender in senders] == [True]
    child = await asyncio.wait_for(putting, 30)
    await asyncio.wait_for(put(client, child, {"messages": [*MESSAGES, "more"]}), 30)
    found = await client.get_tuple(config_of("thread"))
    assert found.checkpoint["channel_values"]["messages"] == [*MESSAGES, "more"]
    assert not senders


async def test_without_threads_it_is_sent_at_once(
    make_saver: Callable[..., DynamoDBSaver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter that ends starts no threads any more."""
    costs = Costs()
    saver = make_saver(mode="sync", costs=costs)
    costs.reset()

    def submit(_: Callable[[], Any]) -> None:
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    monkeypatch.setattr(saver._sync, "submit", submit)
    for name in ("first", "second"):
        await put(Either(saver, use_async=False), config_of(name), {"messages": MESSAGES})
    assert costs.calls == {"PutItem": 2, "BatchWriteItem": 2}
