"""Turns at the interpreter's lock, for work that runs in a thread beside an event loop.

A thread that computes gives the lock up 5 ms after another thread has asked for it, and an event
loop asks several times in each of its rounds: it would stand still for tens of milliseconds.
Work that offers the lock now and then lets it go on at once.
https://docs.python.org/3/library/sys.html#sys.setswitchinterval
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def offer() -> None:
    """Let a thread go on that waits for the lock."""
    time.sleep(0)


def between(items: Iterable[T], every: int) -> Iterator[T]:
    """The items, with an offer after `every` so many."""
    for number, item in enumerate(items, 1):
        yield item
        if not number % every:
            offer()
