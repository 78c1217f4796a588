"""The saver's methods on the thread directory: list, title, index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..checkpoints.copied_threads import ensure_here
from ..directory import entries
from ..directory.entries import Description
from ..directory.listing import ThreadPage
from ..errors import ConfigurationError
from ..maintenance.index_threads import ThreadIndexing
from ..runtime.context import Context
from ..runtime.effects import Operation
from . import arguments, thread_arguments
from .calls import SaverCalls
from .maintenance import Id


class ThreadDirectory(SaverCalls):
    """The part of `DynamoDBSaver` that lists threads."""

    def list_threads(
        self,
        owner: Id | None = None,
        *,
        all_owners: bool = False,
        limit: int = 20,
        cursor: str | None = None,
        newest_first: bool = True,
    ) -> ThreadPage:
        """A page of an owner's threads, by last activity, or of the threads of all owners.

        Pages are in order to the hour: a thread that was active again within an hour of its last
        listed activity keeps its place. Within a page the order is exact. A thread that becomes
        active while pages are read moves to the first one. The index of threads is eventually
        consistent, so a new thread is listed after about a second.

        A page reads one page of the index, then the two newest keys of each thread: half a read
        unit for each thread whose two newest items take at most 4 KB. A thread with several pending
        writes takes another query. Threads without an owner are in four partitions of the index,
        so a page of them reads four pages of it. No state is loaded.

        Args:
            owner: The owner, as `DynamoDBConfig.thread_owner` finds it; `None` for the threads
                without one, which are all threads if `thread_owner` is not set.
            all_owners: Instead of `owner`: the threads of all owners and those without one, by a
                scan of the index. Its pages are in no order. A page costs what a page of an owner
                costs. Needs `dynamodb:Scan` on the index.
            limit: The maximum number of threads, 1 to 100.
            cursor: The `cursor` of the page before; `None` for the first page.
            newest_first: `False` for the thread that was inactive for the longest time first.

        Returns:
            The page. It may have fewer threads than `limit`: the last page has no `cursor`.

        Raises:
            ConfigurationError: The saver's table has `enable_thread_index=False`.
            InvalidInputError: An argument is invalid.
            RequestRejectedError: The table has no index of threads.
            StorageError: A request failed.
        """
        page = (owner, all_owners, limit, cursor, newest_first)
        return self._call("list_threads", self._list_threads, *page)

    async def alist_threads(
        self,
        owner: Id | None = None,
        *,
        all_owners: bool = False,
        limit: int = 20,
        cursor: str | None = None,
        newest_first: bool = True,
    ) -> ThreadPage:
        """Async `list_threads`."""
        page = (owner, all_owners, limit, cursor, newest_first)
        return await self._acall("list_threads", self._list_threads, *page)

    def _list_threads(self, context: Context, *page: Any) -> Operation[ThreadPage]:
        check_index(context)
        return thread_arguments.page(*page).read(context)

    def set_thread(
        self,
        thread_id: Id,
        *,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Set the title or the metadata of a thread, for `list_threads`.

        The saver's serializer stores both, so an encrypting one encrypts them.

        Args:
            thread_id: The thread. It must have a checkpoint.
            title: Its title; `None` leaves it as it is.
            metadata: Replaces all of its metadata; `None` leaves them as they are. Title and
                metadata together take at most 2,048 bytes, serialized.

        Raises:
            ConfigurationError: The saver's table has `enable_thread_index=False`.
            InvalidInputError: An argument is invalid, or the thread is not listed.
            SerializationError: The serde cannot serialize the metadata.
            ConflictError: Others kept changing the same thread's title or metadata.
            StorageError: A request failed.
        """
        self._call("set_thread", self._set_thread, thread_id, title, metadata)

    async def aset_thread(
        self,
        thread_id: Id,
        *,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Async `set_thread`."""
        await self._acall("set_thread", self._set_thread, thread_id, title, metadata)

    def _set_thread(
        self,
        context: Context,
        thread_id: Id,
        title: str | None,
        metadata: Mapping[str, Any] | None,
    ) -> Operation[None]:
        check_index(context)
        found = arguments.thread_id(thread_id)
        return set_thread(context, found, thread_arguments.description(title, metadata))

    def index_threads(self, *, dry_run: bool = False) -> int:
        """List the threads that are stored already, after the index was added to a table.

        Reads every key of the table by a scan, and for each thread that is not listed its newest
        checkpoint, whose metadata names the owner. Runs may write to the table at the same time.
        After a failure, call it again: threads that are listed are not changed, except that an
        owner is named for those listed without one.

        Args:
            dry_run: Write nothing, and count what would be written.

        Returns:
            How many threads were listed, or given an owner.

        Raises:
            ConfigurationError: The saver's table has `enable_thread_index=False`.
            InvalidInputError: A checkpoint's metadata names an invalid owner.
            CorruptCheckpointError: Stored bytes of a newest checkpoint are missing or altered.
            StorageError: A request failed; call it again.
        """
        with self._observed("index_threads") as counters:
            indexing = ThreadIndexing(dry_run=thread_arguments.switch("dry_run", dry_run))
            check_index(self._context())
            while self._run(indexing.next_thread(self._context(counters)), counters):
                pass
            return indexing.changed

    async def aindex_threads(self, *, dry_run: bool = False) -> int:
        """Async `index_threads`."""
        with self._observed("index_threads") as counters:
            indexing = ThreadIndexing(dry_run=thread_arguments.switch("dry_run", dry_run))
            check_index(self._context())
            while await self._arun(indexing.next_thread(self._context(counters)), counters):
                pass
            return indexing.changed


def check_index(context: Context) -> None:
    """Refuse a saver whose table has no index of threads."""
    if not context.thread_index:
        raise ConfigurationError(
            f"the saver of table {context.table!r} has enable_thread_index=False, so its threads "
            "are not listed: leave the argument out (enable_thread_index=True) if the table has "
            "the index, then call index_threads"
        )


def set_thread(context: Context, thread_id: str, new: Description) -> Operation[None]:
    """Set a title or metadata; `read_through` copies the thread first if it is not here."""
    yield from ensure_here(context, thread_id)
    yield from entries.set_thread(context, thread_id, new)
