"""Request coalescing: puts of different operations in one request, with `share_puts=True`.

DynamoDB bills items, but a request costs the client more CPU time than building an item. Calls are
never delayed to fill a request: it contains the calls that are pending when a worker thread, or the
next iteration of the event loop, sends it. If the request fails, each put is sent again separately.
Measured with 64 concurrent chats: 1.6 to 2 times as many turns a second (docs/performance.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Lock
from typing import Any, NamedTuple, Protocol

from ..errors import (
    AccessDeniedError,
    ConflictError,
    RequestRejectedError,
    StorageError,
    ThrottledError,
    UnavailableError,
)
from ..format import requests
from ..runtime.counters import Counters
from ..runtime.effects import Call, Failed, Operation, Reply


class Waiter(Protocol):
    """The common interface of `concurrent.futures.Future` and `asyncio.Future`."""

    def done(self) -> bool: ...  # noqa: D102
    def set_result(self, result: Any, /) -> None: ...  # noqa: D102


class PendingCall(NamedTuple):
    """A shareable call, the future of its reply, and the counters of its operation."""

    call: Call
    waiter: Waiter
    counters: Counters | None = None


_ERRORS: dict[str, type[StorageError]] = {
    "AccessDenied": AccessDeniedError,
    "ConditionalCheckFailed": ConflictError,
    "DuplicateItem": ConflictError,
    "InternalServerError": UnavailableError,
    "ProvisionedThroughputExceeded": ThrottledError,
    "RequestLimitExceeded": ThrottledError,
    "ThrottlingError": ThrottledError,
    "TransactionConflict": UnavailableError,
}
"""Of a statement in a batch.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html"""


class Gathering:
    """Shareable calls that are not sent yet."""

    def __init__(self) -> None:
        self._entries: list[PendingCall] = []
        self._lock = Lock()

    def add(
        self,
        call: Call,
        waiter: Waiter,
        start: Callable[[], object],
        counters: Counters | None = None,
    ) -> None:
        """Add a call. Before the first one, `start` schedules the sender.

        Before, so that no call is left pending if `start` raises.
        """
        with self._lock:
            if not self._entries:
                start()
            self._entries.append(PendingCall(call, waiter, counters))

    def take(self) -> list[PendingCall]:
        """Remove and return all pending calls."""
        with self._lock:
            entries, self._entries = self._entries, []
        return entries


def groups(entries: Sequence[PendingCall]) -> Iterator[list[PendingCall]]:
    """Split calls into requests: at most 25 items each, and no key twice in one."""
    group: list[PendingCall] = []
    keys: set[tuple[str, str]] = set()
    for entry in entries:
        key = requests.key_put(entry.call)
        if len(group) == requests.MAX_BATCH_WRITE or key in keys:
            yield group
            group, keys = [], set()
        group.append(entry)
        keys.add(key)
    if group:
        yield group


def send_shared(group: Sequence[PendingCall]) -> Operation[None]:
    """Send a group in one request, and set each future; to `Failed` for a put that failed."""
    try:
        waiting = [entry for entry in group if not entry.waiter.done()]  # nor cancelled
        if waiting:
            call = requests.joined([entry.call for entry in waiting])
            (reply,) = yield [call]
            _share_units(payer(group), waiting, reply)
            _answer(waiting, _replies(call, reply))
    except Exception as error:  # noqa: BLE001 - set in the futures
        _answer(group, itertools.repeat(Failed(error)))
    finally:
        abandon(group)


def payer(group: Sequence[PendingCall]) -> Counters | None:
    """The counters that a shared request is counted in: those of one operation."""
    return group[0].counters


def _share_units(first: Counters | None, entries: Sequence[PendingCall], reply: Reply) -> None:
    """Count the units of each put for its own operation; the request's sum was the payer's.

    DynamoDB reports them in the order of the statements.
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html
    """
    consumed = reply.get("ConsumedCapacity") if isinstance(reply, dict) else None
    if first is None or not isinstance(consumed, list) or len(consumed) != len(entries):
        return
    for entry, units in zip(entries, consumed, strict=True):
        if entry.counters is not None and entry.counters is not first:
            first.add(write_units=-units["CapacityUnits"])
            entry.counters.add(write_units=units["CapacityUnits"])


def abandon(entries: Sequence[PendingCall]) -> None:
    """Set the futures of calls that were not sent."""
    _answer(entries, itertools.repeat(Failed(UnavailableError("the request was cancelled"))))


def _replies(call: Call, reply: Reply) -> Iterable[Reply]:
    if call.method != "batch_execute_statement":
        return itertools.repeat(reply)
    return map(_inserted, reply["Responses"])


def _inserted(response: dict[str, Any]) -> Reply:
    """The reply to a put, given the response to its `INSERT`."""
    error = response.get("Error")
    if error is None:
        return {}
    code = error.get("Code", "")
    kind = _ERRORS.get(code, RequestRejectedError)
    return Failed(kind(f"INSERT: {code}: {error.get('Message', '')}"))


def _answer(entries: Sequence[PendingCall], replies: Iterable[Reply]) -> None:
    for entry, reply in zip(entries, replies, strict=False):
        if not entry.waiter.done():
            entry.waiter.set_result(reply)
