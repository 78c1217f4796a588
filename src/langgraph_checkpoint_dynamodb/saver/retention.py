"""The saver's methods on the threads that the directory lists: prune, export, erase."""

from __future__ import annotations

from datetime import timedelta
from os import PathLike
from pathlib import Path
from typing import IO, Literal, TypeAlias

from ..errors import InvalidInputError
from ..maintenance.erase import EraseReport, OwnerErasure
from ..maintenance.export import ThreadExport
from ..maintenance.prune_threads import PruneReport, ThreadPruning
from ..runtime.context import Context
from ..runtime.effects import Compute, Operation
from . import arguments, thread_arguments
from .calls import SaverCalls
from .directory import check_index
from .maintenance import Id

Target: TypeAlias = "str | PathLike[str] | IO[str]"
"""A path of a new file, or a file that is open for text."""


class ListedThreads(SaverCalls):
    """The part of `DynamoDBSaver` for operations on all threads, or those of an owner."""

    def prune_threads(
        self,
        *,
        owner: Id | None = None,
        all_owners: bool = False,
        inactive_for: timedelta,
        strategy: Literal["delete", "keep_latest"] = "delete",
        dry_run: bool = False,
    ) -> PruneReport:
        """Delete threads that have been inactive, or all but their newest checkpoints.

        The time of the last activity is written once an hour, so a thread is deleted when it was
        inactive for `inactive_for`, or up to an hour later; never before. Only threads that are
        listed are found (see `index_threads`). After a failure, call it again: it continues with
        the threads that are left.

        Args:
            owner: Only the threads of this owner.
            all_owners: Instead of `owner`: all listed threads of the table, also those without an
                owner, by a scan of the index.
            inactive_for: How long a thread must have been inactive, such as `timedelta(days=90)`.
            strategy: `delete` deletes the threads. `keep_latest` does what `prune` does with
                each of them.
            dry_run: Delete nothing. The report has the numbers that the same call would have
                without it.

        Returns:
            How many threads, checkpoints and bytes were deleted.

        Raises:
            ConfigurationError: The saver's table has `enable_thread_index=False`.
            InvalidInputError: An argument is invalid.
            RequestRejectedError: The table has no index of threads.
            ConflictError: Other writers write to an inactive thread; call it again.
            StorageError: A request failed; call it again.
        """
        with self._observed("prune_threads") as counters:
            context = self._context(counters)
            pruning = _pruning(context, owner, all_owners, inactive_for, strategy, dry_run)
            while self._run(pruning.next_thread(self._context(counters)), counters):
                pass
            return pruning.report

    async def aprune_threads(
        self,
        *,
        owner: Id | None = None,
        all_owners: bool = False,
        inactive_for: timedelta,
        strategy: Literal["delete", "keep_latest"] = "delete",
        dry_run: bool = False,
    ) -> PruneReport:
        """Async `prune_threads`."""
        with self._observed("prune_threads") as counters:
            context = self._context(counters)
            pruning = _pruning(context, owner, all_owners, inactive_for, strategy, dry_run)
            while await self._arun(pruning.next_thread(self._context(counters)), counters):
                pass
            return pruning.report

    def export_threads(self, owner: Id, to: Target) -> int:
        """Write all that is stored of an owner's threads as lines of JSON.

        Each line is an object with a `kind`: `thread`, `message`, `checkpoint` or `write`. The
        newest checkpoint of a thread comes first. A message is written once, and a value once for
        each version. Values of LangGraph's serializer are read as data, so nothing that is stored
        can run: an object becomes `{"$type": …, "$data": …}`. Runs may be in progress: each thread
        that is listed when the call begins is written as it is at some moment of the call.

        Args:
            owner: The owner.
            to: The path of a new file, or a file that is open for text. A new file is removed if
                the export fails, or if the owner has no threads.

        Returns:
            How many threads were written.

        Raises:
            ConfigurationError: The saver's table has `enable_thread_index=False`.
            InvalidInputError: An argument is invalid, or the file exists.
            CorruptCheckpointError: Stored bytes are missing or altered.
            StorageError: A request failed; call it again.
        """
        with self._observed("export_threads") as counters:
            export = _Export(self._context(), owner, to)
            self._run(export.open(), counters)
            try:
                while self._run(export.write_next(self._context(counters)), counters):
                    pass
            finally:
                self._run(export.close(), counters)
            return export.threads

    async def aexport_threads(self, owner: Id, to: Target) -> int:
        """Async `export_threads`; it uses the file in worker threads."""
        with self._observed("export_threads") as counters:
            export = _Export(self._context(), owner, to)
            await self._arun(export.open(), counters)
            try:
                while await self._arun(export.write_next(self._context(counters)), counters):
                    pass
            finally:
                await self._arun(export.close(), counters)
            return export.threads

    def erase_owner(self, owner: Id) -> EraseReport:
        """Delete all threads of an owner, for example because a user asks for it.

        Threads from before the index are listed by `index_threads`; call it first. Stop the owner's
        runs before. When it returns, the index lists no thread of the owner, and nothing is stored
        of the threads that it listed: both are looked at again at the end. A run that is still in
        progress then can store its thread again, without listing it for up to an hour. After a
        failure, call it again: it continues with the threads that are listed.

        Returns:
            What was deleted, and where copies may still be that this cannot reach.

        Raises:
            ConfigurationError: The saver's table has `enable_thread_index=False`.
            InvalidInputError: `owner` is invalid.
            RequestRejectedError: The table has no index of threads.
            ConflictError: Other writers keep writing to the owner's threads.
            StorageError: A request failed; call it again.
        """
        with self._observed("erase_owner") as counters:
            erasure = _erasure(self._context(), owner)
            while self._run(erasure.next_thread(self._context(counters)), counters):
                pass
            return self._run(erasure.report(self._context(counters)), counters)

    async def aerase_owner(self, owner: Id) -> EraseReport:
        """Async `erase_owner`."""
        with self._observed("erase_owner") as counters:
            erasure = _erasure(self._context(), owner)
            while await self._arun(erasure.next_thread(self._context(counters)), counters):
                pass
            return await self._arun(erasure.report(self._context(counters)), counters)


def _pruning(
    context: Context,
    owner: Id | None,
    all_owners: bool,
    inactive_for: timedelta,
    strategy: str,
    dry_run: bool,
) -> ThreadPruning:
    check_index(context)
    if thread_arguments.switch("all_owners", all_owners) == (owner is not None):
        raise InvalidInputError(
            f"owner={owner!r} with all_owners={all_owners}: pass the owner whose threads are to be "
            "deleted, or all_owners=True for every listed thread; one of the two"
        )
    since = context.now - arguments.age("inactive_for", inactive_for)
    keep = arguments.keep(strategy, None, None, context.now)
    thread_arguments.switch("dry_run", dry_run)
    return ThreadPruning(thread_arguments.owner(owner), since, keep, dry_run=dry_run)


def _erasure(context: Context, owner: Id) -> OwnerErasure:
    check_index(context)
    return OwnerErasure(thread_arguments.named_owner(owner))


class _Export:
    """The steps of `export_threads`. An async driver runs those on the file in a thread."""

    def __init__(self, context: Context, owner: Id, to: Target) -> None:
        check_index(context)
        self._lines = ThreadExport(thread_arguments.named_owner(owner))
        self._to = to
        self._file: IO[str] | None = None
        self._is_whole = False

    @property
    def threads(self) -> int:
        """How many threads were written."""
        return self._lines.threads

    def open(self) -> Operation[None]:
        """Open a new file, if the caller named a path."""
        self._file = yield Compute(self._opened, _no_size)

    def _opened(self) -> IO[str]:
        if not isinstance(self._to, str | PathLike):
            return self._to
        try:
            return open(self._to, "x", encoding="utf-8")  # noqa: PTH123 - closed by `close`
        except (OSError, ValueError) as error:  # ValueError: of a path with a NUL or a surrogate
            reason = error.strerror if isinstance(error, OSError) else error
            raise InvalidInputError(f"to={str(self._to)!r}: {reason}; name a new file") from error

    def write_next(self, context: Context) -> Operation[bool]:
        """Write the next lines; false after the last."""
        file, lines = self._file, (yield from self._lines.next_lines(context))
        if file is None or lines is None:
            self._is_whole = self.threads > 0
            return False
        yield Compute(lambda: file.writelines(f"{line}\n" for line in lines), _no_size)
        return True

    def close(self) -> Operation[None]:
        """Close a file that `open` has opened; remove it if the export is not whole."""
        file, to = self._file, self._to
        if file is not None and isinstance(to, str | PathLike):
            yield Compute(lambda: self._closed(file, Path(to)), _no_size)

    def _closed(self, file: IO[str], path: Path) -> None:
        is_whole = False
        try:
            file.close()
            is_whole = self._is_whole
        finally:
            if not is_whole:
                path.unlink()


def _no_size() -> None:
    """The size of work that waits for a disk: it never runs on an event loop."""
