"""The result of `migrate`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..runtime.plural import counted
from ..runtime.totals import total


class LossKind(str, Enum):
    """What a copy lacks that the source had, or has lost itself."""

    TASK_PATH = "task-path"
    """Writes whose task's path the source does not return. They keep the order in which the source
    returns them."""
    EXPIRY = "expiry"
    """Items with an expiry; their copies expire by the saver's `ttl_seconds` instead."""
    EXPIRED = "expired"
    """Items that have expired and were not copied."""
    MISSING_PAYLOAD = "missing-payload"
    """Checkpoints or writes without their payload. The source's saver does not return them
    either."""
    ORPHAN_WRITES = "orphan-writes"
    """Writes without a checkpoint, which were not copied."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss in a thread.

    Attributes:
        kind: Its kind.
        thread_id: The thread.
        count: How many items or writes it concerns.
    """

    kind: LossKind
    thread_id: str
    count: int

    def __str__(self) -> str:
        return f"{self.kind.value}: thread {self.thread_id!r}: {self.count}"


@dataclass(frozen=True, slots=True)
class Failure:
    """A thread that was not copied, or not whole.

    Attributes:
        thread_id: The thread.
        error: Why, and what to do.
    """

    thread_id: str
    error: str

    def __str__(self) -> str:
        return f"failed: thread {self.thread_id!r}: {self.error}"


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What `migrate` copied, or would copy, and what was lost.

    Attributes:
        threads: Threads of the source that have checkpoints.
        checkpoints: Checkpoints that were copied.
        writes: Pending writes that were copied, or replaced because the source has changed them.
        present: Checkpoints that were copied before.
        losses: What the copies lack, by kind and thread.
        failures: The threads that failed. `migrate` tries them again when it is called again.
        missing: The threads that were named and of which the source has nothing.
    """

    threads: int = 0
    checkpoints: int = 0
    writes: int = 0
    present: int = 0
    losses: tuple[Loss, ...] = ()
    failures: tuple[Failure, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no thread failed, and the source has each that was named."""
        return not self.failures and not self.missing

    def __add__(self, other: MigrationReport) -> MigrationReport:
        """The sum of two reports."""
        return total(self, other)

    def __str__(self) -> str:
        counts = (
            f"{counted(self.threads, 'thread')}, {counted(self.checkpoints, 'new checkpoint')}, "
            f"{counted(self.writes, 'new write')}, {counted(self.present, 'checkpoint')} present"
        )
        failed = len(self.failures)
        summary = f"{counts}: {counted(failed, 'failure') if failed else 'no failures'}"
        missing = [f"missing: the source has no thread {one!r}" for one in self.missing]
        details = (*self.losses, *self.failures, *missing)
        return "\n".join([summary, *(f"  {one}" for one in details)])
