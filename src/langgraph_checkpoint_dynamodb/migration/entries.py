"""What a source has of a thread: checkpoints and tasks' writes, deserialized."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceCheckpoint:
    """A checkpoint.

    Attributes:
        checkpoint_ns: Its namespace.
        checkpoint_id: Its id.
        parent_id: Its parent's id, if it has one.
        checkpoint: The checkpoint itself.
        metadata: Its metadata.
    """

    checkpoint_ns: str
    checkpoint_id: str
    parent_id: str | None
    checkpoint: Any
    metadata: Any


@dataclass(frozen=True, slots=True)
class SourceWrites:
    """A task's pending writes.

    Attributes:
        checkpoint_ns: The namespace of their checkpoint.
        checkpoint_id: Its id.
        task_id: The task.
        task_path: Its path; `None` if the source does not have it.
        writes: Channels and values, in the task's order.
        order: The task's place among those of its checkpoint, as the source returns them.
    """

    checkpoint_ns: str
    checkpoint_id: str
    task_id: str
    task_path: str | None
    writes: Sequence[tuple[str, Any]]
    order: str = ""

    @property
    def sort_path(self) -> str:
        """The path to store: pending writes are returned in the order of their tasks' paths."""
        return self.order if self.task_path is None else self.task_path
