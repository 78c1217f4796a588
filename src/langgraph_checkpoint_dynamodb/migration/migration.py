"""`migrate`: copies threads of a source into the table, one after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from langgraph.checkpoint.base import BaseCheckpointSaver

from ..checkpoints import copied_threads
from ..checkpoints.listing import ThreadScan
from ..config.source_table import AWS, DYNAMODB_CHECKPOINT, RELEASE_0_1_3, SourceTable
from ..errors import (
    ConflictError,
    CorruptCheckpointError,
    DeserializationError,
    DynamoDBSaverError,
    InvalidInputError,
    SerializationError,
    UnsupportedFormatError,
)
from ..runtime.context import Context
from ..runtime.effects import Operation
from ..serialization.plain_data import unchanged
from . import other_saver
from .dynamodb_checkpoint import DynamoDBCheckpointReader
from .langgraph_aws import LangGraphAwsReader
from .other_saver import Listed
from .release_0_1_3 import Release013Reader
from .report import Failure, MigrationReport
from .table_reader import TableReader
from .thread_copy import ThreadCopy

Source: TypeAlias = "SourceTable | BaseCheckpointSaver[Any]"

_READERS: dict[str, type[TableReader]] = {
    AWS: LangGraphAwsReader,
    DYNAMODB_CHECKPOINT: DynamoDBCheckpointReader,
    RELEASE_0_1_3: Release013Reader,
}

_OF_THREADS = (
    ConflictError,
    CorruptCheckpointError,
    DeserializationError,
    InvalidInputError,
    SerializationError,
    UnsupportedFormatError,
)
"""What is wrong with one thread. It does not keep others from being copied."""

_OF_DATA = (AttributeError, LookupError, TypeError, ValueError)
"""What Python raises for data of another type or shape. Clients of databases have other errors."""


class Migration:
    """One `migrate`: call `next_thread` until it returns `False`, then take `report`.

    Args:
        source: Where to read.
        thread_ids: The threads; `None` for all.
        check_id: Raises `InvalidInputError` for what cannot be a thread's id here.
        dry_run: Whether to read only.
    """

    def __init__(
        self,
        source: Source,
        thread_ids: Sequence[str] | None,
        check_id: Callable[[str], object],
        *,
        dry_run: bool = False,
    ) -> None:
        self._source = source
        self._check_id = check_id
        self._dry_run = dry_run
        self._listed: dict[str, list[Listed]] = {}
        self._scan: ThreadScan | None = None
        self._threads = None if thread_ids is None else deque(thread_ids)
        self._are_named = thread_ids is not None
        self.report = MigrationReport()

    def next_thread(self, context: Context) -> Operation[bool]:
        """Copy the next thread; `False` if there is none."""
        thread_id = yield from self._next(context)
        if thread_id is None:
            return False
        listed = self._listed.pop(thread_id, None)
        report = MigrationReport()
        failures: tuple[Failure, ...] = ()
        try:
            self._check_id(thread_id)
            marker = yield from copied_threads.read_marker(context, thread_id)
            copy = ThreadCopy(context, thread_id, marker=marker, dry_run=self._dry_run)
            try:
                yield from _copy(context, self._source, copy, listed)
            finally:
                report = copy.report
        except _OF_THREADS as error:
            failures = (Failure(thread_id, f"{type(error).__name__}: {error}"),)
        is_missing = self._are_named and not (report.threads or report.losses or failures)
        missing = (thread_id,) if is_missing else ()
        self.report += replace(report, failures=failures, missing=missing)
        return True

    def _next(self, context: Context) -> Operation[str | None]:
        source = self._source
        if self._threads is None and isinstance(source, SourceTable):
            reader = _READERS[source.layout]
            if self._scan is None:
                self._scan = ThreadScan(lambda _, start: reader.scan(source.table_name, start))
            found = yield from self._scan.next(context)
            return None if found is None else found[len(reader.PREFIX) :]
        if self._threads is None and not isinstance(source, SourceTable):
            self._listed = yield from other_saver.list_all(other_saver.unchanged(context, source))
            self._threads = deque(self._listed)
        return self._threads.popleft() if self._threads else None


def copy_thread(context: Context, source: Source, thread_id: str) -> Operation[bool]:
    """Copy a thread that has no marker; returns whether the source has it.

    Raises:
        ConflictError: The thread was put here, and the source has one of this id too.
        CorruptCheckpointError: The source's items are damaged.
        DeserializationError: A value of the source cannot be read.
    """
    copy = ThreadCopy(context, thread_id, marker=None)
    yield from _copy(context, source, copy, None)
    return copy.report.threads > 0


def _copy(
    context: Context, source: Source, copy: ThreadCopy, listed: list[Listed] | None
) -> Operation[None]:
    yield from copy.begin()
    try:
        yield from _read(context, source, copy, listed)
    except DynamoDBSaverError:
        raise
    except _OF_DATA as error:
        raise CorruptCheckpointError(
            f"thread {copy.thread_id!r}: the source has data of another kind than it stores "
            f"({type(error).__name__}: {error})"
        ) from error
    yield from copy.finish()


def _read(
    context: Context, source: Source, copy: ThreadCopy, listed: list[Listed] | None
) -> Operation[None]:
    if isinstance(source, SourceTable):
        of_source = replace(context, table=source.table_name, serde=_reading_serde(context, source))
        yield from _READERS[source.layout](of_source, source, copy).read()
    else:
        yield from other_saver.read(other_saver.unchanged(context, source), copy, listed)


def _reading_serde(context: Context, source: SourceTable) -> Any:
    """What reads the table's values: unchanged, if both serializers are LangGraph's."""
    target = unchanged(context.serde)
    own = target if source.serde is None else unchanged(source.serde)
    return own if own and target else source.serde or context.serde
