"""Puts of different operations that share a request, with `share_puts=True`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from conftest import MakeSaver
from test_coalescing import gathered, item, send, shareable

from at_once import at_once
from costs import Costs, events_of
from either import Either
from fake_table import TABLE, FakeTable, context
from langgraph_checkpoint_dynamodb import (
    AccessDeniedError,
    ConfigurationError,
    ConflictError,
    DynamoDBConfig,
    DynamoDBSaver,
    RequestRejectedError,
    ThrottledError,
    UnavailableError,
)
from langgraph_checkpoint_dynamodb.drivers.coalescing import groups
from langgraph_checkpoint_dynamodb.format import requests
from langgraph_checkpoint_dynamodb.runtime.context import SharedPuts
from langgraph_checkpoint_dynamodb.runtime.effects import Call, ConditionFailed, Failed
from langgraph_checkpoint_dynamodb.storage.conditional_puts import put_new
from sessions import refusal
from threads import config_of, put

CHATS = 40


def methods(table: FakeTable) -> list[str]:
    return [call.method for call in table.calls]


# What is sent


def test_puts_that_gathered_are_one_batch_of_inserts() -> None:
    entries, replies = gathered(shareable("a"), shareable("b", ttl={"N": "7"}), shareable("c"))
    table = FakeTable()
    send(table, entries)
    assert methods(table) == ["batch_execute_statement"]
    assert not table.calls[0].retried
    assert [reply.result(0) for reply in replies] == [{}, {}, {}]
    assert list(table.items.values()) == [item("a"), item("b", ttl={"N": "7"}), item("c")]


def test_a_statement_names_any_attribute() -> None:
    first, second = (shareable(name, **{'it\'s "odd"': {"N": "1"}}) for name in "ab")
    (statement, _) = requests.joined([first, second]).params["Statements"]
    assert statement["Statement"] == (
        f"INSERT INTO \"{TABLE}\" VALUE {{'PK': ?, 'SK': ?, 'B': ?, 'it''s \"odd\"': ?}}"
    )
    assert statement["Parameters"] == list(first.params["Item"].values())


def test_a_lone_put_is_a_put() -> None:
    entries, (reply,) = gathered(shareable("a"))
    table = FakeTable()
    send(table, entries)
    (call,) = table.calls
    assert (call.method, call.shareable, call.retried) == ("put_item", False, False)
    assert reply.result(0) == {}


def test_a_request_holds_as_many_puts_as_dynamodb_takes_and_none_twice() -> None:
    entries, _ = gathered(*(shareable(str(n)) for n in range(60)), shareable("59"))
    assert [len(group) for group in groups(entries)] == [25, 25, 10, 1]


def test_a_put_that_was_given_up_is_not_sent() -> None:
    entries, replies = gathered(shareable("a"), shareable("b"))
    replies[0].cancel()
    table = FakeTable()
    send(table, entries)
    assert list(table.items) == [("thread", "b")]


def test_nothing_is_sent_if_all_have_given_up() -> None:
    entries, (reply,) = gathered(shareable("a"))
    reply.cancel()
    table = FakeTable()
    send(table, entries)
    assert table.calls == []


# What comes back


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("DuplicateItem", ConflictError),
        ("ThrottlingError", ThrottledError),
        ("ProvisionedThroughputExceeded", ThrottledError),
        ("InternalServerError", UnavailableError),
        ("AccessDenied", AccessDeniedError),
        ("ValidationError", RequestRejectedError),
        ("SomethingNew", RequestRejectedError),
    ],
)
def test_a_statement_that_failed_fails_its_put_alone(code: str, error: type[Exception]) -> None:
    answer = {"Responses": [{}, {"Error": {"Code": code, "Message": "why"}}]}
    entries, replies = gathered(shareable("a"), shareable("b"))
    send(FakeTable(lambda call: answer), entries)
    assert replies[0].result(0) == {}
    failed = replies[1].result(0)
    assert type(failed.error) is error
    assert str(failed.error) == f"INSERT: {code}: why"


def test_a_statement_without_a_response_fails_its_put() -> None:
    entries, replies = gathered(shareable("a"), shareable("b"))
    send(FakeTable(lambda call: {"Responses": [{}]}), entries)
    assert replies[0].result(0) == {}
    assert isinstance(replies[1].result(0), Failed)


def test_a_request_that_failed_fails_all_its_puts() -> None:
    error = AccessDeniedError("no")
    entries, replies = gathered(shareable("a"), shareable("b"))

    def fail(_: Call) -> None:
        raise error

    send(FakeTable(fail), entries)
    assert [reply.result(0) for reply in replies] == [Failed(error)] * 2


# What the operation makes of it


def fails_if_shared(error: Exception) -> Callable[[Call], Any]:
    return lambda call: Failed(error) if call.shareable else None


@pytest.mark.parametrize(
    ("error", "backoffs", "goes_on"),
    [
        (ConflictError("there"), [], True),
        (ThrottledError("slow"), [0], True),
        (UnavailableError("no answer"), [0], True),
        (AccessDeniedError("no"), [], False),
        (RequestRejectedError("no"), [], False),
    ],
)
def test_what_failed_in_company_is_sent_alone(
    error: Exception, backoffs: list[int], goes_on: bool, caplog: pytest.LogCaptureFixture
) -> None:
    shared = SharedPuts()
    table = FakeTable(fails_if_shared(error))
    around = context(shared_puts=shared)
    with caplog.at_level(logging.WARNING):
        assert table.run(put_new(around, [item("a"), item("b")])) == [{}, {}]
        table.run(put_new(around, [item("c")]))
    assert [call.shareable for call in table.calls] == [
        *(True, True),
        *(False, False),
        *((True, False) if goes_on else (False,)),
    ]
    assert table.backoffs == backoffs * 2
    assert [record.name for record in caplog.records] == (
        [] if goes_on else ["langgraph_checkpoint_dynamodb"]
    )
    if not goes_on:
        assert "dynamodb:PartiQLInsert" in caplog.text
        assert "DynamoDB's answer: no" in caplog.text


def test_a_put_that_fails_alone_too_says_nothing_about_sharing() -> None:
    shared = SharedPuts()

    def refuse(call: Call) -> Any:
        if call.shareable:
            return Failed(AccessDeniedError("expired"))
        raise AccessDeniedError("expired")

    with pytest.raises(AccessDeniedError, match="expired"):
        FakeTable(refuse).run(put_new(context(shared_puts=shared), [item("a")]))
    assert shared.allowed


def test_the_reply_of_the_put_alone_counts() -> None:
    table = FakeTable(fails_if_shared(ConflictError("there")))
    table.items["thread", "a"] = item("a", b"older")
    (reply,) = table.run(put_new(context(shared_puts=SharedPuts()), [item("a")]))
    assert reply == ConditionFailed(item("a", b"older"))


@pytest.mark.parametrize(
    ("shared", "size", "expected"),
    [(None, 1, False), (SharedPuts(), 4096, True), (SharedPuts(), 4097, False)],
)
def test_small_puts_are_shared_where_that_is_allowed(
    shared: SharedPuts | None, size: int, expected: bool
) -> None:
    table = FakeTable()
    table.run(put_new(context(shared_puts=shared), [item("a", bytes(size))]))
    assert table.calls[0].shareable is expected


def test_share_puts_is_true_or_false() -> None:
    with pytest.raises(ConfigurationError, match="share_puts='yes': use True or False"):
        DynamoDBConfig(share_puts="yes")  # type: ignore[arg-type]


# On the engine


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


class Crowd:
    """A saver that shares puts, and chats that use it at once."""

    def __init__(self, make_saver: MakeSaver, mode: str, **settings: Any) -> None:
        self.costs = Meddling()
        self.saver = make_saver(mode=mode, costs=self.costs, share_puts=True, **settings)
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
    client = Either(make_saver(mode=mode, costs=costs), use_async=mode != "sync")
    costs.reset()
    calls = [partial(put, client, config_of(f"chat-{n}"), {"said": "a"}) for n in range(5)]
    await at_once(client, calls, awaited=0, native=mode == "async")
    assert costs.calls == {"PutItem": 5}
