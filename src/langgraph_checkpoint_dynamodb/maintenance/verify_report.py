"""The result of `verify`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..runtime.plural import counted
from ..runtime.totals import total

_NOUNS = ("thread", "checkpoint", "write", "chunk")


class ProblemKind(str, Enum):
    """A kind of problem."""

    MISSING_CHUNK = "missing-chunk"
    """A chunk that a checkpoint or its writes refer to is missing."""
    ALTERED_CHUNK = "altered-chunk"
    """A chunk's bytes do not match its digest, or cannot be decompressed."""
    WRONG_GENERATION = "wrong-generation"
    """A chunk is stored, but not in the generation that an item refers to."""
    EARLY_EXPIRY = "early-expiry"
    """A chunk expires before an item that refers to it."""
    UNREADABLE_BODY = "unreadable-body"
    """A body is damaged, or was written by a newer release of this package."""
    UNLOADABLE_VALUE = "unloadable-value"
    """The serde cannot load a value: another encryption key, or a type that it does not allow."""
    CUT_CHAIN = "cut-chain"
    """An ancestor that a delta channel is rebuilt from is missing. Not reported for a checkpoint
    that will expire, unless it is the newest: its ancestors expire earlier."""
    ORPHAN_WRITES = "orphan-writes"
    """Writes without their checkpoint that do not expire."""
    ORPHAN_CHUNK = "orphan-chunk"
    """An unreferenced chunk older than the grace time that does not expire."""
    UNLISTED_THREAD = "unlisted-thread"
    """A thread without the entry in the directory that its newest checkpoint says it has."""
    EMPTY_THREAD = "empty-thread"
    """An entry in the directory, over an hour old, of a thread without any checkpoint, that does
    not expire. `list_threads` leaves the thread out; `delete_thread` deletes the entry."""
    UNKNOWN_ITEM = "unknown-item"
    """An item with a sort key that this package does not make."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem that `verify` found.

    Attributes:
        kind: Its kind.
        thread_id: The thread.
        checkpoint_ns: The namespace; `None` for a problem of no checkpoint.
        checkpoint_id: The checkpoint, or the one that the writes belong to; `None` for a problem
            of no checkpoint.
        detail: A description.
    """

    kind: ProblemKind
    thread_id: str
    checkpoint_ns: str | None
    checkpoint_id: str | None
    detail: str

    def __str__(self) -> str:
        where = f"thread {self.thread_id!r}"
        if self.checkpoint_id is not None:
            where += f", namespace {self.checkpoint_ns!r}, checkpoint {self.checkpoint_id!r}"
        return f"{self.kind.value}: {where}: {self.detail}"


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """How many items `verify` read, and the problems that it found.

    Attributes:
        threads: Threads with any items.
        checkpoints: Checkpoints that have not expired.
        writes: Items of pending writes that have not expired.
        chunks: Chunks.
        young: Unreferenced chunks within the grace time.
        expiring: Items that nothing needs and that will expire.
        under_way: Items of writes without their checkpoint that are from the last hour or newer
            than the newest checkpoint: the put is under way, was refused, or never happened.
        problems: The problems.
        missing: The thread that was asked for, if the table has nothing of it: a misspelt id, or a
            thread that was deleted or lost. The report is then not `ok`.
    """

    threads: int = 0
    checkpoints: int = 0
    writes: int = 0
    chunks: int = 0
    young: int = 0
    expiring: int = 0
    under_way: int = 0
    problems: tuple[Problem, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there are no problems, and the thread that was asked for exists."""
        return not self.problems and not self.missing

    def __add__(self, other: VerifyReport) -> VerifyReport:
        """The sum of two reports."""
        return total(self, other)

    def __str__(self) -> str:
        missing = [f"no thread {thread_id!r} in the table" for thread_id in self.missing]
        if missing and not self.threads:
            return "\n".join(missing)
        counts = (
            *(counted(getattr(self, f"{noun}s"), noun) for noun in _NOUNS),
            f"{self.young} young",
            f"{self.expiring} expiring",
            f"{self.under_way} under way",
        )
        found = counted(len(self.problems), "problem") if self.problems else "no problems"
        summary = f"{', '.join(counts)}: {found}"
        return "\n".join([summary, *(f"  {one}" for one in (*self.problems, *missing))])
