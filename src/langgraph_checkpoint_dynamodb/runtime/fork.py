"""State that a child process made by `os.fork` must not share with its parent.

A child has only the thread that called `fork`. Locks that other threads held are never released in
it, work of other threads never completes, and connections still belong to the parent.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forked(Protocol):
    """An object with state that a child process must reset."""

    def after_fork(self) -> None:
        """Drop the state that belongs to the parent. Called in the child, on its only thread."""


_holders: WeakSet[Forked] = WeakSet()


def reset_after_fork(holder: Forked) -> None:
    """Call `holder.after_fork` in every child, until the holder is garbage collected."""
    _holders.add(holder)


def _after_fork() -> None:
    for holder in list(_holders):
        holder.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)
