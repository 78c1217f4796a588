"""Calls of different operations that are sent as one request.

DynamoDB bills items, but a request costs the client more processor time than making the item
does. So where many threads work at once, their announcements share requests, and their puts if
the configuration says so. None waits for company: a request takes along what has gathered by
the time that a thread, or the next round of the event loop, gets to it. What is wrong with it
fails no operation: a chunk that was announced stands in its item, too, and a put is sent again
by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Lock
from typing import Any, Protocol, TypeAlias

from . import requests
from .errors import (
    AccessDeniedError,
    ConflictError,
    RequestRejectedError,
    StorageError,
    ThrottledError,
    UnavailableError,
)
from .operation import Call, Failed, Operation, Reply


class Waiter(Protocol):
    """What the futures of threads and those of event loops have in common."""

    def done(self) -> bool: ...  # noqa: D102
    def set_result(self, result: Any, /) -> None: ...  # noqa: D102


Entry: TypeAlias = tuple[Call, Waiter]

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
    """Shareable calls that nobody has sent yet, and who waits for their replies."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lock = Lock()

    def add(self, call: Call, waiter: Waiter, start: Callable[[], object]) -> None:
        """Let a call wait. Before the first, `start` is called, to have them taken and sent.

        Before, so that nothing is left waiting if it fails or is interrupted.
        """
        with self._lock:
            if not self._entries:
                start()
            self._entries.append((call, waiter))

    def take(self) -> list[Entry]:
        """All that wait; the next to come is the first again."""
        with self._lock:
            entries, self._entries = self._entries, []
        return entries


def groups(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """What one request holds: one method, so many items, and none of them twice."""
    for method in {call.method: None for call, _ in entries}:
        yield from _groups_of_one([entry for entry in entries if entry[0].method == method])


def send_shared(group: Sequence[Entry]) -> Operation[None]:
    """Send a group in one request, and answer whoever waits.

    A put gets its own reply, a batch write that of the whole request, and a call that was not
    carried out `Failed`.
    """
    try:
        waiting = [entry for entry in group if not entry[1].done()]  # nor cancelled
        if waiting:
            call = requests.joined([call for call, _ in waiting])
            (reply,) = yield [call]
            _answer(waiting, _replies(call, reply))
    except Exception as error:  # noqa: BLE001 - those who wait are told
        _answer(group, itertools.repeat(Failed(error)))
    finally:
        abandon(group)


def abandon(entries: Sequence[Entry]) -> None:
    """Let nobody wait any longer for what was not sent."""
    _answer(entries, itertools.repeat(Failed(UnavailableError("the request was cancelled"))))


def _groups_of_one(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    group: list[Entry] = []
    keys: set[tuple[str, str]] = set()
    for call, waiter in entries:
        more = requests.keys_put(call)
        if group and (len(keys) + len(more) > requests.MAX_BATCH_WRITE or keys & more):
            yield group
            group, keys = [], set()
        group.append((call, waiter))
        keys |= more
    if group:
        yield group


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


def _answer(entries: Sequence[Entry], replies: Iterable[Reply]) -> None:
    for (_, waiter), reply in zip(entries, replies, strict=False):
        if not waiter.done():
            waiter.set_result(reply)
