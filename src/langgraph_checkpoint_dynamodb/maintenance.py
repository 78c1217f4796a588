"""The saver's methods on whole threads: delete, copy, prune."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

from . import arguments, maintain
from .context import Context
from .operation import Operation
from .report import VerifyReport
from .verify import Verification

T = TypeVar("T")


class ThreadMaintenance:
    """The part of `DynamoDBSaver` that deletes and copies."""

    @abstractmethod
    def _context(self) -> Context: ...

    @abstractmethod
    def _run(self, operation: Operation[T]) -> T: ...

    @abstractmethod
    async def _arun(self, operation: Operation[T]) -> T: ...

    def delete_thread(self, thread_id: str) -> None:
        """Delete everything that a thread has stored.

        Raises:
            InvalidInputError: `thread_id` cannot be one.
            ConflictError: The thread is still being written to.
            StorageError: DynamoDB could not answer; call it again.
        """
        self._run(self._delete_thread(thread_id))

    async def adelete_thread(self, thread_id: str) -> None:
        """Async `delete_thread`."""
        await self._arun(self._delete_thread(thread_id))

    def _delete_thread(self, thread_id: str) -> Operation[None]:
        return maintain.delete_thread(self._context(), arguments.thread_id(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints that some runs made, with their writes.

        Costs a consistent scan of the whole table: one read unit for every 4 KB
        stored, for each 100 run ids. With `enable_run_index` a query for each run
        id; the index follows the table by a moment, so a run has to have ended a
        little before. Checkpoints of later runs stay; one whose delta channels
        were built from what is deleted raises `CorruptCheckpointError` when it is
        read.

        Raises:
            InvalidInputError: A run id that is no string.
            StorageError: DynamoDB could not answer; call it again.
        """
        self._run(self._delete_for_runs(run_ids))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Async `delete_for_runs`."""
        await self._arun(self._delete_for_runs(run_ids))

    def _delete_for_runs(self, run_ids: Sequence[str]) -> Operation[None]:
        return maintain.delete_for_runs(self._context(), arguments.texts("run_ids", run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread as it is stored, without deserializing it.

        It can be repeated after a failure. A source that does not exist copies
        nothing.

        Raises:
            InvalidInputError: An id that cannot be a thread's.
            ConflictError: The target holds something else; nothing was written.
            StorageError: DynamoDB could not answer; call it again.
        """
        self._run(self._copy_thread(source_thread_id, target_thread_id))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Async `copy_thread`."""
        await self._arun(self._copy_thread(source_thread_id, target_thread_id))

    def _copy_thread(self, source_thread_id: str, target_thread_id: str) -> Operation[None]:
        return maintain.copy_thread(
            self._context(),
            arguments.thread_id(source_thread_id, "source_thread_id"),
            arguments.thread_id(target_thread_id, "target_thread_id"),
        )

    def verify(self, thread_id: str | None = None) -> VerifyReport:
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

    async def averify(self, thread_id: str | None = None) -> VerifyReport:
        """Async `verify`."""
        verification = self._verification(thread_id)
        while await self._arun(verification.next_thread(self._context())):
            pass
        return verification.report

    def _verification(self, thread_id: str | None) -> Verification:
        return Verification(None if thread_id is None else arguments.thread_id(thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete what threads no longer need.

        Args:
            thread_ids: The threads.
            strategy: `keep_latest` keeps the newest checkpoint of each namespace, its
                writes, and the ancestors that its delta channels are rebuilt from;
                `delete` deletes the threads. Chunks younger than an hour are left to
                the next prune: a run may be about to refer to them.

        Raises:
            InvalidInputError: An unknown strategy, or an id that cannot be a thread's.
            StorageError: DynamoDB could not answer; call it again.
        """
        for operation in self._prune(thread_ids, strategy):
            self._run(operation)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Async `prune`."""
        for operation in self._prune(thread_ids, strategy):
            await self._arun(operation)

    def _prune(self, thread_ids: Sequence[str], strategy: str) -> Sequence[Operation[None]]:
        prune = arguments.choice(
            "strategy", strategy, {"keep_latest": maintain.prune, "delete": maintain.delete_thread}
        )
        found = [arguments.thread_id(one) for one in arguments.texts("thread_ids", thread_ids)]
        return [prune(self._context(), thread_id) for thread_id in found]
