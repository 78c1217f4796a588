"""DynamoDB Local with AWS's limit of a partition in front of it: a proxy on the loopback.

A partition key takes 1,000 write units and 3,000 read units a second, in every capacity mode, and
what it did not use lately as a burst:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html

Beyond that a request fails with `ProvisionedThroughputExceededException`; a batch returns what it
could not do as unprocessed, and fails if it could do nothing:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
A bucket may be overdrawn by one request, as the units of a read are known after it.

A partition of the index of threads has the same limit, and writes to the table wait for it:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/gsi-throttling.html
"""

from __future__ import annotations

import json
import math
import threading
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import urllib3

THROTTLED = {
    "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
    "message": "The level of configured provisioned throughput for the table was exceeded.",
}


class Bucket:
    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._most = self._tokens = rate * burst
        self._at = time.monotonic()

    def has_any(self) -> bool:
        now = time.monotonic()
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return self._tokens > 0

    def take(self, units: float) -> None:
        self._tokens -= units


class Partitions:
    """The buckets of all partition keys, and what was asked of them."""

    def __init__(self, writes: float = 1000, reads: float = 3000, burst: float = 1) -> None:
        self._rates = {"write": writes, "read": reads}
        self._burst = burst
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._lock = threading.Lock()
        self.throttled = 0
        self._units: Counter[tuple[str, str]] = Counter()
        self.written: Counter[tuple[str, str]] = Counter()
        """How often each item was put, by key."""

    def has_any(self, kind: str, partition: str) -> bool:
        with self._lock:
            return self._bucket(kind, partition).has_any()

    def take(self, kind: str, partition: str, units: float) -> None:
        with self._lock:
            self._bucket(kind, partition).take(units)
            self._units[kind, partition] += units

    def admit(self, partition: str, request: dict[str, Any]) -> bool:
        """Let one item of a batch write pass, if the partition has any units left."""
        with self._lock:
            bucket = self._bucket("write", partition)
            if not bucket.has_any():
                return False
            units = write_units(request)
            bucket.take(units)
            self._units["write", partition] += units
            if "PutRequest" in request:
                self.written[key_of(request["PutRequest"]["Item"])] += 1
            return True

    def units_of(self, partition: str, kind: str) -> float:
        """The units that a partition's requests of a kind consumed."""
        return self._units[kind, partition]

    def _bucket(self, kind: str, partition: str) -> Bucket:
        made = Bucket(self._rates[kind], self._burst)
        return self._buckets.setdefault((kind, partition), made)


def key_of(item: dict[str, Any]) -> tuple[str, str]:
    return item["PK"]["S"], item["SK"]["S"]


def item_bytes(item: dict[str, Any]) -> int:
    return sum(
        len(name) + (len(b64decode(value["B"])) if "B" in value else len(str(*value.values())))
        for name, value in item.items()
    )


def write_units(request: dict[str, Any]) -> int:
    if "PutRequest" in request:
        return math.ceil(item_bytes(request["PutRequest"]["Item"]) / 1024)
    return 1


def index_write(body: dict[str, Any]) -> tuple[str, int] | None:
    """The partition of the index of threads that a request writes to, and its units there.

    An entry that moves is deleted from its old place.
    """
    if (body.get("Item") or body.get("Key") or {}).get("SK") != {"S": "D#"}:
        return None
    if "Item" in body:
        return f"index {body['Item']['O']['S']}", 1
    return f"index {body['ExpressionAttributeValues'][':o']['S']}", 2


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    partitions: Partitions
    engine: str
    pool: urllib3.PoolManager

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        action = self.headers["X-Amz-Target"].rpartition(".")[2]
        handle = getattr(self, f"_{action}", self._single)
        status, answer = handle(body)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("x-amzn-RequestId", "proxy")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass

    def _forward(self, body: dict[str, Any]) -> tuple[int, Any]:
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("host", "content-length", "accept-encoding")
        }
        reply = self.pool.request("POST", self.engine, body=json.dumps(body), headers=headers)
        return reply.status, json.loads(reply.data)

    def _single(self, body: dict[str, Any]) -> tuple[int, Any]:
        found = body.get("Item") or body.get("Key")
        values = body.get("ExpressionAttributeValues", {})
        if found is not None:
            kind, partition = "write", found["PK"]["S"]
        elif ":pk" in values:
            kind, partition = "read", values[":pk"]["S"]
        else:
            return self._forward(body)
        indexed = index_write(body)
        asked = [(kind, partition), *([] if indexed is None else [("write", indexed[0])])]
        if not all(self.partitions.has_any(*one) for one in asked):
            return self._throttle()
        status, answer = self._forward({**body, "ReturnConsumedCapacity": "TOTAL"})
        used = answer.pop("ConsumedCapacity", {}).get("CapacityUnits", 1)
        self.partitions.take(kind, partition, used)
        if indexed is not None and status == HTTPStatus.OK:
            self.partitions.take("write", *indexed)
        return status, answer

    def _BatchWriteItem(self, body: dict[str, Any]) -> tuple[int, Any]:  # noqa: N802
        ((table, requests),) = body["RequestItems"].items()
        taken, left = [], []
        for request in requests:
            found = request["PutRequest"]["Item"] if "PutRequest" in request else None
            key = found or request["DeleteRequest"]["Key"]
            admitted = self.partitions.admit(key["PK"]["S"], request)
            (taken if admitted else left).append(request)
        if not taken:
            return self._throttle()
        status, answer = self._forward({**body, "RequestItems": {table: taken}})
        if left:
            self.partitions.throttled += 1
            answer["UnprocessedItems"] = {
                table: [*answer.get("UnprocessedItems", {}).get(table, []), *left]
            }
        return status, answer

    def _BatchGetItem(self, body: dict[str, Any]) -> tuple[int, Any]:  # noqa: N802
        ((_, wanted),) = body["RequestItems"].items()
        partition = wanted["Keys"][0]["PK"]["S"]
        if not self.partitions.has_any("read", partition):
            return self._throttle()
        status, answer = self._forward({**body, "ReturnConsumedCapacity": "TOTAL"})
        used = answer.pop("ConsumedCapacity", [])
        self.partitions.take("read", partition, sum(one["CapacityUnits"] for one in used))
        return status, answer

    def _throttle(self) -> tuple[int, Any]:
        self.partitions.throttled += 1
        return 400, THROTTLED


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # many savers connect at once


@contextmanager
def limited(engine: str, partitions: Partitions) -> Iterator[str]:
    """The URL of a proxy in front of an engine."""
    pool = urllib3.PoolManager(maxsize=64, retries=False)
    members = {"partitions": partitions, "engine": engine, "pool": pool}
    handler = type("Handler", (_Handler,), members)
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        pool.clear()
