"""Reads and writes many items in few requests.

DynamoDB may leave part of a batch unprocessed, and splits a query into pages. The unprocessed
part is sent again with backoff. If DynamoDB repeatedly processes none of it, that is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from ..errors import ThrottledError
from ..format import keys, requests
from ..format.items import body_size, sort_key
from ..runtime.context import Context
from ..runtime.effects import Backoff, Call, Item, Operation
from ..runtime.plural import counted

T = TypeVar("T")

CALLS_A_ROUND = 16
"""Calls that are sent at once: enough to keep a connection pool busy, with bounded memory."""

_CALLS_A_PART = 4
"""With the smallest chunks; larger ones fill up to `CALLS_A_ROUND`."""

_DELETIONS_A_ROUND = 8 * CALLS_A_ROUND
"""DeleteItem calls that are sent at once. Each request and reply has no more than a key."""

_MAX_REQUEST_BYTES = 128 * 1024
"""DynamoDB accepts 16 MB, but serializing a larger request would block an event loop."""

_BATCH_GET = 40
"""DynamoDB accepts 100 keys, but parsing a larger reply would block an event loop. The read units
are the same."""


def _batches(entries: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (entries[start : start + size] for start in range(0, len(entries), size))


def _write_batches(entries: Sequence[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    size = 0
    for entry in entries:
        weight = body_size(entry["PutRequest"]["Item"]) if "PutRequest" in entry else 0
        full = len(batch) == requests.MAX_BATCH_WRITE or size + weight > _MAX_REQUEST_BYTES
        if batch and full:
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += weight
    if batch:
        yield batch


def rounds(entries: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split entries into parts of some calls each: what another operation waits for at once."""
    return _batches(entries, requests.MAX_BATCH_WRITE * _CALLS_A_PART)


def rounds_of_keys(entries: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split keys into parts that `get_all` reads in one round, unless some are left unprocessed."""
    return _batches(entries, _BATCH_GET * CALLS_A_ROUND)


def put_all(
    context: Context, items: Iterable[Item], stored: Callable[[str], None] | None = None
) -> Operation[None]:
    """Write items without a condition; returns when all are acknowledged.

    Args:
        context: The call's settings and time.
        items: The items.
        stored: Called with the sort key of each item as soon as it is acknowledged, also if the
            others fail.

    Raises:
        ThrottledError: DynamoDB repeatedly left all items unprocessed.
    """
    made = list(items)
    yield from _write(context, [{"PutRequest": {"Item": item}} for item in made], stored)
    if context.counters is not None:
        context.counters.chunks_written += sum(keys.is_chunk(sort_key(item)) for item in made)


def delete_all(context: Context, item_keys: Iterable[Item]) -> Operation[None]:
    """Delete items without a condition; returns when all deletions are acknowledged.

    Raises:
        ThrottledError: DynamoDB repeatedly left all items unprocessed.
    """
    return _write(context, [{"DeleteRequest": {"Key": item_key}} for item_key in item_keys])


def _write(
    context: Context, pending: list[Any], stored: Callable[[str], None] | None = None
) -> Operation[None]:
    table = context.table
    attempt = 0
    while pending:
        now, later = _split_round(pending, requests.MAX_BATCH_WRITE)
        calls = [requests.batch_write(table, batch) for batch in _write_batches(now)]
        if stored is not None:
            calls = [replace(one, on_reply=partial(_tell, one, stored)) for one in calls]
        replies = yield calls
        left = [request for reply in replies for request in requests.unprocessed(reply, table)]
        attempt = yield from _pause(context, attempt, len(left), len(now), "BatchWriteItem")
        pending = left + later


def _tell(call: Call, stored: Callable[[str], None], reply: Any) -> None:
    """Call `stored` with the sort key of each item that a batch write has put."""
    ((table, sent),) = call.params["RequestItems"].items()
    left = set(map(_key_put, requests.unprocessed(reply, table)))
    for key in map(_key_put, sent):
        if key not in left:
            stored(key)


def _key_put(request: Any) -> str:
    return sort_key(request["PutRequest"]["Item"])


def get_all(
    context: Context, item_keys: Sequence[Item], *, consistent: bool
) -> Operation[list[Item]]:
    """Read items by key, in any order; a key that does not exist is left out of the result.

    Raises:
        ThrottledError: DynamoDB repeatedly left all keys unprocessed.
    """
    table = context.table
    pending = list(item_keys)
    found: list[Item] = []
    attempt = 0
    while pending:
        now, later = _split_round(pending, _BATCH_GET)
        replies = yield [
            requests.batch_get(table, batch, consistent=consistent)
            for batch in _batches(now, _BATCH_GET)
        ]
        left: list[Item] = []
        for reply in replies:
            found += reply.get("Responses", {}).get(table, ())
            left += reply.get("UnprocessedKeys", {}).get(table, {}).get("Keys", ())
        attempt = yield from _pause(context, attempt, len(left), len(now), "BatchGetItem")
        pending = left + later
    return found


def _split_round(pending: list[T], batch: int) -> tuple[list[T], list[T]]:
    size = batch * CALLS_A_ROUND
    return pending[:size], pending[size:]


def _pause(context: Context, attempt: int, left: int, sent: int, action: str) -> Operation[int]:
    if not left:
        return 0
    if left < sent:  # some were processed, so DynamoDB is slow and not stuck
        yield Backoff(0)
        return 0
    if attempt >= context.max_resends:
        raise ThrottledError(
            f"{action} on table {context.table!r}: DynamoDB left {left} of "
            f"{counted(sent, 'item')} unprocessed {counted(attempt + 1, 'time')} in a row; raise "
            "the table's capacity, or max_retries"
        )
    yield Backoff(attempt)
    return attempt + 1


def read_range(call: Call) -> Operation[list[Item]]:
    """Read all pages of a query or scan."""
    items: list[Item] = []
    page: Call | None = call
    while page is not None:
        (reply,) = yield [page]
        items += reply["Items"]
        page = next_page(page, reply)
    return items


def read_keys(context: Context, thread_id: str, bounds: tuple[str, str]) -> Operation[list[Item]]:
    """Read the keys of a thread's items between two sort keys (both inclusive)."""
    call = requests.query(context.table, thread_id, bounds, attributes=("PK", "SK"))
    return (yield from read_range(call))


def delete_keys(context: Context, thread_id: str, sort_keys: Iterable[str]) -> Operation[None]:
    """Delete items of a thread by sort key, without a condition."""
    return delete_all(context, [requests.key(thread_id, key) for key in sort_keys])


def conditional_deletes(calls: Sequence[Call]) -> Operation[None]:
    """Send conditional deletions, which BatchWriteItem does not support."""
    for start in range(0, len(calls), _DELETIONS_A_ROUND):
        yield calls[start : start + _DELETIONS_A_ROUND]


def each_page(call: Call, take: Callable[[Sequence[Item]], Operation[None]]) -> Operation[None]:
    """Call `take` with the items of each page of a query or scan."""
    page: Call | None = call
    while page is not None:
        (reply,) = yield [page]
        yield from take(reply["Items"])
        page = next_page(page, reply)


def next_page(call: Call, reply: Any) -> Call | None:
    """The call for the page after `reply`; `None` after the last."""
    start = reply.get("LastEvaluatedKey")
    return replace(call, params={**call.params, "ExclusiveStartKey": start}) if start else None
