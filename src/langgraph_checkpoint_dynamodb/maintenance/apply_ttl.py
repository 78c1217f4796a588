"""`apply_ttl`: give stored items an expiry, after TTL was enabled or shortened.

A checkpoint never expires before the one it continues (see `format.expiry`), so the checkpoints of
a thread that began without a TTL would never expire. `apply_ttl` sets the expiry of a namespace's
newest checkpoint last: until then the thread still returns that checkpoint, and afterwards every
item of the namespace has an expiry. Items that have one are skipped, so an interrupted call can
be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..checkpoints import memory
from ..checkpoints.listing import ThreadScan
from ..errors import ConflictError
from ..format import items, keys, requests, thread_entries
from ..format.expiry import NEVER, Lifetime, new_lifetime
from ..runtime.context import Context
from ..runtime.effects import Call, ConditionFailed, Item, Operation
from ..storage import batches, chunk_writer
from ..storage.body_reader import refs_of

_PASSES = 5
"""How often a thread is read: runs may put checkpoints during a pass."""


class TtlApplication:
    """One `apply_ttl`: call `next_thread` until it returns `False`, then take `changed`."""

    def __init__(self, thread_id: str | None) -> None:
        self._scan = ThreadScan(requests.scan_keys, thread_id)
        self.changed = 0

    def next_thread(self, context: Context) -> Operation[bool]:
        """Apply the TTL to the next thread; `False` if there is none."""
        thread_id = yield from self._scan.next(context)
        if thread_id is None:
            return False
        memory.forget_thread(context, thread_id)
        for _ in range(_PASSES):
            one = _Pass(context, thread_id)
            yield from one.run()
            self.changed += one.changed
            if not one.changed:
                return True
        raise ConflictError(
            f"thread {thread_id!r}: other writers wrote to it during each of {_PASSES} passes; "
            "stop its runs, then call apply_ttl again"
        )


@dataclass(slots=True)
class _Pass:
    """One pass over a thread."""

    context: Context
    thread_id: str
    changed: int = 0
    _newest: dict[str, list[Item]] = field(default_factory=dict)
    """The items of the newest checkpoint read so far, by namespace."""
    _moved: set[bytes] = field(default_factory=set)
    """The digests of chunks that were copied to a generation that expires."""

    def run(self) -> Operation[None]:
        call = requests.query(self.context.table, self.thread_id, keys.ALL_BUT_CHUNKS)
        yield from batches.each_page(call, self._take)
        yield from self._limit([item for found in self._newest.values() for item in found])

    def _take(self, page: Sequence[Item]) -> Operation[None]:
        not_newest: list[Item] = []
        for item in page:
            if items.is_tombstone(item) or self._expires_in_time(item):
                continue
            sort_key = items.sort_key(item)
            if not keys.is_checkpoint_or_writes(sort_key):
                not_newest.append(item)  # a head, or the entry
                continue
            key = keys.parse(sort_key)
            newest = self._newest.setdefault(key.namespace, [])
            if newest and items.parse_key(newest[0]).checkpoint_id != key.checkpoint_id:
                not_newest += newest
                newest.clear()
            newest.append(item)
        yield from self._limit(not_newest)

    def _expires_in_time(self, item: Item) -> bool:
        """Whether an item expires no later than the TTL demands."""
        if items.sort_key(item) == keys.THREAD_ENTRY:
            return items.kept_until(self.context, item) <= self._entry_until
        return items.expires(self.context, item) <= new_lifetime(self.context, delta=False).expires

    @property
    def _entry_until(self) -> int:
        """Until when the thread's entry is kept: as with a checkpoint that is put now."""
        return thread_entries.kept_until(new_lifetime(self.context, delta=True))

    def _call(self, item: Item, lifetime: Lifetime, expires: float) -> Call:
        table, attribute = self.context.table, self.context.ttl_attribute
        if items.sort_key(item) == keys.THREAD_ENTRY:
            return thread_entries.limit(table, item, attribute, self._entry_until)
        until = lifetime.generation
        return requests.set_expiry(table, item, attribute, until, items.EXPIRY, int(expires))

    def _limit(self, found: Sequence[Item]) -> Operation[None]:
        """Set the expiry of some items, after copying their chunks to a generation that expires."""
        context = self.context
        # Kept as long as delta channels need, because there may be some.
        lifetime = new_lifetime(context, delta=True)
        expires = new_lifetime(context, delta=False).expires
        unlimited = [
            item
            for item in found
            if items.kept_until(context, item) == math.inf
            and keys.is_checkpoint_or_writes(items.sort_key(item))
        ]
        referred, _ = yield from refs_of(context, self.thread_id, unlimited, str(self.thread_id))
        unmoved = {ref for generation, ref in referred if generation == NEVER} - self._moved
        scope = (self.thread_id, lifetime.generation)
        yield from chunk_writer.move(context, scope, frozenset((NEVER, ref) for ref in unmoved))
        self._moved |= unmoved
        calls = [self._call(item, lifetime, expires) for item in found]
        for start in range(0, len(calls), batches.CALLS_A_ROUND):
            replies = yield calls[start : start + batches.CALLS_A_ROUND]
            self.changed += sum(not isinstance(one, ConditionFailed) for one in replies)
