"""`list`: checkpoints, newest first, read lazily.

A namespace is one range of keys, read backwards in pages. Several namespaces are merged by
checkpoint id. Each has a bound, the newest id that its unread part can hold, so that a namespace
is read only when it can hold the next checkpoint.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple

from ..errors import CorruptCheckpointError
from ..format import items, keys, requests
from ..runtime.context import Context
from ..runtime.effects import Call, Item, Operation
from ..storage import batches, subgraph_namespaces
from ..storage.body_reader import CheckpointEntry
from ..storage.connection import refuse_other_keys
from . import copied_threads
from .checkpoint_items import (
    CheckpointItems,
    KeyedItem,
    collect,
    parse_keys,
    read_headers,
    retry_if_changed,
)
from .get import read_existing

_FIRST_PAGE = 64
_MIN_PAGE = 16
_PAGE_GROWTH = 16
_MAX_PAGE = 4096
_PAGE_BYTES = 32 << 20
"""How many bytes of values are in memory at once; a larger checkpoint is read alone."""

_ITEMS_A_CHECKPOINT = 3
_NAMESPACES_A_ROUND = 128
_BREADTH_GROWTH = 4
"""By how much the number of namespaces read at once grows while nothing to list is found."""

_ROOT = ""


@dataclass(frozen=True, slots=True)
class Query:
    """What to list.

    Attributes:
        thread_id: `None` for every thread.
        checkpoint_ns: `None` for every namespace.
        checkpoint_id: Only this checkpoint.
        before_id: Only ids that sort before this id.
        filter: Metadata values that must be equal.
    """

    thread_id: str | None
    checkpoint_ns: str | None
    checkpoint_id: str | None
    before_id: str | None
    filter: Mapping[str, Any]

    def includes(self, checkpoint_id: str) -> bool:
        """Whether an id sorts before `before_id`; known before the body is read."""
        return self.before_id is None or checkpoint_id < self.before_id

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether the metadata matches the filter."""
        return all(metadata.get(name) == value for name, value in self.filter.items())


@dataclass(slots=True)
class _Cursor:
    """One namespace, read backwards.

    Attributes:
        call: The call for its next page; `None` after the last page.
        reply: The reply to `call`, if it has been received.
        bound: The newest id that its unread part can hold; `None` if not known.
        ready: Checkpoints that were read and not listed yet.
        carried: Writes whose checkpoint has not been read yet.
    """

    call: Call | None
    reply: Any = None
    bound: str | None = None
    ready: deque[CheckpointEntry] = field(default_factory=deque)
    carried: list[KeyedItem] = field(default_factory=list)

    def may_precede(self, checkpoint_id: str | None) -> bool:
        """Whether the unread part can hold a checkpoint that is listed before this one."""
        if self.ready or self.call is None:
            return False
        return checkpoint_id is None or self.bound is None or self.bound > checkpoint_id


class ThreadScan:
    """The ids of a table's threads, or of one given thread.

    A scan returns all items of a partition in a row.

    Args:
        scan: The call for a page of keys, of a table and after a key.
        thread_id: The one thread, without a scan; `None` for all.
        is_left_out: Whether an item, by its keys, is of no thread.
    """

    def __init__(
        self,
        scan: Callable[[str, Item | None], Call],
        thread_id: str | None = None,
        is_left_out: Callable[[Item], bool] = lambda _: False,
    ) -> None:
        self._is_left_out = is_left_out
        self._scan = scan
        self._threads: deque[str] = deque([] if thread_id is None else [thread_id])
        self._last: str | None = None
        self._start: Item | None = None
        self._scanned = thread_id is not None

    def next(self, context: Context) -> Operation[str | None]:
        """The next thread's id; `None` after the last thread.

        Raises:
            TableMismatchError: The table has other keys than the saver's.
        """
        while not self._threads and not self._scanned:
            (reply,) = yield [self._scan(context.table, self._start)]
            is_strange = any("S" not in item.get("PK", {}) for item in reply["Items"])
            if is_strange or not (reply["Items"] or self._last or "LastEvaluatedKey" in reply):
                yield from refuse_other_keys(context.table)
            for item in reply["Items"]:
                thread_id = _thread_id(item)
                if not self._is_left_out(item) and thread_id != self._last:
                    self._threads.append(thread_id)
                    self._last = thread_id
            self._start = reply.get("LastEvaluatedKey")
            self._scanned = self._start is None
        return self._threads.popleft() if self._threads else None


def _thread_id(item: Item) -> str:
    """An item's partition key.

    Raises:
        CorruptCheckpointError: It is no string. DynamoDB refuses such an item; some emulators
            store it.
    """
    match item.get("PK"):
        case {"S": str(thread_id)}:
            return thread_id
    raise CorruptCheckpointError(
        f"an item has the partition key {item.get('PK')}, which is no string and which DynamoDB "
        "does not store: delete the item"
    )


class Listing:
    """The state of one `list`: call `page` until it returns `None`."""

    def __init__(self, query: Query, limit: int | None) -> None:
        self._query = query
        self._left = limit
        needed = _FIRST_PAGE if limit is None else _ITEMS_A_CHECKPOINT * limit + 4
        self._page_items = min(needed, _MAX_PAGE)
        self._breadth = limit
        self._cursors: list[_Cursor] | None = None
        self._threads = ThreadScan(requests.scan_checkpoints, query.thread_id)

    def page(self, context: Context) -> Operation[list[CheckpointTuple] | None]:
        """The next checkpoints, newest first within a thread; `None` after the last page."""
        while self._left is None or self._left > 0:
            if self._cursors is None and not (yield from self._open_thread(context)):
                return None
            entries = yield from self._next_entries(context)
            if entries:
                tuples = yield from read_existing(context, entries[0].place.thread_id, entries)
                if self._left is not None:
                    self._left -= len(tuples)
                return tuples
        return None

    def _open_thread(self, context: Context) -> Operation[bool]:
        thread_id = yield from self._threads.next(context)
        if thread_id is None:
            return False
        if self._query.thread_id is not None:
            yield from copied_threads.ensure_here(context, thread_id)
        if self._query.checkpoint_ns is not None:
            ns = keys.namespace(self._query.checkpoint_ns)
            call = self._first_call(context, thread_id, ns, self._page_items)
            self._cursors = [_Cursor(call)]
        else:
            self._cursors = yield from self._open_namespaces(context, thread_id)
        return True

    def _open_namespaces(self, context: Context, thread_id: str) -> Operation[list[_Cursor]]:
        """Find the namespaces. In the same round, read the root's: often it is the only one."""
        call = self._first_call(context, thread_id, _ROOT, self._page_items)
        first, reply = yield [subgraph_namespaces.first_page(context, thread_id), call]
        found = yield from subgraph_namespaces.find(context, thread_id, first)
        # Any namespace may hold the newest checkpoint, but hardly one holds all of the newest.
        size = max(self._page_items // (len(found) + 1), _MIN_PAGE)
        size = min(size, self._page_items)
        oldest = self._query.checkpoint_id or ""
        return [
            _Cursor(call, reply),
            *(
                _Cursor(self._first_call(context, thread_id, ns, size), bound=newest)
                for ns, newest in found.items()
                if newest >= oldest
            ),
        ]

    def _first_call(self, context: Context, thread_id: str, ns: str, size: int) -> Call:
        query = self._query
        low, high = keys.of_namespace(ns)
        if query.checkpoint_id is not None:
            low, high = keys.below(keys.checkpoint(ns, query.checkpoint_id))
        elif query.before_id is not None:
            high = keys.checkpoint(ns, query.before_id)
        return requests.query(context.table, thread_id, (low, high), newest_first=True, limit=size)

    def _next_entries(self, context: Context) -> Operation[list[CheckpointEntry]]:
        """The next entries in merged order, up to the first that an unread entry may precede."""
        cursors = self._cursors or []
        yield from self._fill(context, self._to_fill(cursors))
        found: list[CheckpointEntry] = []
        size = 0
        while self._left is None or len(found) < self._left:
            newest = _newest(cursors)
            next_id = newest.ready[0].checkpoint_id if newest else None
            if any(cursor.may_precede(next_id) for cursor in cursors):
                break
            if newest is None:
                self._cursors = None  # the thread has no more checkpoints
                break
            size += newest.ready[0].size
            if found and size > _PAGE_BYTES:
                break
            found.append(newest.ready.popleft())
        if found:
            self._breadth = self._left
        elif self._breadth is not None:
            self._breadth *= _BREADTH_GROWTH
        return found

    def _to_fill(self, cursors: Sequence[_Cursor]) -> list[_Cursor]:
        """The cursors to read next; with a limit, no more than are likely to be needed."""
        newest = _newest(cursors)
        next_id = newest.ready[0].checkpoint_id if newest else None
        urgent = [cursor for cursor in cursors if cursor.may_precede(next_id)]
        if not urgent:
            return []
        if self._breadth is None:
            urgent = [cursor for cursor in cursors if cursor.may_precede(None)]
        first = [cursor for cursor in urgent if cursor.bound is None]
        rest = [cursor for cursor in urgent if cursor.bound is not None]
        rest.sort(key=lambda cursor: cursor.bound or "", reverse=True)
        breadth = _NAMESPACES_A_ROUND if self._breadth is None else self._breadth
        return [*first, *rest][: min(breadth, _NAMESPACES_A_ROUND) + len(first)]

    def _fill(self, context: Context, cursors: Sequence[_Cursor]) -> Operation[None]:
        unread = [cursor for cursor in cursors if cursor.call and cursor.reply is None]
        if unread:
            replies = yield [cursor.call for cursor in unread if cursor.call]
            for cursor, reply in zip(unread, replies, strict=True):
                cursor.reply = reply
        for cursor in cursors:
            call, reply, cursor.reply = cursor.call, cursor.reply, None
            if call is None:
                continue
            groups = [
                group
                for group in collect(context, parse_keys(reply["Items"]), cursor.carried)
                if self._query.includes(group.key.checkpoint_id)
            ]
            cursor.call = batches.next_page(call, reply)
            if any(keys.is_of_0_1_3(items.sort_key(item)) for item in reply["Items"]):
                thread_id = call.params["ExpressionAttributeValues"][":pk"]["S"]
                yield from copied_threads.refuse_release_0_1_3(context, thread_id)
                cursor.call = None  # they sort before all of this package
            if cursor.call is not None:
                cursor.call.params["Limit"] = min(call.params["Limit"] * _PAGE_GROWTH, _MAX_PAGE)
                cursor.bound = _id_in(cursor.call.params["ExclusiveStartKey"])
            yield from self._take(context, call.params, cursor, groups)

    def _take(
        self,
        context: Context,
        params: Mapping[str, Any],
        cursor: _Cursor,
        groups: list[CheckpointItems],
    ) -> Operation[None]:
        thread_id = params["ExpressionAttributeValues"][":pk"]["S"]
        entries = yield from retry_if_changed(
            context, thread_id, groups, lambda found: read_headers(context, thread_id, found)
        )
        cursor.ready.extend(e for e in entries if self._query.matches(e.header.metadata))


def _id_in(start: Item) -> str:
    """The checkpoint id in a key; for an item of another program, none: it sorts before all."""
    is_ours = items.sort_key(start).startswith(keys.CHECKPOINTS)
    return items.parse_key(start).checkpoint_id if is_ours else ""


def _newest(cursors: Sequence[_Cursor]) -> _Cursor | None:
    """The cursor with the newest checkpoint in `ready`; `None` if all are empty."""
    ready = [cursor for cursor in cursors if cursor.ready]
    return max(ready, key=lambda cursor: cursor.ready[0].checkpoint_id) if ready else None
