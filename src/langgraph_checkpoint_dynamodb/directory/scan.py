"""The threads of an owner or of the whole index, one after another, for operations on each."""

from __future__ import annotations

from collections import deque

from ..format import thread_entries
from ..runtime.context import Context
from ..runtime.effects import Call, Item, Operation
from ..storage import batches
from .listing import query_index


class EntryScan:
    """The entries of an owner, or of all threads that are listed; page by page.

    Those of an owner come longest inactive first: an entry whose activity is written during the
    scan then moves to where it is read again, and not to where it is missed.

    Args:
        owner: The owner; `None` for the threads of all owners and of none.
        before: Only threads whose written activity is before this time, in epoch seconds.
    """

    def __init__(self, owner: str | None, before: float | None = None) -> None:
        self._owner = owner
        self._before = before
        self._entries: deque[Item] = deque()
        self._call: Call | None = None
        self._begun = False

    def next(self, context: Context) -> Operation[Item | None]:
        """The next entry; `None` after the last."""
        if not self._begun:
            self._begun = True
            self._call = (
                thread_entries.scan(context.table, before=self._before)
                if self._owner is None
                else thread_entries.query(
                    context.table, self._owner, newest_first=False, before=self._before
                )
            )
        while not self._entries and self._call is not None:
            (reply,) = yield from query_index(self._call)
            self._entries.extend(reply["Items"])
            self._call = batches.next_page(self._call, reply)
        return self._entries.popleft() if self._entries else None
