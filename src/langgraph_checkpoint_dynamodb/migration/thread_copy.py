"""Copies the checkpoints and writes of one thread into the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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
from ..runtime.effects import Item, Operation
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
        self._special: dict[str, Item] = {}
        self._seen: set[str] = set()
        self._marker = marker
        self._was_continued = False
        self._newest_seen = ""
        self._counts: Counter[str] = Counter()
        self._losses: Counter[LossKind] = Counter()

    def begin(self) -> Operation[None]:
        """Read which items are here."""
        attributes = ("PK", "SK", "B", items.FLAG)
        call = requests.query(
            self._context.table, self.thread_id, ALL_CHECKPOINTS, attributes=attributes
        )
        yield from batches.each_page(call, self._note)

    def _note(self, page: Sequence[Item]) -> Operation[None]:
        for item in page:
            sort_key, is_copy = items.sort_key(item), items.FLAG in item
            self._stored.add(sort_key)
            self._was_continued |= not is_copy
            if is_copy and items.parse_key(item).channel is not None:
                self._special[sort_key] = item
        yield from ()

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
        raise self._conflict(f"checkpoint {checkpoint_id!r} of the source is not among them")

    def _conflict(self, found: str) -> ConflictError:
        return ConflictError(
            f"thread {self.thread_id!r} has checkpoints or writes that were put here, and {found}: "
            "two threads have this id, or it was continued in both tables; delete one of the two, "
            "then migrate again"
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

    def needs_writes(self, ns: str, checkpoint_id: str, task_id: str, channels: list[str]) -> bool:
        """Whether a task's writes have to be read.

        Some are not here, or are to special channels, which a later run overwrites in the source.
        """
        key = _checkpoint_key(ns, checkpoint_id)
        if key not in self._seen:
            self.lose(LossKind.ORPHAN_WRITES, len(channels))
            return False
        if self._marker == copied_threads.DELETED:
            return False
        sort_keys = [_writes_key(key, task_id, channel) for channel in channels]
        return any(one in self._special for one in sort_keys) or self._missing(sort_keys) > 0

    def _missing(self, sort_keys: Sequence[str]) -> int:
        return 0 if self._was_continued else sum(one not in self._stored for one in sort_keys)

    def writes(self, found: SourceWrites) -> Operation[None]:
        """Copy those of a task's writes that are not here, and replace those that differ.

        Raises:
            ConflictError: The source has replaced one, and the thread has been continued here.
        """
        key = _checkpoint_key(found.checkpoint_ns, found.checkpoint_id)
        values = [(_writes_key(key, found.task_id, channel), one) for channel, one in found.writes]
        place = ThreadNamespace(self.thread_id, found.checkpoint_ns)
        replaced: dict[str, Item] = {}
        for sort_key, value in dict(values).items():
            item = self._special.get(sort_key)
            if item and not (yield from put_writes.is_stored(self._context, place, item, value)):
                replaced[sort_key] = item
        if replaced and self._was_continued:
            raise self._conflict(f"checkpoint {found.checkpoint_id!r} got writes there since")
        count = self._missing([sort_key for sort_key, _ in values]) + len(replaced)
        if not count:
            return
        self._counts["writes"] += count
        if found.task_path is None:
            self.lose(LossKind.TASK_PATH, count)
        if self._dry_run:
            return
        yield from put_writes.put_writes(
            self._context,
            place,
            found.checkpoint_id,
            found.writes,
            found.task_id,
            found.sort_path,
            copies=put_writes.Copies(replaced),
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
