"""A request that is sent for the connection that it opens, or for its error; not for its reply."""

from __future__ import annotations

from ..format import requests
from ..runtime.effects import Operation

_NO_ITEM = ("\x00", "\x00")
"""Bounds that no sort key lies in."""

_NO_THREAD = "?"


def open_connection(table: str, thread_id: str) -> Operation[None]:
    """Query what no thread has.

    A query is what every role may send that runs a graph. DynamoDB bills at most the half read
    unit of a small read that need not be consistent.
    """
    yield [requests.query(table, thread_id, _NO_ITEM, limit=1, consistent=False)]


def refuse_other_keys(table: str) -> Operation[None]:
    """Query what no thread has, after a scan that found nothing or strange items.

    That is all that a scan tells of a table with other keys; a query of it is refused.

    Raises:
        TableMismatchError: The table has other keys.
    """
    return open_connection(table, _NO_THREAD)
