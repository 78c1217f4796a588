"""What a driver logs of requests, throttles and retries, and what it asks DynamoDB to report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaverError
from langgraph_checkpoint_dynamodb.drivers import coalescing
from langgraph_checkpoint_dynamodb.drivers.metering import Meter
from langgraph_checkpoint_dynamodb.drivers.pacing import Pacer
from langgraph_checkpoint_dynamodb.format import requests
from langgraph_checkpoint_dynamodb.runtime.counters import Counters
from langgraph_checkpoint_dynamodb.runtime.effects import Call, Operation, advance
from sessions import MODES, Scripted, refusal, with_request_id

LOGGER = "langgraph_checkpoint_dynamodb"
ITEM = {**requests.key("a thread", "C##1"), "B": {"B": b"a secret of the thread"}}
PUT = requests.put_new("chats", ITEM)
QUERY = requests.query("chats", "a thread", ("a", "b"))
BATCH = requests.batch_write("chats", [{"PutRequest": {"Item": ITEM}}])
DESCRIBE = Call("describe_table", {"TableName": "chats"})
REPLIES: dict[str, Any] = {
    "put_item": {"ConsumedCapacity": {"CapacityUnits": 2.0}},
    "query": {"Items": [], "ConsumedCapacity": {"CapacityUnits": 0.5}},
    "batch_write_item": {
        "UnprocessedItems": {},
        "ConsumedCapacity": [{"CapacityUnits": 3.0}],
    },
    "describe_table": {"Table": {}},
}


def send(*calls: Call) -> Operation[Any]:
    replies = []
    for call in calls:
        replies += yield [call]
    return replies


def answers(*replies: Any) -> Callable[[Call], Any]:
    script: Iterator[Any] = iter(replies)
    return lambda call: next(script)


@pytest.fixture(params=MODES)
def scripted(request: pytest.FixtureRequest) -> Scripted:
    return Scripted(request.param)


def test_units_are_asked_for_only_if_somebody_wants_to_know(
    scripted: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    calls = [PUT, QUERY, BATCH, DESCRIBE]
    answer = lambda call: REPLIES[call.method]  # noqa: E731
    saver = scripted.saver(answer)
    scripted.run(saver, send(*calls))
    assert scripted.session.calls == calls
    with caplog.at_level(logging.DEBUG, LOGGER):
        saver = scripted.saver(answer)
        scripted.run(saver, send(*calls))
    asked = [call.params.get("ReturnConsumedCapacity") for call in scripted.session.calls]
    assert asked == ["TOTAL", "TOTAL", "TOTAL", None]
    assert "ReturnConsumedCapacity" not in PUT.params


def test_a_request_is_logged_with_its_units_and_milliseconds_and_without_content(
    scripted: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, LOGGER):
        saver = scripted.saver(lambda call: REPLIES[call.method])
        scripted.run(saver, send(PUT, QUERY, BATCH, DESCRIBE))
    texts = [message.rpartition(" in ")[0] for message in caplog.messages]
    assert texts == [
        "put_item on table 'chats' in region eu-west-1, thread 'a thread': 2 write units",
        "query on table 'chats' in region eu-west-1, thread 'a thread': 0.5 read units",
        "batch_write_item on table 'langgraph-checkpoint' in region eu-west-1, thread 'a thread': "
        "3 write units",
        "describe_table on table 'chats' in region eu-west-1: answered",
    ]
    assert all(message.endswith(" ms") for message in caplog.messages)
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}
    assert "secret" not in caplog.text


def test_a_failed_request_is_logged_without_the_text_of_its_error(
    scripted: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    condition = refusal("ConditionalCheckFailedException")
    rejected = refusal("ValidationException", message="the value 'a secret' is not allowed")
    with caplog.at_level(logging.DEBUG, LOGGER):
        saver = scripted.saver(answers(condition, rejected))
        with pytest.raises(DynamoDBSaverError):
            scripted.run(saver, send(PUT, PUT))
    told = [message.split(": ")[1].rpartition(" in ")[0] for message in caplog.messages]
    assert told == ["the condition does not hold", "RequestRejectedError (ValidationException)"]
    assert "secret" not in caplog.text


def test_throttles_are_warned_of_once_a_second_and_name_no_thread(
    scripted: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    throttle = refusal("ProvisionedThroughputExceededException", message="thread 'a thread'")
    left = {"UnprocessedItems": {"chats": [{}]}}
    saver = scripted.saver(answers(throttle, throttle, REPLIES["put_item"], left))
    scripted.run(saver, send(PUT, BATCH))
    assert caplog.messages == [
        "put_item on table 'chats' in region eu-west-1 was throttled: "
        "ProvisionedThroughputExceededException"
    ]
    assert caplog.records[0].levelno == logging.WARNING


def test_what_a_batch_leaves_unprocessed_is_a_throttle(
    scripted: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    saver = scripted.saver(answers({"UnprocessedItems": {"chats": [{}]}}))
    scripted.run(saver, send(BATCH))
    assert caplog.messages == [
        "batch_write_item on table 'langgraph-checkpoint' in region eu-west-1 was throttled: "
        "DynamoDB left a part unprocessed"
    ]


def test_what_a_batch_leaves_unprocessed_paces_its_partition() -> None:
    meter = Meter(DynamoDBConfig(region_name="eu-west-1"), Pacer(lambda: 100.0))
    bulk = requests.batch_write("chats", [{"PutRequest": {"Item": ITEM}}] * 25)
    for reply, paced in (
        (REPLIES["batch_write_item"], False),
        ({"UnprocessedItems": {"a": 1}}, True),
    ):
        meter.begin(bulk, None).answered(with_request_id(reply), None)
        meter.begin(bulk, None)
        assert (meter.begin(bulk, None).delay > 0) is paced


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (refusal("InternalServerError", 500), "UnavailableError (InternalServerError)"),
        (
            EndpointConnectionError(endpoint_url="http://user:password@host"),
            "UnavailableError (EndpointConnectionError)",
        ),
    ],
)
def test_retries_are_warned_of(
    scripted: Scripted, caplog: pytest.LogCaptureFixture, error: Exception, told: str
) -> None:
    saver = scripted.saver(answers(error, error, REPLIES["put_item"]))
    scripted.run(saver, send(PUT))
    assert caplog.messages == [
        f"put_item on table 'chats' in region eu-west-1 failed with {told}; "
        "retry 1 (max_retries=3) in 0.00 s"
    ]
    assert caplog.records[0].levelno == logging.WARNING
    assert "password" not in caplog.text


def test_puts_that_share_a_request_each_count_their_own_units() -> None:
    gathering = coalescing.Gathering()
    counters = [Counters(), Counters(), None]
    for number, one in enumerate(counters):
        call = requests.put_new("chats", {**ITEM, "SK": {"S": str(number)}}, shareable=True)
        gathering.add(call, Future(), lambda: None, one)
    group = gathering.take()
    payer = coalescing.payer(group)
    assert payer is counters[0]
    operation = coalescing.send_shared(group)
    advance(operation)
    assert payer is not None
    payer.add(requests=1, write_units=7.0)  # what the driver counts
    units = [{"CapacityUnits": units} for units in (1.0, 2.0, 4.0)]
    advance(operation, [{"Responses": [{}, {}, {}], "ConsumedCapacity": units}])
    assert [(one.requests, one.write_units) for one in counters if one] == [(1, 5.0), (0, 2.0)]
