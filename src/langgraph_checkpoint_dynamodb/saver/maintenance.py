"""The saver's methods on whole threads: delete, copy, prune."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TypeAlias, TypeVar
from uuid import UUID

from ..errors import ConfigurationError
from ..maintenance import copy, delete, prune
from ..maintenance.apply_ttl import TtlApplication
from ..maintenance.verify import Verification
from ..maintenance.verify_report import VerifyReport
from ..runtime.context import Context
from ..runtime.effects import Operation
from . import arguments

T = TypeVar("T")

Id: TypeAlias = "str | UUID | int"
"""An id of a thread or a run: integers and UUIDs are taken as text."""


class ThreadMaintenance:
    """The part of `DynamoDBSaver` that deletes and copies."""

    @abstractmethod
    def _context(self) -> Context: ...

    @abstractmethod
    def _run(self, operation: Operation[T]) -> T: ...

    @abstractmethod
    async def _arun(self, operation: Operation[T]) -> T: ...

    def delete_thread(self, thread_id: Id) -> None:
        """Delete everything that stands in a thread's partition, whoever wrote it.

        Args:
            thread_id: The thread; a string, a UUID or an integer, as everywhere.

        Raises:
            InvalidInputError: `thread_id` cannot be one.
            ConflictError: The thread is still being written to.
            StorageError: DynamoDB could not answer; call it again.
        """
        self._run(self._delete_thread(thread_id))

    async def adelete_thread(self, thread_id: Id) -> None:
        """Async `delete_thread`."""
        await self._arun(self._delete_thread(thread_id))

    def _delete_thread(self, thread_id: Id) -> Operation[None]:
        return delete.delete_thread(self._context(), arguments.thread_id(thread_id))

    def delete_for_runs(self, run_ids: Iterable[Id]) -> None:
        """Delete the checkpoints that some runs made, with their writes.

        Costs a consistent scan of the whole table: one read unit for every 4 KB
        stored, for each 100 run ids. With `enable_run_index` a query for each run
        id; the index follows the table by a moment, so a run has to have ended a
        little before. Checkpoints of other runs stay whole: those that their delta
        channels are rebuilt from stay too, until a later call finds that nothing needs
        them. A run that is under way on what is deleted is not protected; see `prune`.

        Args:
            run_ids: The runs: any iterable of strings, UUIDs or integers.

        Raises:
            InvalidInputError: An id of another type, or a single string.
            StorageError: DynamoDB could not answer; call it again.
        """
        self._run(self._delete_for_runs(run_ids))

    async def adelete_for_runs(self, run_ids: Iterable[Id]) -> None:
        """Async `delete_for_runs`."""
        await self._arun(self._delete_for_runs(run_ids))

    def _delete_for_runs(self, run_ids: Iterable[Id]) -> Operation[None]:
        return delete.delete_for_runs(self._context(), arguments.identifiers("run_ids", run_ids))

    def copy_thread(self, source_thread_id: Id, target_thread_id: Id) -> None:
        """Copy a thread as it is stored, without deserializing its values.

        Where a checkpoint's metadata names the source as `thread_id`, as LangGraph Server's does,
        the copy's names the target. It can be repeated after a failure. A source that does not
        exist copies nothing.

        Args:
            source_thread_id: The thread to copy.
            target_thread_id: The thread to copy to, which holds nothing else.

        Raises:
            InvalidInputError: An id that cannot be a thread's.
            ConflictError: The target holds something else, or the source is being deleted from
                without end; no checkpoint was written.
            StorageError: DynamoDB could not answer; call it again.
        """
        self._run(self._copy_thread(source_thread_id, target_thread_id))

    async def acopy_thread(self, source_thread_id: Id, target_thread_id: Id) -> None:
        """Async `copy_thread`."""
        await self._arun(self._copy_thread(source_thread_id, target_thread_id))

    def _copy_thread(self, source_thread_id: Id, target_thread_id: Id) -> Operation[None]:
        return copy.copy_thread(
            self._context(),
            arguments.thread_id(source_thread_id, "source_thread_id"),
            arguments.thread_id(target_thread_id, "target_thread_id"),
        )

    def verify(self, thread_id: Id | None = None) -> VerifyReport:
        """Look for broken promises: what is missing, altered, unreadable or left over.

        Reads everything that a thread has stored, checks every digest and loads every value,
        and changes nothing. It may run beside runs of the thread. Beside a `prune` or a
        deletion it may report what that is about to delete.

        Args:
            thread_id: The thread; `None` for every thread, by a scan of the table's keys, with
                one thread at a time in memory.

        Returns:
            The counts, and the problems; broken data is never raised.

        Raises:
            InvalidInputError: `thread_id` cannot be one.
            StorageError: DynamoDB could not answer; call it again.
        """
        verification = self._verification(thread_id)
        while self._run(verification.next_thread(self._context())):
            pass
        return verification.report

    async def averify(self, thread_id: Id | None = None) -> VerifyReport:
        """Async `verify`."""
        verification = self._verification(thread_id)
        while await self._arun(verification.next_thread(self._context())):
            pass
        return verification.report

    def apply_ttl(self, thread_ids: Iterable[Id] | None = None) -> int:
        """Let what is stored already expire, `ttl_seconds` from now.

        For threads that were begun before TTL was switched on, or with a longer one: a
        checkpoint never expires before the one it continues, so without this they go on as they
        are. What expires earlier keeps its time. Chunks of items without a time are written
        once more; the next `prune` deletes the old ones, an hour later. What was done before a
        call broke off is passed over by the next. Every process that writes to the table has
        to have `ttl_seconds` by then.

        Args:
            thread_ids: The threads; `None` for every thread, by a scan of the table's keys.

        Returns:
            How many items were given a time, or an earlier one.

        Raises:
            ConfigurationError: The saver's table has no `ttl_seconds`.
            InvalidInputError: An id that cannot be a thread's.
            ConflictError: A thread is written to again and again; stop its runs.
            StorageError: DynamoDB could not answer; call it again.
        """
        changed = 0
        for application in self._ttl_applications(thread_ids):
            while self._run(application.next_thread(self._context())):
                pass
            changed += application.changed
        return changed

    async def aapply_ttl(self, thread_ids: Iterable[Id] | None = None) -> int:
        """Async `apply_ttl`."""
        changed = 0
        for application in self._ttl_applications(thread_ids):
            while await self._arun(application.next_thread(self._context())):
                pass
            changed += application.changed
        return changed

    def _ttl_applications(self, thread_ids: Iterable[Id] | None) -> list[TtlApplication]:
        if self._context().ttl_seconds is None:
            raise ConfigurationError(
                "apply_ttl: this saver's table has ttl_seconds=None, so there is no TTL to apply; "
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
        strategy: str = "keep_latest",
        keep_last: int | None = None,
        older_than: timedelta | float | None = None,
    ) -> None:
        """Delete what threads no longer need.

        The namespace of a subgraph call is deleted together with the checkpoint of the enclosing
        graph in which the subgraph was called, since nothing but that checkpoint comes back to it.
        A subgraph compiled with `checkpointer=True` keeps its newest checkpoint, and the newest
        before each checkpoint of the root graph that stays, which a replay of that begins with.

        A kept checkpoint's `parent_config` goes on naming its parent, also one that is gone. A
        run that continues from a checkpoint that is being deleted is not protected: its next
        one may raise `CorruptCheckpointError`. Where several runs share a thread, give
        `older_than`, longer than a step takes. Chunks younger than an hour are left to the next
        prune: a run may be about to refer to them.

        Args:
            thread_ids: The threads: any iterable of strings, UUIDs or integers.
            strategy: `keep_latest` keeps the newest checkpoint of the graph and of each
                subgraph, as above, their writes, and the ancestors that their delta channels
                are rebuilt from;
                `delete`, or `delete_all` as LangGraph Server says, deletes the threads.
            keep_last: Keep so many of the newest checkpoints of each namespace instead of one.
            older_than: Delete only checkpoints made longer ago than this, in seconds or as a
                `timedelta`. With `keep_last`, what either of the two spares is kept. The time
                is that in the checkpoint's id, a UUID of version 6: ids sort by it, so it is
                what "newest" means. For another id it is the checkpoint's `ts`; one without a
                readable `ts` stays.

        Raises:
            InvalidInputError: An unknown strategy, an id that cannot be a thread's, or numbers
                that make no sense.
            StorageError: DynamoDB could not answer; call it again.
        """
        for operation in self._prune(thread_ids, strategy, keep_last, older_than):
            self._run(operation)

    async def aprune(
        self,
        thread_ids: Iterable[Id],
        *,
        strategy: str = "keep_latest",
        keep_last: int | None = None,
        older_than: timedelta | float | None = None,
    ) -> None:
        """Async `prune`."""
        for operation in self._prune(thread_ids, strategy, keep_last, older_than):
            await self._arun(operation)

    def _prune(
        self,
        thread_ids: Iterable[Id],
        strategy: str,
        keep_last: int | None,
        older_than: timedelta | float | None,
    ) -> Sequence[Operation[None]]:
        context = self._context()
        keep = arguments.keep(strategy, keep_last, older_than, context.now)
        found = arguments.thread_ids("thread_ids", thread_ids)
        if keep is None:
            return [delete.delete_thread(context, thread_id) for thread_id in found]
        return [prune.prune(context, thread_id, keep) for thread_id in found]
