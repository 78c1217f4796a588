"""Probes of permissions: what they ask, and what an answer means."""

from __future__ import annotations

from typing import Any

import pytest

from langgraph_checkpoint_dynamodb import AccessDeniedError, RequestRejectedError
from langgraph_checkpoint_dynamodb.format.thread_entries import THREAD_INDEX
from langgraph_checkpoint_dynamodb.infra import probe
from langgraph_checkpoint_dynamodb.infra.template import INDEXES
from langgraph_checkpoint_dynamodb.runtime.effects import Call, Done, advance

WRITES = {"put_item", "update_item", "delete_item"}


def outcome(call: Call, answer: Any = None, error: Exception | None = None) -> probe.Outcome:
    operation = probe.attempt(call)
    (sent,) = advance(operation)  # type: ignore[misc]
    assert (sent.method, sent.params, sent.retried) == (call.method, call.params, False)
    done = advance(operation, None if answer is None else [answer], error=error)
    assert isinstance(done, Done)
    return done.result


def test_no_write_can_succeed() -> None:
    found = {one.call.method: one.call for one in probe.probes("chats", "t", [])}
    assert found.keys() >= WRITES
    for method in WRITES:
        condition = found[method].params["ConditionExpression"]
        assert condition == "attribute_exists(PK) AND attribute_not_exists(PK)"
    (request,) = found["batch_write_item"].params["RequestItems"]["chats"]
    assert request == {"DeleteRequest": {"Key": {"PK": {"S": "t"}, "SK": {"S": "?"}}}}
    (statement,) = found["batch_execute_statement"].params["Statements"]
    # No endpoint stores an empty key: emulators store one of another type.
    assert statement["Parameters"][0] == {"S": ""}


def test_an_index_is_probed_if_there_is_one() -> None:
    names = [one.action for one in probe.probes("chats", "t", [*INDEXES, "of-somebody-else"])]
    assert [name for name in names if "index" in name] == [
        *("Query of index run-id", "Query of index threads", "Scan of index threads")
    ]


@pytest.mark.parametrize(("indexes", "more"), [([], []), ([THREAD_INDEX], ["UpdateItem"])])
def test_a_graph_needs_these_of_them(indexes: list[str], more: list[str]) -> None:
    needed = [one.action for one in probe.probes("chats", "t", indexes) if one.of_every_graph]
    assert needed == ["Query", "BatchGetItem", "PutItem", "BatchWriteItem", *more]


@pytest.mark.parametrize(
    ("error", "denied"), [(AccessDeniedError("no"), True), (RequestRejectedError("no"), False)]
)
def test_an_error_is_an_outcome(error: Any, denied: bool) -> None:
    found = outcome(Call("scan", {}), error=error)
    assert (found.error, found.is_denied) == (error, denied)


@pytest.mark.parametrize(("code", "denied"), [("AccessDenied", True), ("ValidationError", False)])
def test_partiql_reports_the_denial_in_its_reply(code: str, denied: bool) -> None:
    reply = {"Responses": [{"Error": {"Code": code, "Message": "words"}}]}
    assert outcome(Call("batch_execute_statement", {}), reply).is_denied == denied
