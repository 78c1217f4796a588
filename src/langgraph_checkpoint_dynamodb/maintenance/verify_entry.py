"""Verifies that a thread and its entry in the directory agree, in both directions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..directory import entries
from ..errors import DeserializationError
from ..format import items, keys, thread_entries
from ..format.body import Body
from ..format.keys import CheckpointKey
from ..runtime.context import Context
from ..runtime.effects import Item
from .recheck import Suspects
from .retention import GRACE_SECONDS
from .verify_report import ProblemKind


class ListedThread:
    """The entry of a thread, and the newest checkpoint of its root graph."""

    def __init__(self, context: Context, suspects: Suspects) -> None:
        self._context = context
        self._suspects = suspects
        self._entry: Item | None = None
        self._newest: Item | None = None
        self._says_it_is_listed = False
        self._has_checkpoints = False

    def take_entry(self, found: Sequence[Item]) -> list[Item]:
        """Take the entry from a page; returns the other items."""
        rest = []
        for item in found:
            if items.sort_key(item) != keys.THREAD_ENTRY:
                rest.append(item)
            elif not items.gone(self._context, item):
                self._entry = item
        return rest

    def take_checkpoint(self, key: CheckpointKey, item: Item, body: Body | None) -> None:
        """Take a checkpoint; those of a namespace come oldest first."""
        self._has_checkpoints = True
        if not key.namespace and not items.expired(self._context, item):
            self._newest = item
            self._says_it_is_listed = body is not None and body.listed is not None

    def check(self) -> int:
        """Report what is wrong; returns how many entries will expire, as their threads have."""
        if self._newest is not None and self._says_it_is_listed:
            self._check_entry(self._newest)
        entry = self._entry
        if entry is None:
            return 0
        try:
            entries.description_of(self._context, entry)
        except DeserializationError as error:
            self._suspects.add(entry, "", ProblemKind.UNLOADABLE_VALUE, str(error), None)
        except entries.UNREADABLE as error:
            self._suspects.add(entry, "", ProblemKind.UNREADABLE_BODY, str(error), None)
        if self._has_checkpoints:
            return 0
        if items.kept_until(self._context, entry) < math.inf:
            return 1
        active = thread_entries.time_of(entry, thread_entries.ACTIVITY) or 0
        if active < self._context.now - GRACE_SECONDS:
            detail = "an entry in the directory, and no checkpoint"
            self._suspects.add(entry, "", ProblemKind.EMPTY_THREAD, detail, None)
        return 0

    def _check_entry(self, newest: Item) -> None:
        if self._entry is None:
            detail = "the thread has no entry in the directory; call index_threads"
            self._suspects.add(newest, "", ProblemKind.UNLISTED_THREAD, detail, keys.THREAD_ENTRY)
        elif items.kept_until(self._context, self._entry) < items.expires(self._context, newest):
            detail = "the thread's entry in the directory expires before its newest checkpoint"
            self._suspects.add(self._entry, "", ProblemKind.EARLY_EXPIRY, detail, None)
