"""A request that is sent for the connection that it opens, or for its error; not for its reply."""

from __future__ import annotations

from ..format import requests
from ..runtime.effects import Operation

_NO_ITEM = ("\x00", "\x00")
"""Bounds that no sort key lies in."""


def open_connection(table: str, thread_id: str) -> Operation[None]:
    """Query what no thread has.

    A query is what every role may send that runs a graph. DynamoDB bills at most the half read
    unit of a small read that need not be consistent.

    Raises:
        TableMismatchError: The table has other keys. A scan of it only finds nothing.
    """
    yield [requests.query(table, thread_id, _NO_ITEM, limit=1, consistent=False)]
