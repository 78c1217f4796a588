"""Puts of different operations that share a request: how they gather, and how they are answered."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any
from unittest.mock import Mock

import pytest

from fake_table import TABLE, FakeTable, item
from langgraph_checkpoint_dynamodb import (
    AccessDeniedError,
    ConflictError,
    RequestRejectedError,
    ThrottledError,
    UnavailableError,
)
from langgraph_checkpoint_dynamodb.drivers.coalescing import (
    Gathering,
    PendingCall,
    groups,
    send_shared,
)
from langgraph_checkpoint_dynamodb.format import requests
from langgraph_checkpoint_dynamodb.runtime.effects import Call, Failed, advance


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


def methods(table: FakeTable) -> list[str]:
    return [call.method for call in table.calls]


# Shared puts: what is sent


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
