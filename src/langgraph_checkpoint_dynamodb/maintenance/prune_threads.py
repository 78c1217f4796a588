"""`prune_threads`: deletion of the threads that the directory lists, or of old checkpoints.

A thread is inactive if its written activity is older than `inactive_for` and an hour more: the
activity is written once an hour, so such a thread has not been active since.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..directory import entries
from ..directory.scan import EntryScan
from ..format import items, keys, requests, thread_entries
from ..format.item_size import item_size
from ..format.thread_entries import PERIOD_SECONDS
from ..runtime.context import Context
from ..runtime.effects import Item, Operation
from ..runtime.totals import total
from ..storage import batches
from .delete import delete_thread
from .garbage_collection import unreferenced
from .prune import find_deletable, prune
from .retention import RetentionPolicy


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What `prune_threads` or `erase_owner` has deleted, or would delete.

    Attributes:
        threads: Threads of which something was deleted.
        checkpoints: Checkpoints.
        bytes: The size of all deleted items, by DynamoDB's rules.
    """

    threads: int = 0
    checkpoints: int = 0
    bytes: int = 0

    def __add__(self, other: PruneReport) -> PruneReport:
        """The sum of two reports."""
        return total(self, other)


class ThreadPruning:
    """One `prune_threads`: call `next_thread` until it returns `False`, then take the `report`.

    Args:
        owner: The owner; `None` for all threads that are listed.
        inactive_since: Only threads that were not active since then, in epoch seconds.
        keep: What to keep of each thread; `None` to delete whole threads.
        dry_run: Whether to delete nothing.
    """

    def __init__(
        self,
        owner: str | None,
        inactive_since: float,
        keep: RetentionPolicy | None,
        *,
        dry_run: bool,
    ) -> None:
        self._before = inactive_since - PERIOD_SECONDS
        self._scan = EntryScan(owner, self._before)
        self._keep = keep
        self._dry_run = dry_run
        self.report = PruneReport()

    def next_thread(self, context: Context) -> Operation[bool]:
        """Delete the next thread, or what it need not keep; `False` if there is none."""
        entry = yield from self._scan.next(context)
        if entry is None:
            return False
        thread_id = entry["PK"]["S"]
        if not (yield from self._is_active(context, thread_id)):
            self.report += yield from prune_thread(
                context, thread_id, self._keep, dry_run=self._dry_run
            )
        return True

    def _is_active(self, context: Context, thread_id: str) -> Operation[bool]:
        """Whether the thread was active since the index, which lags behind, was updated."""
        entry = yield from entries.read(context, thread_id)
        activity = thread_entries.time_of(entry, thread_entries.ACTIVITY) if entry else None
        return activity is None or activity >= self._before


def prune_thread(
    context: Context, thread_id: str, keep: RetentionPolicy | None, *, dry_run: bool
) -> Operation[PruneReport]:
    """Delete a thread, or what it need not keep, and count it.

    Args:
        context: The call's settings and clock.
        thread_id: The thread.
        keep: What to keep; `None` to delete the whole thread.
        dry_run: Whether to delete nothing.
    """
    if keep is None:
        report = yield from _measure(context, thread_id, lambda _: True)
        if not dry_run:
            yield from delete_thread(context, thread_id)
        return report
    found, _ = yield from find_deletable(context, thread_id, keep)
    chunks = yield from unreferenced(context, thread_id, frozenset(found))
    planned = {*found, *map(items.sort_key, chunks)}
    if not planned:
        return PruneReport()
    report = yield from _measure(context, thread_id, planned.__contains__)
    if not dry_run:
        yield from prune(context, thread_id, keep)
    return report


def _measure(
    context: Context, thread_id: str, includes: Callable[[str], bool]
) -> Operation[PruneReport]:
    """Count some of a thread's items, given by their sort keys."""
    counted = PruneReport()

    def take(page: Sequence[Item]) -> Operation[None]:
        nonlocal counted
        for item in page:
            sort_key = items.sort_key(item)
            if includes(sort_key):
                is_checkpoint = (
                    keys.is_checkpoint_or_writes(sort_key)
                    and keys.parse(sort_key).task is None
                    and not items.is_tombstone(item)
                )
                counted += PruneReport(0, int(is_checkpoint), item_size(item))
        yield from ()

    for bounds in (keys.UP_TO_CHECKPOINTS, keys.AFTER_CHECKPOINTS):
        yield from batches.each_page(requests.query(context.table, thread_id, bounds), take)
    return counted + PruneReport(threads=int(counted.bytes > 0))
