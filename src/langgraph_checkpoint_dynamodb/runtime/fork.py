"""What a child process made by `os.fork` must not share with its parent.

A child has only the thread that forked. A lock that another thread held is never released
in it, work that another thread had begun never ends, and a connection is still the parent's.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forked(Protocol):
    """Something that a child process has to begin anew."""

    def after_fork(self) -> None:
        """Forget what belongs to the parent. Called in the child, on its only thread."""


_holders: WeakSet[Forked] = WeakSet()


def begin_anew_after_fork(holder: Forked) -> None:
    """Have `holder.after_fork` called in every child, as long as the holder lives."""
    _holders.add(holder)


def _after_fork() -> None:
    for holder in list(_holders):
        holder.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)
