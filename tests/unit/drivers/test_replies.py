"""Answers on the wire that are not DynamoDB's, or not all of it: never taken for a success."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import repeat
from typing import Any

import pytest

from clients import KEYS, REGION, sync_session
from langgraph_checkpoint_dynamodb import (
    AccessDeniedError,
    DynamoDBConfig,
    DynamoDBSaver,
    RequestRejectedError,
    UnavailableError,
)
from langgraph_checkpoint_dynamodb.format import requests
from langgraph_checkpoint_dynamodb.runtime.effects import AUTOSCALING, Call, Operation
from sessions import MODES

ITEM = {"PK": {"S": "thread"}, "SK": {"S": "S#0#x"}, "B": {"B": b"\x00"}}
CALLS = {
    "put_item": requests.put_new("chat", ITEM),
    "update_item": requests.extend_ttl("chat", requests.key("thread", "S#0#x"), "ttl", 1, "T"),
    "batch_write_item": requests.batch_write("chat", [{"PutRequest": {"Item": ITEM}}]),
    "batch_get_item": requests.batch_get("chat", [requests.key("thread", "x")], consistent=True),
    "query": requests.query("chat", "thread", ("a", "b")),
    "scan": requests.scan_checkpoints("chat", None),
    "describe_table": Call("describe_table", {"TableName": "chat"}),
    "describe_time_to_live": Call("describe_time_to_live", {"TableName": "chat"}),
    "delete_table": Call("delete_table", {"TableName": "chat"}),
    "list_tags_of_resource": Call("list_tags_of_resource", {"ResourceArn": "arn:chat"}),
    "describe_scalable_targets": Call(
        "describe_scalable_targets", {"ServiceNamespace": "dynamodb"}, AUTOSCALING
    ),
}
WHOLE = {
    "put_item": b"{}",
    "update_item": b"{}",
    "batch_write_item": b'{"UnprocessedItems":{}}',
    "batch_get_item": b'{"Responses":{},"UnprocessedKeys":{}}',
    "query": b'{"Items":[],"Count":0,"ScannedCount":0}',
    "scan": b'{"Items":[],"Count":0,"ScannedCount":0}',
    "describe_table": b'{"Table":{}}',
    "describe_time_to_live": b'{"TimeToLiveDescription":{}}',
    "delete_table": b'{"TableDescription":{}}',
    "list_tags_of_resource": b'{"Tags":[]}',
    "describe_scalable_targets": b'{"ScalableTargets":[]}',
}
NULLS = b'{"Items":null,"Responses":null,"UnprocessedItems":null,"Table":null}'
NO_OBJECTS = (b"[]", b"null", b"1", b'"text"', b'{"Items":1,"Responses":[],"Attributes":2}')
JSON = b"application/x-amz-json-1.0"
OF_DYNAMODB = b"x-amzn-RequestId: 1"


def head(content_type: bytes = JSON, length: int | None = None, *more: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Content-Type: " + content_type, b"Connection: close", *more]
    if length is not None:
        lines.append(b"Content-Length: %d" % length)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def whole(body: bytes) -> bytes:
    return head(JSON, len(body), OF_DYNAMODB) + body


def answers(body: bytes) -> dict[str, bytes]:
    """Answers of status 200 that must not count; the engine's own always has a length."""
    page = b"<html>log in</html>"
    wrong = {
        "a page": head(b"text/html", len(page)) + page,
        "a page that says JSON": head(b"application/json", 2) + b"{}",
        "nothing": head(b"text/plain", 0),
        "nothing that says it is DynamoDB's": head(length=0),
        "an object that says it is DynamoDB's": head(length=2) + b"{}",
        "nulls": head(length=len(NULLS)) + NULLS,
        "cut in the body": whole(body)[:-1],
        "cut in the head": head()[:40],
        "not HTTP": b"garbage\r\n\r\n",
        **{f"JSON that is {one!r}": head(length=len(one)) + one for one in NO_OBJECTS},
    }
    if body != b"{}":
        wrong["cut, without a length"] = head(JSON, None, OF_DYNAMODB) + body[:-1]
        wrong["empty"] = head(JSON, 0, OF_DYNAMODB)
    return wrong


@contextmanager
def serving(replies: Iterator[bytes]) -> Iterator[str]:
    """A server that gives each connection the next reply, and then closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                for reply in replies:
                    connection, _ = listener.accept()
                    with connection:
                        receive(connection)
                        connection.sendall(reply)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.close()


def receive(connection: socket.socket) -> None:
    """A whole request: an unread rest would make closing a reset."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(1 << 16)
    top, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in top.splitlines()
        if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(1 << 16)


def run(mode: str, url: str, calls: list[Call], max_retries: int) -> Any:
    def operation() -> Operation[Any]:
        replies = []
        for call in calls:
            replies += yield [call]
        return replies

    keys: dict[str, Any] = {"session": sync_session()} if mode == "threads" else KEYS
    config = DynamoDBConfig(
        region_name=REGION,
        endpoint_url=url,
        max_retries=max_retries,
        initial_retry_delay=0,
        max_retry_delay=0,
        **keys,
    )
    saver = DynamoDBSaver(config)

    async def in_loop() -> Any:
        async with saver:
            return await saver._arun(operation())

    with saver:
        return saver._run(operation()) if mode == "sync" else asyncio.run(in_loop())


@pytest.mark.parametrize("mode", MODES)
def test_what_is_no_whole_answer_is_asked_again(mode: str) -> None:
    script: list[bytes] = []
    asked = []
    for method, body in WHOLE.items():
        for wrong in answers(body).values():
            script += [wrong, whole(body)]
            asked.append(CALLS[method])
    left = iter(script)
    with serving(left) as url:
        # More than one: a client may try a connection that is just being closed.
        replies = run(mode, url, asked, max_retries=9)
    told = [reply["ResponseMetadata"]["HTTPHeaders"] for reply in replies]
    assert [headers["content-type"] for headers in told] == [JSON.decode()] * len(asked)
    assert next(left, None) is None, "a wrong answer was taken for a whole one"


PAGE = b"<html>log in at http://user:hidden@host</html>"
FOREIGN = {
    "page": (head(b"text/html", len(PAGE)) + PAGE, 200),
    "page, cut": (head(b"text/html") + PAGE, 200),
    "moved": (head(b"text/html", len(PAGE)).replace(b"200 OK", b"301 Moved") + PAGE, 301),
    "bad gateway": (head(b"text/html", len(PAGE)).replace(b"200 OK", b"502 Bad") + PAGE, 502),
    "list": (head(b"text/plain", len(PAGE) + 4) + b'["' + PAGE + b'"]', 200),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", FOREIGN)
def test_an_answer_of_another_server_is_an_error_that_quotes_it(mode: str, kind: str) -> None:
    reply, status = FOREIGN[kind]
    with serving(repeat(reply)) as url, pytest.raises(UnavailableError) as raised:
        run(mode, url, [CALLS["describe_table"]], max_retries=1)
    told = str(raised.value)
    assert f"describe_table on table 'chat' in region {REGION} at {url[7:]}: HTTP {status}" in told
    assert ", not the answer of dynamodb (a proxy's?): " in told
    assert "<html>log in at http://host</html>" in told
    assert "tried 2 times" in told


@pytest.mark.parametrize("mode", MODES)
def test_a_proxy_that_denies_is_quoted(mode: str) -> None:
    reply = FOREIGN["page"][0].replace(b"200 OK", b"403 Forbidden")
    with serving(repeat(reply)) as url, pytest.raises(AccessDeniedError, match=r"403.*<html>"):
        run(mode, url, [CALLS["query"]], max_retries=0)


@pytest.mark.parametrize("mode", MODES)
def test_an_error_of_dynamodb_names_table_region_and_host(mode: str) -> None:
    body = b'{"__type":"com.amazonaws.dynamodb.v20120810#ValidationException","message":"no"}'
    reply = head(length=len(body)).replace(b"200 OK", b"400 Bad Request") + body
    where = rf"put_item on table 'chat' in region {REGION} at 127\.0\.0\.1:\d+: Validation"
    with serving(repeat(reply)) as url, pytest.raises(RequestRejectedError, match=where):
        run(mode, url, [CALLS["put_item"]], max_retries=0)


def test_a_client_of_a_users_test_may_answer_with_plain_dictionaries() -> None:
    """Without botocore's metadata and events; a part that is missing is an error all the same."""

    class Double:
        def __init__(self) -> None:
            self.reply: Any = {"Items": []}

        def client(self, name: str, **_: Any) -> Double:
            return self

        def query(self, **_: Any) -> Any:
            return self.reply

        def close(self) -> None: ...

    double = Double()
    saver = DynamoDBSaver(DynamoDBConfig(session=double, region_name=REGION, max_retries=0))
    config: Any = {"configurable": {"thread_id": "thread"}}
    assert saver.get_tuple(config) is None
    double.reply = {}
    with pytest.raises(UnavailableError, match="without Items"):
        saver.get_tuple(config)
