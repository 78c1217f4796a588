"""`list_threads`: the threads of an owner, by last activity, or those of all owners.

The index gives a page of entries: one query of an owner's partition, one of each partition of the
threads without an owner, or one page of a scan. Then the newest keys of each thread tell the time
of its last activity and its status: one small query for each thread, all in one round. No state is
loaded. A thread whose newest checkpoint has several writes takes one more query for each 16 of
them.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ..errors import CorruptCheckpointError, InvalidInputError, RequestRejectedError, StorageError
from ..format import items, keys, thread_entries
from ..runtime.context import Context
from ..runtime.effects import Call, Item, Operation
from . import entries, newest_checkpoints
from .newest_checkpoints import NewestCheckpoint, ThreadStatus

_IN_CURSOR = ("PK", thread_entries.ACTIVITY, thread_entries.OWNER)

_ACTIVITY = re.compile(r"[0-9]{1,16}(\.[0-9]{1,16})?")
"""A time as DynamoDB returns a number, in fewer than the 38 digits that it can store."""


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread, as `list_threads` returns it.

    Attributes:
        thread_id: The thread.
        owner: Its owner; `None` if it has none.
        title: Its title, from `set_thread`; `None` if none was set.
        metadata: Its metadata, from `set_thread`; empty if none were set.
        created: When its first checkpoint was put; `None` if not known.
        last_activity: When its newest checkpoint was made, or when the thread was copied.
        status: What its newest checkpoint says.
        unreadable: Why its title and metadata cannot be read, such as a value that is not encrypted
            although the serializer encrypts; both are then as if not set. `set_thread` with both
            replaces them. `None` if they can be read.
    """

    thread_id: str
    owner: str | None
    title: str | None
    metadata: Mapping[str, Any] = field(hash=False)
    created: datetime | None
    last_activity: datetime
    status: ThreadStatus
    unreadable: str | None = None


@dataclass(frozen=True, slots=True)
class ThreadPage:
    """A page of `list_threads`.

    Attributes:
        threads: The threads.
        cursor: Pass it to `list_threads` for the next page; `None` after the last one.
    """

    threads: tuple[Thread, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Which page to read.

    Attributes:
        partitions: The partitions of the index to read; none for the threads of all owners.
        limit: How many threads to list at most.
        newest_first: Whether the latest activity comes first.
        starts: For each partition, or for the scan, the key of the entry before the page.
    """

    partitions: tuple[str, ...]
    limit: int
    newest_first: bool
    starts: tuple[Item | None, ...]

    def read(self, context: Context) -> Operation[ThreadPage]:
        """Read the page. It has fewer threads than `limit` if some are expired or deleted."""
        starts = list(self.starts)
        while True:
            replies = yield from query_index(*self._calls(context, starts))
            found, more = self._merge(starts, replies)
            threads = yield from threads_of(context, found)
            if threads or not more:
                threads.sort(key=lambda one: one.last_activity, reverse=self.newest_first)
                return ThreadPage(tuple(threads), _cursor(starts) if more else None)

    def _calls(self, context: Context, starts: Sequence[Item | None]) -> list[Call]:
        if not self.partitions:
            return [thread_entries.scan(context.table, limit=self.limit, start=starts[0])]
        return [
            thread_entries.query(
                context.table, one, newest_first=self.newest_first, limit=self.limit, start=start
            )
            for one, start in zip(self.partitions, starts, strict=True)
        ]

    def _merge(self, starts: list[Item | None], replies: Sequence[Any]) -> tuple[list[Item], bool]:
        """The first entries of all partitions, and whether there are more; moves the starts."""
        found = [(n, one) for n, reply in enumerate(replies) for one in reply["Items"]]
        found.sort(key=lambda each: _activity(each[1]), reverse=self.newest_first)
        more = len(found) > self.limit or any("LastEvaluatedKey" in reply for reply in replies)
        taken = Counter(n for n, _ in found[: self.limit])
        for n, count in taken.items():
            last = replies[n]["Items"][count - 1]
            starts[n] = {name: last[name] for name in thread_entries.INDEX_KEY}
        return [one for _, one in found[: self.limit]], more


def _activity(entry: Item) -> float:
    return thread_entries.time_of(entry, thread_entries.ACTIVITY) or 0


def query_index(*calls: Call) -> Operation[Sequence[Any]]:
    """Pages of the index of threads, read in one round.

    Raises:
        RequestRejectedError: The table has no such index.
    """
    try:
        replies: Sequence[Any] = yield [*calls]
    except StorageError as error:
        if error.code != "ValidationException" or thread_entries.THREAD_INDEX not in str(error):
            raise
        raise RequestRejectedError(
            f"table {calls[0].params['TableName']!r} has no index {thread_entries.THREAD_INDEX!r}: "
            "add it (EnableThreadIndex=true in the stack; docs/infrastructure.md for other "
            "tables), then call index_threads"
        ) from error
    return replies


def _cursor(starts: Sequence[Item | None]) -> str:
    content = [
        start and [next(iter(start[name].values())) for name in _IN_CURSOR] for start in starts
    ]
    return urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def starts_of(partitions: Sequence[str], cursor: str | None) -> tuple[Item | None, ...]:
    """The keys of the entries before a page, for each partition, or for a scan if there is none.

    Raises:
        InvalidInputError: `list_threads` has not returned such a cursor for these partitions.
    """
    scopes = partitions or (None,)
    if cursor is None:
        return (None,) * len(scopes)
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        content = json.loads(urlsafe_b64decode(padded))
        if isinstance(content, list) and len(content) == len(scopes):
            return tuple(map(_start, scopes, content))
    except (binascii.Error, UnicodeError, ValueError, RecursionError):
        pass
    raise InvalidInputError(
        f"cursor={cursor[:60]!r}: pass the cursor of a page of list_threads, and the same owner"
    )


def _start(scope: str | None, content: Any) -> Item | None:
    """The key of the entry after which to continue.

    Raises:
        ValueError: It is none of the partition.
    """
    match content:
        case None:
            return None
        case [str(thread_id), str(activity), str(partition)] if (
            0 < len(thread_id.encode()) <= keys.MAX_THREAD_ID_BYTES
            and _ACTIVITY.fullmatch(activity)
            and 0 < len(partition.encode()) <= entries.MAX_OWNER_BYTES
            and scope in {None, partition}
        ):
            return thread_entries.start_key(thread_id, activity, partition)
    raise ValueError(content)


def threads_of(context: Context, found: Sequence[Item]) -> Operation[list[Thread]]:
    """The threads of some entries, without those that have expired or have no checkpoint."""
    current = [entry for entry in found if not items.gone(context, entry)]
    thread_ids = [entry["PK"]["S"] for entry in current]
    newest = yield from newest_checkpoints.find(context, thread_ids)
    listed = []
    for entry in current:
        one = newest.get(entry["PK"]["S"])
        if one is not None:  # else it has been deleted, or its first checkpoint is not put yet
            listed.append(_thread(context, entry, one))
    return listed


def _thread(context: Context, entry: Item, newest: NewestCheckpoint) -> Thread:
    unreadable = None
    try:
        said = entries.description_of(context, entry)
    except entries.UNREADABLE as error:  # one entry must not hide the others of a page
        said, unreadable = entries.Description(), str(error)
    # A copy was active when it was made.
    active = max(keys.made_at(newest.checkpoint_id) or 0, _activity(entry))
    created = thread_entries.time_of(entry, thread_entries.CREATED)
    return Thread(
        thread_id=entry["PK"]["S"],
        owner=thread_entries.owner_of(entry),
        title=said.title,
        metadata=dict(said.metadata or {}),
        created=None if created is None else _datetime(entry, created),
        last_activity=_datetime(entry, active),
        status=newest.status,
        unreadable=unreadable,
    )


def _datetime(entry: Item, seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (OverflowError, ValueError, OSError) as error:
        raise CorruptCheckpointError(
            f"the entry of thread {entry['PK']['S']!r} has no time: {seconds}"
        ) from error
