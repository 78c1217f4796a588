"""`erase_owner`: delete the threads of an owner, and say what that cannot reach."""

from __future__ import annotations

from dataclasses import dataclass

from ..directory.listing import query_index
from ..errors import ConflictError, StorageError
from ..format import thread_entries
from ..runtime.context import Context
from ..runtime.effects import Backoff, Call, Operation
from .prune_threads import PruneReport, ThreadPruning

_PASSES = 5
"""How often the index is read: it lags behind, and runs may put checkpoints during a pass."""

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
        self._pruning = self._new_pass()
        self._deleted = PruneReport()

    def _new_pass(self) -> ThreadPruning:
        return ThreadPruning(self._owner, None, None, dry_run=False)

    def next_thread(self, context: Context) -> Operation[bool]:
        """Delete the next thread; `False` once the index lists none of the owner.

        Raises:
            ConflictError: The index still lists threads after several passes.
        """
        if (yield from self._pruning.next_thread(context)):
            return True
        self._deleted += self._pruning.report
        call = thread_entries.query(context.table, self._owner, limit=1)
        (reply,) = yield from query_index(call)
        if not reply["Items"]:
            return False
        self._passes += 1
        if self._passes == _PASSES:
            raise ConflictError(
                f"owner {self._owner!r}: threads are still listed after {_PASSES} passes; stop the "
                "owner's runs, then call erase_owner again"
            )
        yield Backoff(self._passes)
        self._pruning = self._new_pass()
        return True

    def report(self, context: Context) -> Operation[EraseReport]:
        """What was deleted, and what is beyond reach."""
        recovery = yield from _recovery(context)
        return EraseReport(self._deleted, (*recovery, *_ALWAYS_BEYOND))


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
