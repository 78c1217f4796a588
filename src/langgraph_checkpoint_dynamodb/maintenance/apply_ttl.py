"""An expiry for what is stored already: after TTL was switched on, or made shorter.

What a checkpoint is followed by never expires before it (`lifetimes`), so a thread that was begun
without an expiry would go on without one. Here its items are given one, the newest of each
namespace last: until that has one, the thread answers with it, and afterwards all have. What is
done already is passed over, so a call that was broken off can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..checkpoints import memory
from ..checkpoints.listing import ThreadScan
from ..errors import ConflictError
from ..format import items, keys, requests
from ..format.expiry import NEVER, new_lifetime
from ..runtime.context import Context
from ..runtime.effects import ConditionFailed, Item, Operation
from ..storage import batches, chunk_writer
from ..storage.body_reader import refs_of

_PASSES = 5
"""How often a thread is looked through: runs may put checkpoints meanwhile."""

_ALL_BUT_CHUNKS = keys.CHECKPOINTS, keys.below(keys.HEADS.rstrip("#"))[1]


class TtlApplication:
    """One `apply_ttl`: call `next_thread` until it returns `False`, then take `changed`."""

    def __init__(self, thread_id: str | None) -> None:
        self._scan = ThreadScan(requests.scan_keys, thread_id)
        self.changed = 0

    def next_thread(self, context: Context) -> Operation[bool]:
        """Go through the next thread; `False` if there is none."""
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
            f"thread {thread_id!r}: written to during each of {_PASSES} passes; stop its runs, "
            "then apply the TTL again"
        )


@dataclass(slots=True)
class _Pass:
    """One look through a thread."""

    context: Context
    thread_id: str
    changed: int = 0
    _newest: dict[str, list[Item]] = field(default_factory=dict)
    """By namespace: the items of the newest checkpoint so far."""
    _moved: set[bytes] = field(default_factory=set)

    def run(self) -> Operation[None]:
        call = requests.query(self.context.table, self.thread_id, _ALL_BUT_CHUNKS)
        yield from batches.each_page(call, self._take)
        yield from self._limit([item for found in self._newest.values() for item in found])

    def _take(self, page: Sequence[Item]) -> Operation[None]:
        passed: list[Item] = []
        for item in page:
            if items.is_tombstone(item) or self._has_time(item):
                continue
            sort_key = items.sort_key(item)
            if not keys.is_checkpoint_or_writes(sort_key):
                passed.append(item)  # a head
                continue
            key = keys.parse(sort_key)
            newest = self._newest.setdefault(key.namespace, [])
            if newest and items.parse_key(newest[0]).checkpoint_id != key.checkpoint_id:
                passed += newest
                newest.clear()
            newest.append(item)
        yield from self._limit(passed)

    def _has_time(self, item: Item) -> bool:
        return items.expires(self.context, item) <= new_lifetime(self.context, delta=False).expires

    def _limit(self, found: Sequence[Item]) -> Operation[None]:
        """Give some items their expiry, after their chunks were copied to where they expire too."""
        context = self.context
        # Kept as long as delta channels may need, whether or not there are any.
        lifetime = new_lifetime(context, delta=True)
        expires = new_lifetime(context, delta=False).expires
        forever = [
            item
            for item in found
            if items.kept_until(context, item) == math.inf
            and keys.is_checkpoint_or_writes(items.sort_key(item))
        ]
        referred, _ = yield from refs_of(context, self.thread_id, forever, str(self.thread_id))
        wanted = {ref for generation, ref in referred if generation == NEVER} - self._moved
        scope = (self.thread_id, lifetime.generation)
        yield from chunk_writer.move(context, scope, frozenset((NEVER, ref) for ref in wanted))
        self._moved |= wanted
        calls = [
            requests.limit(
                context.table,
                item,
                context.ttl_attribute,
                lifetime.generation,
                items.EXPIRY,
                int(expires),
            )
            for item in found
        ]
        for start in range(0, len(calls), batches.CALLS_A_ROUND):
            replies = yield calls[start : start + batches.CALLS_A_ROUND]
            self.changed += sum(not isinstance(one, ConditionFailed) for one in replies)
