"""Copies the checkpoints and writes of one thread into the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from langgraph.checkpoint.base import WRITES_IDX_MAP

from ..checkpoints import copied_threads, put, put_writes
from ..checkpoints.new_checkpoint import Put
from ..directory import entries
from ..errors import ConflictError, CorruptCheckpointError
from ..format import items, keys, requests
from ..format.keys import ALL_CHECKPOINTS
from ..runtime.context import Context, ThreadNamespace
from ..runtime.effects import Operation
from ..serialization.plain_data import unchanged
from ..storage import batches
from .entries import SourceCheckpoint, SourceWrites
from .report import Loss, LossKind, MigrationReport


class ThreadCopy:
    """The copy of one thread: what is missing here is stored, what is stored is kept.

    So a copy that was interrupted can be repeated, and two processes may copy the same thread.

    Args:
        context: The call's settings and clock.
        thread_id: The thread.
        marker: What the thread's marker says; `None` if it has none.
        dry_run: Whether to store nothing.
    """

    def __init__(
        self, context: Context, thread_id: str, *, marker: str | None, dry_run: bool = False
    ) -> None:
        self._loading_serde = context.serde
        serde = unchanged(context.serde) or context.serde
        self._context = replace(context, read_through=None, serde=serde)
        self.thread_id = thread_id
        self._dry_run = dry_run
        self._stored: set[str] = set()
        self._seen: set[str] = set()
        self._marker = marker
        self._was_continued = False
        self._newest_seen = ""
        self._counts: Counter[str] = Counter()
        self._losses: Counter[LossKind] = Counter()

    def begin(self) -> Operation[None]:
        """Read which items are here."""
        attributes = ("PK", "SK", items.FLAG)
        call = requests.query(
            self._context.table, self.thread_id, ALL_CHECKPOINTS, attributes=attributes
        )
        for item in (yield from batches.read_range(call)):
            key = items.parse_key(item)
            self._stored.add(items.sort_key(item))
            self._was_continued |= key.task is None and items.FLAG not in item

    def has_checkpoint(self, ns: str, checkpoint_id: str) -> bool:
        """Note that the source has a checkpoint; returns whether it need not be read.

        Raises:
            ConflictError: The thread has been continued or made here, and the source has a
                checkpoint that is newer or from another thread.
        """
        key = _checkpoint_key(ns, checkpoint_id)
        self._seen.add(key)
        if not ns:
            self._newest_seen = max(self._newest_seen, checkpoint_id)
        if key in self._stored:
            self._counts["present"] += 1
            return True
        if self._marker == copied_threads.DELETED:
            return True
        if not self._was_continued:
            return False
        if self._marker is not None and (ns or checkpoint_id <= self._marker):
            return True  # copied before, and deleted here since
        raise ConflictError(
            f"thread {self.thread_id!r} has checkpoints that were put here, and its checkpoint "
            f"{checkpoint_id!r} of the source is not among them: two threads have this id, or it "
            "was continued in both tables; delete one of the two, then migrate again"
        )

    def checkpoint(self, found: SourceCheckpoint) -> Operation[None]:
        """Copy a checkpoint that is not here."""
        where = f"thread {self.thread_id!r}, checkpoint {found.checkpoint_id!r} of the source"
        _check(found, where)
        self._counts["checkpoints"] += 1
        if self._dry_run:
            return
        versions = dict(found.checkpoint["channel_versions"])
        place = ThreadNamespace(self.thread_id, found.checkpoint_ns)
        owner = entries.find_owner(self._context, self._loaded(found.metadata))
        new = Put(
            place,
            found.checkpoint,
            found.metadata,
            found.parent_id,
            versions,
            owner=owner,
            is_copy=True,
        )
        yield from put.put(self._context, new)

    def _loaded(self, metadata: Any) -> Any:
        """Metadata as the saver's users know it, with its objects."""
        context = self._context
        if context.thread_owner is None or context.serde is self._loading_serde:
            return metadata
        return self._loading_serde.loads_typed(context.serde.dumps_typed(metadata))

    def needs_writes(self, ns: str, checkpoint_id: str, task_id: str, channels: list[str]) -> int:
        """How many of a task's writes are not here."""
        key = _checkpoint_key(ns, checkpoint_id)
        if key not in self._seen:
            self.lose(LossKind.ORPHAN_WRITES, len(channels))
            return 0
        if self._was_continued or self._marker == copied_threads.DELETED:
            return 0
        return sum(_writes_key(key, task_id, channel) not in self._stored for channel in channels)

    def writes(self, found: SourceWrites) -> Operation[None]:
        """Copy those of a task's writes that are not here."""
        ns, checkpoint_id = found.checkpoint_ns, found.checkpoint_id
        channels = [channel for channel, _ in found.writes]
        missing = self.needs_writes(ns, checkpoint_id, found.task_id, channels)
        if not missing:
            return
        self._counts["writes"] += missing
        if found.task_path is None:
            self.lose(LossKind.TASK_PATH, missing)
        if self._dry_run:
            return
        place = ThreadNamespace(self.thread_id, ns)
        yield from put_writes.put_writes(
            self._context,
            place,
            checkpoint_id,
            found.writes,
            found.task_id,
            found.sort_path,
            is_copy=True,
        )

    def lose(self, kind: LossKind, count: int = 1) -> None:
        """Note a loss."""
        self._losses[kind] += count

    def finish(self) -> Operation[None]:
        """Store the marker of a complete copy, unless it is stored."""
        is_ours = self._was_continued or self._marker in {copied_threads.DELETED, self._newest_seen}
        if self._seen and not is_ours and not self._dry_run:
            yield from copied_threads.put_marker(self._context, self.thread_id, self._newest_seen)

    @property
    def report(self) -> MigrationReport:
        """What was copied so far."""
        losses = [Loss(kind, self.thread_id, count) for kind, count in sorted(self._losses.items())]
        counts = self._counts
        return MigrationReport(
            threads=int(bool(self._seen)),
            checkpoints=counts["checkpoints"],
            writes=counts["writes"],
            present=counts["present"],
            losses=tuple(losses),
        )


def _checkpoint_key(ns: str, checkpoint_id: str) -> str:
    return keys.checkpoint(keys.namespace(ns), checkpoint_id)


def _writes_key(checkpoint_key: str, task_id: str, channel: str) -> str:
    special = channel if channel in WRITES_IDX_MAP else None
    return keys.writes(checkpoint_key, task_id, special)


def _check(found: SourceCheckpoint, where: str) -> None:
    checkpoint: Any = found.checkpoint
    is_whole = (
        isinstance(checkpoint, Mapping)
        and checkpoint.get("id") == found.checkpoint_id
        and isinstance(checkpoint.get("channel_values"), Mapping)
        and isinstance(checkpoint.get("channel_versions"), Mapping)
        and isinstance(found.metadata, Mapping)
    )
    if not is_whole:
        raise CorruptCheckpointError(
            f"{where} is not a checkpoint of LangGraph with this id, values, versions and metadata"
        )
