"""The saver's methods on whole threads: delete, copy, verify, apply_ttl, prune."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

from ..errors import ConfigurationError
from ..maintenance import copy, delete, prune
from ..maintenance.apply_ttl import TtlApplication
from ..maintenance.storage import storage
from ..maintenance.storage_report import StorageReport
from ..maintenance.verify import Verification
from ..maintenance.verify_report import VerifyReport
from ..runtime.context import Context
from ..runtime.effects import Operation
from . import arguments
from .arguments import PruneStrategy
from .calls import SaverCalls

Id: TypeAlias = "str | UUID | int"
"""An id of a thread or a run; an integer or a UUID is converted to a string."""


class ThreadMaintenance(SaverCalls):
    """The part of `DynamoDBSaver` for operations on whole threads."""

    def delete_thread(self, thread_id: Id) -> None:
        """Delete all items in a thread's partition, including those of other programs.

        Args:
            thread_id: The thread: a string, a UUID or an integer.

        Raises:
            InvalidInputError: `thread_id` is invalid.
            ConflictError: Other writers still write to the thread; stop its runs.
            StorageError: A request failed; call it again.
        """
        self._call("delete_thread", self._delete_thread, thread_id)

    async def adelete_thread(self, thread_id: Id) -> None:
        """Async `delete_thread`."""
        await self._acall("delete_thread", self._delete_thread, thread_id)

    def _delete_thread(self, context: Context, thread_id: Id) -> Operation[None]:
        return delete.delete_thread(context, arguments.thread_id(thread_id))

    def delete_for_runs(self, run_ids: Iterable[Id]) -> None:
        """Delete the checkpoints that some runs made, with their writes.

        Without `enable_run_index`, each 100 run ids cost a consistent scan of the whole table: one
        read unit for every 4 KB stored. With it, each run id costs a query of the index. The
        index is eventually consistent, so call this some seconds after a run has ended.

        Checkpoints of other runs remain complete: ancestors that their delta channels are
        rebuilt from are kept, until a later call finds that no checkpoint needs them. A run
        that is continuing a deleted checkpoint is not protected; see `prune`.

        Args:
            run_ids: The runs: any iterable of strings, UUIDs or integers.

        Raises:
            InvalidInputError: An id has another type, or `run_ids` is a single string.
            StorageError: A request failed; call it again.
        """
        self._call("delete_for_runs", self._delete_for_runs, run_ids)

    async def adelete_for_runs(self, run_ids: Iterable[Id]) -> None:
        """Async `delete_for_runs`."""
        await self._acall("delete_for_runs", self._delete_for_runs, run_ids)

    def _delete_for_runs(self, context: Context, run_ids: Iterable[Id]) -> Operation[None]:
        return delete.delete_for_runs(context, arguments.identifiers("run_ids", run_ids))

    def copy_thread(self, source_thread_id: Id, target_thread_id: Id) -> None:
        """Copy a thread as it is stored, without deserializing its values.

        If a checkpoint's metadata has the source as `thread_id`, as with LangGraph Server, the
        copy's metadata has the target. A failed copy can be repeated. If the source does not
        exist, nothing is copied.

        Args:
            source_thread_id: The thread to copy.
            target_thread_id: The thread to copy to; it must hold nothing but an earlier copy.

        Raises:
            InvalidInputError: A thread id is invalid.
            ConflictError: The target holds something else, or checkpoints of the source were
                deleted during each attempt; no checkpoint was written.
            StorageError: A request failed; call it again.
        """
        self._call("copy_thread", self._copy_thread, source_thread_id, target_thread_id)

    async def acopy_thread(self, source_thread_id: Id, target_thread_id: Id) -> None:
        """Async `copy_thread`."""
        await self._acall("copy_thread", self._copy_thread, source_thread_id, target_thread_id)

    def _copy_thread(
        self, context: Context, source_thread_id: Id, target_thread_id: Id
    ) -> Operation[None]:
        return copy.copy_thread(
            context,
            arguments.thread_id(source_thread_id, "source_thread_id"),
            arguments.thread_id(target_thread_id, "target_thread_id"),
        )

    def verify(self, thread_id: Id | None = None) -> VerifyReport:
        """Find problems: items that are missing, altered, unreadable or left over.

        Reads all items of a thread, checks every digest and deserializes every value. Changes
        nothing, and copies nothing from the source of `read_through`. It may run at the same time
        as runs of the thread. At the same time as a `prune` or a deletion, it may report items that
        are about to be deleted.

        Args:
            thread_id: The thread. `None` for every thread: by a scan of the table's keys, with
                one thread at a time in memory.

        Returns:
            Counts of items, the problems, and `thread_id` as `missing` if the table has nothing of
            it: with either, the report is not `ok`. Damaged data raises no error.

        Raises:
            InvalidInputError: `thread_id` is invalid.
            StorageError: A request failed; call it again.
        """
        with self._observed("verify") as counters:
            verification = self._verification(thread_id)
            while self._run(verification.next_thread(self._context(counters)), counters):
                pass
            return verification.report

    async def averify(self, thread_id: Id | None = None) -> VerifyReport:
        """Async `verify`."""
        with self._observed("verify") as counters:
            verification = self._verification(thread_id)
            while await self._arun(verification.next_thread(self._context(counters)), counters):
                pass
            return verification.report

    def storage(self, thread_id: Id) -> StorageReport:
        """What a thread has in the table: items, bytes and write units, by kind and by channel.

        Reads all items of the thread: a read unit for every 4 KB. Values are not deserialized.
        Copies nothing from the source of `read_through`.

        Args:
            thread_id: The thread: a string, a UUID or an integer.

        Returns:
            The report; of a thread that does not exist, one without items.

        Raises:
            InvalidInputError: `thread_id` is invalid.
            CorruptCheckpointError: A checkpoint is damaged; `verify` names all that are.
            StorageError: A request failed; call it again.
        """
        return self._call("storage", self._storage, thread_id)

    async def astorage(self, thread_id: Id) -> StorageReport:
        """Async `storage`."""
        return await self._acall("storage", self._storage, thread_id)

    def _storage(self, context: Context, thread_id: Id) -> Operation[StorageReport]:
        return storage(context, arguments.thread_id(thread_id))

    def apply_ttl(self, thread_ids: Iterable[Id] | None = None) -> int:
        """Make stored items expire `ttl_seconds` from now, unless they expire earlier.

        For threads that began before TTL was enabled, or with a longer TTL. A checkpoint never
        expires before the one it continues, so the TTL of such a thread changes only by this call.
        First set `ttl_seconds` in every process that writes to the table.

        Chunks of items that had no expiry are written again; a `prune` that runs more than an
        hour later deletes the old ones. After a failure, call it again: items that are done are
        skipped.

        Args:
            thread_ids: The threads; `None` for every thread, by a scan of the table's keys.

        Returns:
            How many items were given an expiry, or an earlier one.

        Raises:
            ConfigurationError: The saver's table has no `ttl_seconds`.
            InvalidInputError: A thread id is invalid.
            ConflictError: Other writers kept writing to a thread; stop its runs.
            StorageError: A request failed; call it again.
        """
        changed = 0
        with self._observed("apply_ttl") as counters:
            for application in self._ttl_applications(thread_ids):
                while self._run(application.next_thread(self._context(counters)), counters):
                    pass
                changed += application.changed
        return changed

    async def aapply_ttl(self, thread_ids: Iterable[Id] | None = None) -> int:
        """Async `apply_ttl`."""
        changed = 0
        with self._observed("apply_ttl") as counters:
            for application in self._ttl_applications(thread_ids):
                while await self._arun(application.next_thread(self._context(counters)), counters):
                    pass
                changed += application.changed
        return changed

    def _ttl_applications(self, thread_ids: Iterable[Id] | None) -> list[TtlApplication]:
        if self._context().ttl_seconds is None:
            raise ConfigurationError(
                "apply_ttl: this saver's table has ttl_seconds=None, so there is no TTL to apply: "
                "set DynamoDBTableConfig(enable_ttl=True, ttl_seconds=…)"
            )
        if thread_ids is None:
            return [TtlApplication(None)]
        found = arguments.thread_ids("thread_ids", thread_ids)
        return [TtlApplication(thread_id) for thread_id in found]

    def _verification(self, thread_id: Id | None) -> Verification:
        return Verification(None if thread_id is None else arguments.thread_id(thread_id))

    def prune(
        self,
        thread_ids: Iterable[Id],
        *,
        strategy: PruneStrategy = "keep_latest",
        keep_last: int | None = None,
        older_than: timedelta | None = None,
    ) -> None:
        """Delete checkpoints that threads no longer need, their writes and unreferenced chunks.

        Only the enclosing graph's checkpoint in which a subgraph was called uses the namespace of
        that call, so both are deleted together. A subgraph compiled with `checkpointer=True` keeps
        its newest checkpoint and, for each kept checkpoint of the root graph, the newest one
        before it: a replay starts from that.

        A kept checkpoint's `parent_config` still names its parent, even a deleted one. A run that
        is continuing a deleted checkpoint is not protected: its next put may raise
        `CorruptCheckpointError`. If several runs share a thread, pass an `older_than` that is
        longer than a step takes. Chunks younger than an hour are kept for the next prune: a run
        may be about to refer to them.

        Args:
            thread_ids: The threads: any iterable of strings, UUIDs or integers.
            strategy: `keep_latest` keeps the newest checkpoint of the graph and of each
                subgraph, as above, their writes, and the ancestors that their delta channels
                are rebuilt from. `delete` deletes the threads; `delete_all`, LangGraph Server's
                name, does the same.
            keep_last: Keep this many of the newest checkpoints of each namespace instead of one.
            older_than: Delete only checkpoints older than this, such as `timedelta(days=30)`.
                With `keep_last`, a checkpoint is kept if either argument keeps it. The age is
                that of the checkpoint's id, a UUID of version 6, which "newest" goes by too. For
                another kind of id it is that of the checkpoint's `ts`; without a readable `ts`,
                the checkpoint is kept.

        Raises:
            InvalidInputError: The strategy is unknown, a thread id is invalid, `keep_last` is not
                a whole number from 1 up, `older_than` is negative or no `timedelta`, or one of
                the two was passed with a strategy that keeps nothing.
            StorageError: A request failed; call it again.
        """
        with self._observed("prune") as counters:
            context = self._context(counters)
            for operation in self._prune(context, thread_ids, strategy, keep_last, older_than):
                self._run(operation, counters)

    async def aprune(
        self,
        thread_ids: Iterable[Id],
        *,
        strategy: PruneStrategy = "keep_latest",
        keep_last: int | None = None,
        older_than: timedelta | None = None,
    ) -> None:
        """Async `prune`."""
        with self._observed("prune") as counters:
            context = self._context(counters)
            for operation in self._prune(context, thread_ids, strategy, keep_last, older_than):
                await self._arun(operation, counters)

    def _prune(
        self,
        context: Context,
        thread_ids: Iterable[Id],
        strategy: PruneStrategy,
        keep_last: int | None,
        older_than: timedelta | None,
    ) -> Sequence[Operation[None]]:
        keep = arguments.keep(strategy, keep_last, older_than, context.now)
        found = arguments.thread_ids("thread_ids", thread_ids)
        if keep is None:
            return [delete.delete_thread(context, thread_id) for thread_id in found]
        return [prune.prune(context, thread_id, keep) for thread_id in found]
