"""`erase_owner`: delete the threads of an owner, and say what that cannot reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..directory.listing import query_index
from ..directory.scan import EntryScan
from ..errors import ConflictError, StorageError
from ..format import items, keys, requests, thread_entries
from ..runtime.context import Context
from ..runtime.effects import Backoff, Call, Operation
from .prune_threads import PruneReport, prune_thread

_PASSES = 5
"""How often the index is read: it lags behind, and runs may put checkpoints during a pass."""

_AT_ONCE = 100
"""Threads that are looked at in one round."""

_SOURCE = (
    "the source of read_through: delete the threads there too; the table keeps an item with the id "
    "of each thread that was deleted, so that it is not copied again"
)
_ALWAYS_BEYOND = (
    "on-demand backups, exports, streams and global-table replicas of the table, if there are any: "
    "delete them, or let them expire",
    "what runs have written elsewhere: logs, traces, a vector store, the state of other tables",
)


@dataclass(frozen=True, slots=True)
class EraseReport:
    """What `erase_owner` has deleted, and what it cannot delete.

    Attributes:
        deleted: The threads, checkpoints and bytes that were deleted.
        beyond_reach: Where copies of the data may still be, in words.
    """

    deleted: PruneReport
    beyond_reach: tuple[str, ...]


class OwnerErasure:
    """One `erase_owner`: call `next_thread` until it returns `False`, then `report`."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._passes = 0
        self._scan = EntryScan(owner)
        self._again: list[str] = []
        self._erased: set[str] = set()
        self._deleted = PruneReport()

    def next_thread(self, context: Context) -> Operation[bool]:
        """Delete the next thread; `False` once nothing is listed or stored of the owner's threads.

        Raises:
            ConflictError: There still is something after several passes.
        """
        entry = yield from self._scan.next(context)
        if entry is not None:
            yield from self._erase(context, entry["PK"]["S"])
        elif self._again:
            yield from self._erase(context, self._again.pop())
        else:
            return (yield from self._begin_pass(context))
        return True

    def _erase(self, context: Context, thread_id: str) -> Operation[None]:
        report = yield from prune_thread(context, thread_id, None, dry_run=False)
        again = thread_id in self._erased
        self._deleted += replace(report, threads=0) if again else report
        self._erased.add(thread_id)

    def _begin_pass(self, context: Context) -> Operation[bool]:
        """Begin another pass if it is needed.

        A run that was under way puts checkpoints and no entry, so the threads are looked at, too.
        """
        call = thread_entries.query(context.table, self._owner, limit=1)
        (reply,) = yield from query_index(call)
        self._again = yield from _stored(context, sorted(self._erased))
        if not reply["Items"] and not self._again:
            return False
        self._passes += 1
        if self._passes == _PASSES:
            raise ConflictError(
                f"owner {self._owner!r}: threads are still written after {_PASSES} passes; stop "
                "the owner's runs, then call index_threads and erase_owner again"
            )
        yield Backoff(self._passes)
        self._scan = EntryScan(self._owner)
        return True

    def report(self, context: Context) -> Operation[EraseReport]:
        """What was deleted, and what is beyond reach."""
        recovery = yield from _recovery(context)
        source = () if context.read_through is None else (_SOURCE,)
        return EraseReport(self._deleted, (*recovery, *source, *_ALWAYS_BEYOND))


def _stored(context: Context, thread_ids: Sequence[str]) -> Operation[list[str]]:
    """Those of some threads of which anything is stored but the marker of their deletion."""
    found = []
    for start in range(0, len(thread_ids), _AT_ONCE):
        part = thread_ids[start : start + _AT_ONCE]
        replies = yield [
            requests.query(context.table, one, None, limit=2, attributes=("PK", "SK"))
            for one in part
        ]
        found += [
            one
            for one, reply in zip(part, replies, strict=True)
            if any(items.sort_key(item) != keys.MARKER for item in reply["Items"])
        ]
    return found


def _recovery(context: Context) -> Operation[tuple[str, ...]]:
    """What point-in-time recovery still has of the data, in words."""
    try:
        (reply,) = yield [Call("describe_continuous_backups", {"TableName": context.table})]
    except StorageError as error:
        return (f"point-in-time recovery, if the table has it; not known: {error}",)
    found = reply["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if found.get("PointInTimeRecoveryStatus") != "ENABLED":
        return ()
    days = found.get("RecoveryPeriodInDays", 35)
    return (
        f"point-in-time recovery: for {days} days from now, the table can be restored to a time "
        "at which it had the data",
    )
