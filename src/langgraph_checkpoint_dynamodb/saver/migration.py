"""The saver's methods that copy threads of other savers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from langgraph.checkpoint.base import BaseCheckpointSaver

from ..config.source_table import SourceTable
from ..drivers.places import session_region
from ..errors import CallerError, ConfigurationError, InvalidInputError
from ..migration.migration import Migration, copy_thread
from ..runtime.context import ReadThrough
from . import arguments
from .calls import SaverCalls

if TYPE_CHECKING:
    from ..migration.report import MigrationReport
    from .maintenance import Id

Source: TypeAlias = "SourceTable | BaseCheckpointSaver[Any]"
"""Where threads are copied from."""

Progress = Callable[["MigrationReport"], None]


class ThreadMigration(SaverCalls):
    """The part of `DynamoDBSaver` that copies threads of other savers."""

    def migrate(
        self,
        source: Source,
        thread_ids: Iterable[Id] | None = None,
        *,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> MigrationReport:
        """Copy threads of another saver, with their history, pending writes and subgraphs.

        Nothing is written to the source. What is here already is kept, so the call can be repeated:
        after an interruption, or to copy what the source got since. Interrupts, their answers and
        errors that the source has replaced since are replaced. A thread that was continued here is
        not changed. Stop a thread's runs before its last copy.

        A thread whose data cannot be read or copied, or whose id is none here, is a failure in the
        report, and the others are copied.

        Args:
            source: Any `BaseCheckpointSaver`, or a `SourceTable`: another DynamoDB saver's table.
            thread_ids: The threads; `None` for all: by a scan of the table, or by `list(None)`.
            dry_run: Read only, and report what would be copied.
            progress: Called with the report so far, after each thread.

        Returns:
            What was copied, what the copies lack, which threads failed, and which of those named
            the source does not have.

        Raises:
            InvalidInputError: An argument is invalid.
            ConfigurationError: The source has payloads in S3, and its `bucket` is missing.
            StorageError: A request failed; call it again. An exception of another saver, other
                than one of a thread's data, is raised as it is.
        """
        with self._observed("migrate") as counters:
            migration = self._migration(source, thread_ids, dry_run, progress)
            while self._run(migration.next_thread(self._context(counters)), counters):
                if progress is not None:
                    progress(migration.report)
            return migration.report

    async def amigrate(
        self,
        source: Source,
        thread_ids: Iterable[Id] | None = None,
        *,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> MigrationReport:
        """Async `migrate`."""
        with self._observed("migrate") as counters:
            migration = self._migration(source, thread_ids, dry_run, progress)
            while await self._arun(migration.next_thread(self._context(counters)), counters):
                if progress is not None:
                    progress(migration.report)
            return migration.report

    def _migration(
        self, source: Source, thread_ids: Iterable[Id] | None, dry_run: Any, progress: Any
    ) -> Migration:
        _check("source", source, InvalidInputError, self)
        if not isinstance(dry_run, bool):
            raise InvalidInputError(f"dry_run={dry_run!r}: use True or False")
        if progress is not None and not callable(progress):
            raise InvalidInputError(
                f"progress={progress!r}: use a function that takes a MigrationReport, or None"
            )
        found = None if thread_ids is None else arguments.thread_ids("thread_ids", thread_ids)
        return Migration(source, found, arguments.thread_id, dry_run=dry_run)

    def _read_through_of(self, source: Source | None) -> ReadThrough | None:
        """What copies threads of a source at their first use."""
        if source is None:
            return None
        _check("read_through", source, ConfigurationError, self)
        return ReadThrough(lambda context, thread_id: copy_thread(context, source, thread_id))


def _check(name: str, source: Any, error: type[CallerError], saver: SaverCalls) -> None:
    if source is saver or not isinstance(source, SourceTable | BaseCheckpointSaver):
        shown = "this saver itself" if source is saver else f"a {type(source).__name__}"
        raise error(f"{name} is {shown}: pass another checkpointer, or a SourceTable")
    region = source.region if isinstance(source, SourceTable) else None
    here = region and (saver.config.region_name or session_region(saver.config))
    if region and here and region != here:
        raise error(
            f"{name} is a table in region {region}, and this saver reads tables in its own region, "
            f"{here}: give the table a replica there, or copy in two steps (docs/migrating.md)"
        )
