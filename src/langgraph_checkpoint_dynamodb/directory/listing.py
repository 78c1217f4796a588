"""`list_threads`: the threads of an owner, by last activity.

The index gives a page of entries. Then the newest keys of each thread tell the time of its last
activity and its status: one small query for each thread, all in one round. No state is loaded. A
thread whose newest checkpoint has several writes takes one more query for each 16 of them.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
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
        owner: The owner; `None` for the threads without one.
        limit: How many threads to list at most.
        newest_first: Whether the latest activity comes first.
        start: The key of the entry before the page.
    """

    owner: str | None
    limit: int
    newest_first: bool
    start: Item | None

    def read(self, context: Context) -> Operation[ThreadPage]:
        """Read the page. It has fewer threads than `limit` if some are expired or deleted."""
        start = self.start
        while True:
            call = thread_entries.query(
                context.table,
                self.owner,
                newest_first=self.newest_first,
                limit=self.limit,
                start=start,
            )
            reply = yield from query_index(call)
            found = yield from threads_of(context, reply["Items"])
            start = reply.get("LastEvaluatedKey")
            if found or not start:
                found.sort(key=lambda one: one.last_activity, reverse=self.newest_first)
                return ThreadPage(tuple(found), _cursor(start) if start else None)


def query_index(call: Call) -> Operation[Any]:
    """One page of the index of threads.

    Raises:
        RequestRejectedError: The table has no such index.
    """
    try:
        (reply,) = yield [call]
    except StorageError as error:
        if error.code != "ValidationException" or thread_entries.THREAD_INDEX not in str(error):
            raise
        raise RequestRejectedError(
            f"table {call.params['TableName']!r} has no index {thread_entries.THREAD_INDEX!r}: add "
            "it (EnableThreadIndex=true in the stack; docs/infrastructure.md for other tables), "
            "then call index_threads"
        ) from error
    return reply


def _cursor(start: Item) -> str:
    content = [start["PK"]["S"], start[thread_entries.ACTIVITY]["N"]]
    return urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def start_of(owner: str | None, cursor: str) -> Item:
    """The key of the entry that a cursor names.

    Raises:
        InvalidInputError: `list_threads` has not returned such a cursor.
    """
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        match json.loads(urlsafe_b64decode(padded)):
            case [str(thread_id), str(activity)] if 0 < len(
                thread_id.encode()
            ) <= keys.MAX_THREAD_ID_BYTES and _ACTIVITY.fullmatch(activity):
                return thread_entries.start_key(thread_id, owner, activity)
    except (binascii.Error, UnicodeError, ValueError, RecursionError):
        pass
    raise InvalidInputError(f"cursor={cursor[:60]!r}: pass the cursor of a page of list_threads")


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
    written = thread_entries.time_of(entry, thread_entries.ACTIVITY) or 0
    active = max(keys.made_at(newest.checkpoint_id) or 0, written)
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
