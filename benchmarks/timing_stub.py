"""A table without a network, so that what remains of a saver's time is its own.

It stands where boto3's client does. Its items lie in SQLite, in a file if memory is
measured, and it tells how long it took itself.
"""

import pickle
import sqlite3
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

KEY = ("PK", "SK")

_METADATA = {"ResponseMetadata": {"RequestId": "1", "HTTPStatusCode": 200}}
"""What botocore adds to a reply of DynamoDB."""


class StubSession:
    """In place of a `boto3.Session`: every client is on the one table."""

    region_name = "us-east-1"

    def __init__(self, path: str = ":memory:") -> None:
        self.table = StubTable(path)

    def client(self, _service: str, **_: Any) -> "StubTable":
        return self.table


class StubTable:
    """Answers what the saver asks of a table of its keys, and at once."""

    meta = SimpleNamespace(events=SimpleNamespace(register=lambda *_, **__: None))

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._spent = threading.local()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(
            "CREATE TABLE items (pk TEXT, sk TEXT, item BLOB, PRIMARY KEY (pk, sk)) WITHOUT ROWID"
        )

    def cpu_seconds(self) -> float:
        """CPU time that this thread has spent in here."""
        return getattr(self._spent, "seconds", 0.0)

    def close(self) -> None:
        """Of a client: the saver closes it."""

    def put_item(self, **params: Any) -> dict[str, Any]:
        return self._timed(lambda: self._put(params))

    def query(self, **params: Any) -> dict[str, Any]:
        return self._timed(lambda: self._query(params))

    def batch_write_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        def write() -> dict[str, Any]:
            for request in (each for table in RequestItems.values() for each in table):
                self._store(request["PutRequest"]["Item"])
            return {"UnprocessedItems": {}}

        return self._timed(write)

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        def read() -> dict[str, Any]:
            found = {
                name: [item for key in table["Keys"] if (item := self._load(key)) is not None]
                for name, table in RequestItems.items()
            }
            return {"Responses": found}

        return self._timed(read)

    def _timed(self, answer: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        started = time.thread_time()
        try:
            with self._lock:
                return {**answer(), **_METADATA}
        finally:
            self._spent.seconds = self.cpu_seconds() + time.thread_time() - started

    def _put(self, params: dict[str, Any]) -> dict[str, Any]:
        item = params["Item"]
        if "attribute_not_exists" in params.get("ConditionExpression", ""):
            old = self._load(item)
            if old is not None:
                raise ClientError(
                    {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": old},  # type: ignore[typeddict-unknown-key]
                    "PutItem",
                )
        self._store(item)
        return {}

    def _query(self, params: dict[str, Any]) -> dict[str, Any]:
        values = params["ExpressionAttributeValues"]
        order = "ASC" if params.get("ScanIndexForward", True) else "DESC"
        limit = params.get("Limit", -1)
        rows = self._database.execute(
            "SELECT item FROM items WHERE pk = ? AND sk BETWEEN ? AND ?"
            f" ORDER BY sk {order} LIMIT ?",
            [values[name]["S"] for name in (":pk", ":low", ":high")] + [limit],
        ).fetchall()
        items = [pickle.loads(row) for (row,) in rows]
        reply: dict[str, Any] = {"Items": items}
        if len(items) == limit:
            reply["LastEvaluatedKey"] = {name: items[-1][name] for name in KEY}
        return reply

    def _store(self, item: dict[str, Any]) -> None:
        row = (item["PK"]["S"], item["SK"]["S"], pickle.dumps(item))
        self._database.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?)", row)

    def _load(self, key: dict[str, Any]) -> dict[str, Any] | None:
        found = self._database.execute(
            "SELECT item FROM items WHERE pk = ? AND sk = ?", [key[name]["S"] for name in KEY]
        ).fetchone()
        return found and pickle.loads(found[0])
