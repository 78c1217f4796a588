"""`list_threads`: the threads of an owner, by last activity.

The index gives a page of entries. Then the newest key of each thread tells the time of its last
activity and its status: one small query for each thread, all in one round. No state is loaded. A
thread whose newest key is that of a finished task's writes, or of a resume, takes one more query.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from langgraph.checkpoint.serde.types import ERROR, INTERRUPT

from ..errors import CorruptCheckpointError, InvalidInputError, RequestRejectedError, StorageError
from ..format import items, keys, requests, thread_entries
from ..runtime.context import Context
from ..runtime.effects import Call, Item, Operation
from . import entries

_MORE_KEYS = 16
"""How many keys are read of a thread whose newest key shows no checkpoint."""

_ROOT = keys.below(f"{keys.CHECKPOINTS}{keys.namespace('')}")


class ThreadStatus(str, Enum):
    """What the newest checkpoint of a thread says, as far as its keys tell it."""

    IDLE = "idle"
    """Finished, running, or stopped by `interrupt_before` or `interrupt_after`."""
    INTERRUPTED = "interrupted"
    """A task waits in `interrupt()`."""
    ERROR = "error"
    """A task has failed."""


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
    """

    thread_id: str
    owner: str | None
    title: str | None
    metadata: Mapping[str, Any] = field(hash=False)
    created: datetime | None
    last_activity: datetime
    status: ThreadStatus


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
            case [str(thread_id), str(activity)] if float(activity) >= 0:
                return thread_entries.start_key(thread_id, owner, activity)
    except (binascii.Error, UnicodeError, ValueError, RecursionError):
        pass
    raise InvalidInputError(f"cursor={cursor[:60]!r}: pass the cursor of a page of list_threads")


@dataclass(slots=True)
class _Newest:
    """The newest checkpoint of a thread, as far as it is known."""

    checkpoint_id: str
    status: ThreadStatus | None


def threads_of(context: Context, found: Sequence[Item]) -> Operation[list[Thread]]:
    """The threads of some entries, without those that have expired or have no checkpoint."""
    current = [entry for entry in found if not items.gone(context, entry)]
    newest = yield from _find_newest(context, [entry["PK"]["S"] for entry in current])
    listed = []
    for entry in current:
        one = newest.get(entry["PK"]["S"])
        if one is not None:  # else it has been deleted, or its first checkpoint is not put yet
            listed.append(_thread(context, entry, one))
    return listed


def _thread(context: Context, entry: Item, newest: _Newest) -> Thread:
    said = entries.description_of(context, entry)
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
        status=newest.status or ThreadStatus.IDLE,
    )


def _datetime(entry: Item, seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (OverflowError, ValueError, OSError) as error:
        raise CorruptCheckpointError(
            f"the entry of thread {entry['PK']['S']!r} has no time: {seconds}"
        ) from error


def _find_newest(context: Context, thread_ids: Sequence[str]) -> Operation[dict[str, _Newest]]:
    """The newest checkpoint of each thread that has one which has not expired."""
    found: dict[str, _Newest] = {}
    unclear: dict[str, Call] = {}
    if not thread_ids:
        return found
    replies = yield [_keys(context, one, _ROOT, limit=1) for one in thread_ids]
    for thread_id, reply in zip(thread_ids, replies, strict=True):
        newest = _of_newest_key(reply["Items"])
        if newest is None:
            # A tombstone hides the newest; else the thread has subgraphs alone, or nothing.
            bounds = _ROOT if "LastEvaluatedKey" in reply else keys.ALL_CHECKPOINTS
            unclear[thread_id] = _keys(context, thread_id, bounds, limit=_MORE_KEYS)
        elif newest.status is None:
            bounds = keys.below(keys.checkpoint(keys.namespace(""), newest.checkpoint_id))
            unclear[thread_id] = _keys(context, thread_id, bounds, limit=None)
        elif not items.expired(context, reply["Items"][0]):  # else all have expired
            found[thread_id] = newest
    if unclear:
        replies = yield list(unclear.values())
        for thread_id, reply in zip(unclear, replies, strict=True):
            current = [one for one in reply["Items"] if not items.expired(context, one)]
            if current:
                found[thread_id] = _of_all_keys([items.parse_key(one) for one in current])
    return found


def _keys(context: Context, thread_id: str, bounds: tuple[str, str], limit: int | None) -> Call:
    """The last keys within bounds, without tombstones; at half a unit for 4 KB of items."""
    call = requests.query(
        context.table,
        thread_id,
        bounds,
        newest_first=True,
        limit=limit,
        consistent=False,
        attributes=("PK", "SK", context.ttl_attribute, items.EXPIRY),
    )
    params = call.params
    params["FilterExpression"] = "#b <> :tombstone"
    params["ExpressionAttributeNames"]["#b"] = "B"
    params["ExpressionAttributeValues"][":tombstone"] = {"B": items.TOMBSTONE}
    return call


def _of_newest_key(page: Sequence[Item]) -> _Newest | None:
    """What the greatest key says; its status is `None` if it does not tell."""
    if not page:
        return None
    key = items.parse_key(page[0])
    status = ThreadStatus.IDLE if key.task is None else _STATUSES.get(key.channel or "")
    return _Newest(key.checkpoint_id, status)


def _of_all_keys(found: Sequence[keys.CheckpointKey]) -> _Newest:
    """What all keys of the newest checkpoint say: a failed task comes before a waiting one."""
    newest = max(found, key=lambda key: (key.namespace == "", key.checkpoint_id))
    of_newest = [key for key in found if key[:2] == newest[:2]]
    finished = {key.task for key in of_newest if key.channel is None}
    waiting = {key.channel for key in of_newest if key.task not in finished}
    status = next((_STATUSES[name] for name in _STATUSES if name in waiting), ThreadStatus.IDLE)
    return _Newest(newest.checkpoint_id, status)


_STATUSES = {ERROR: ThreadStatus.ERROR, INTERRUPT: ThreadStatus.INTERRUPTED}
"""What a task's write to a special channel says of the thread."""
