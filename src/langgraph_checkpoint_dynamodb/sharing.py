"""Calls of different operations that are sent as one request.

Where many threads work at once, each announces a chunk with most of its checkpoints. DynamoDB
bills the items, but a request costs the client more processor time than making the item
does. So announcements share requests. None waits for company: a request takes along what has
gathered by the time that a thread, or the next round of the event loop, gets to it. And none
fails its operation, whose chunk stands in its item, too: what is wrong with one would fail all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Any, Protocol, TypeAlias

from . import requests
from .errors import UnavailableError
from .operation import Call, Failed, Operation, Reply


class Waiter(Protocol):
    """What the futures of threads and those of event loops have in common."""

    def done(self) -> bool: ...  # noqa: D102
    def set_result(self, result: Any, /) -> None: ...  # noqa: D102


Entry: TypeAlias = tuple[Call, Waiter]


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


def send_shared(entries: Sequence[Entry]) -> Operation[None]:
    """Send what has gathered. Each call is answered with its request's whole reply."""
    try:
        for group in _groups(entries):
            yield from _send_group(group)
    finally:
        abandon(entries)


def abandon(entries: Sequence[Entry]) -> None:
    """Let nobody wait any longer for what was not sent."""
    _answer(entries, Failed(UnavailableError("the request was cancelled")))


def _send_group(group: Sequence[Entry]) -> Operation[None]:
    try:
        (reply,) = yield [requests.joined([call for call, _ in group])]
    except Exception as error:  # noqa: BLE001 - those who wait are told
        reply = Failed(error)
    _answer(group, reply)


def _answer(entries: Sequence[Entry], reply: Reply) -> None:
    for _, waiter in entries:
        if not waiter.done():  # nor cancelled
            waiter.set_result(reply)


def _groups(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """What one request holds: so many items, and none of them twice."""
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
