"""What `verify` reports."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum


class ProblemKind(str, Enum):
    """A kind of broken promise."""

    MISSING_CHUNK = "missing-chunk"
    """A chunk that a checkpoint or its writes need is not there."""
    ALTERED_CHUNK = "altered-chunk"
    """A chunk holds other bytes than its digest says, or cannot be decompressed."""
    WRONG_GENERATION = "wrong-generation"
    """A chunk is there, but not in the generation that is referred to."""
    EARLY_EXPIRY = "early-expiry"
    """A chunk expires before what refers to it."""
    UNREADABLE_BODY = "unreadable-body"
    """Damaged, or written by a newer version of this package."""
    UNLOADABLE_VALUE = "unloadable-value"
    """The serde refuses it: another key, or a type that it does not allow."""
    CUT_CHAIN = "cut-chain"
    """An ancestor is gone that a delta channel is rebuilt from. Not reported of a checkpoint
    that will expire, unless it is the newest: its ancestors expire before it does."""
    ORPHAN_WRITES = "orphan-writes"
    """Writes whose checkpoint is gone, and that do not expire."""
    ORPHAN_CHUNK = "orphan-chunk"
    """A chunk past the grace time that nothing refers to, and that does not expire."""
    UNKNOWN_ITEM = "unknown-item"
    """An item whose key is not of this package."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A broken promise.

    Attributes:
        kind: Its kind.
        thread_id: The thread.
        checkpoint_ns: The namespace; `None` if it concerns no checkpoint.
        checkpoint_id: The checkpoint, or the one that the writes are for; `None` likewise.
        detail: What is wrong, in words.
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
    """What `verify` has seen, in numbers of items, and what is wrong with it.

    Attributes:
        threads: Threads that hold anything.
        checkpoints: Checkpoints that have not expired.
        writes: Items of pending writes that have not expired.
        chunks: Chunks.
        young: Chunks that nothing refers to yet, and that are within the grace time.
        expiring: Items that nothing needs any more, and that will expire.
        under_way: Writes of the last hour, or newer than the newest checkpoint, without one of
            their own: its put is under way, was refused, or never came.
        problems: The broken promises.
    """

    threads: int = 0
    checkpoints: int = 0
    writes: int = 0
    chunks: int = 0
    young: int = 0
    expiring: int = 0
    under_way: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no promise is broken."""
        return not self.problems

    def __add__(self, other: VerifyReport) -> VerifyReport:
        """Both reports as one."""
        return VerifyReport(
            **{
                field.name: getattr(self, field.name) + getattr(other, field.name)
                for field in fields(self)
            }
        )

    def __str__(self) -> str:
        counts = [
            f"{getattr(self, field.name)} {field.name.replace('_', ' ')}"
            for field in fields(self)
            if field.name != "problems"
        ]
        found = len(self.problems)
        summary = f"{', '.join(counts)}: {found or 'no'} problem{'' if found == 1 else 's'}"
        return "\n".join([summary, *(f"  {problem}" for problem in self.problems)])
