"""Which checkpoints of a namespace stay when others are deleted.

What is kept takes along what its delta channels are rebuilt from: its ancestors back to the
nearest that stores each of them, with their writes (the `DeltaChannel` note on LangGraph's
`BaseCheckpointSaver.prune`).
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timezone

from . import batches, items, keys, requests
from .chains import Link
from .context import Context
from .operation import Item, Operation
from .read import Group, collect, exact_group, read_headers

GRACE_SECONDS = 3600
"""How old something that nothing refers to has to be to be deleted: a put may be under way."""


@dataclass(frozen=True, slots=True)
class Keep:
    """What to keep of a namespace: whatever one of these spares.

    Attributes:
        last: So many of the newest checkpoints.
        since: Checkpoints made at or after this time, in epoch seconds.
        all_but: All checkpoints but those of these ids.
    """

    last: int = 0
    since: float | None = None
    all_but: Set[str] | None = None


class Selection:
    """The keys of a namespace, as they are read newest first; only a page of bodies is held."""

    def __init__(self, context: Context, thread_id: str, ns: str, keep: Keep) -> None:
        self._context = context
        self._thread_id = thread_id
        self._ns = ns
        self._wishes = keep
        self._rank = 0
        self._newest = ""
        self._carried: list[Item] = []
        self._needed: dict[str, frozenset[str]] = {}
        self._asked: dict[str, set[str]] = {}
        self._kept: set[str] = set()
        self.found: list[str] = []

    def read(self) -> Operation[None]:
        """Read the namespace."""
        bounds = keys.below(f"{keys.CHECKPOINTS}{self._ns}")
        call = requests.query(self._context.table, self._thread_id, bounds, newest_first=True)
        yield from batches.each_page(call, self._take)
        while self._needed:  # ids that do not sort in the order they were made in
            checkpoint_id = next(iter(self._needed))
            key = keys.checkpoint(self._ns, checkpoint_id)
            group = yield from exact_group(self._context, self._thread_id, key, items.gone)
            if group is None:
                del self._needed[checkpoint_id]
            else:
                yield from self._keep(group)

    def doomed(self) -> list[str]:
        """What does not stay, oldest first.

        Writes on a checkpoint that is not there are left over from it. Newer than the newest,
        its put may be under way.
        """
        return [key for key in reversed(self.found) if not self._stays(key)]

    def _stays(self, sort_key: str) -> bool:
        key = keys.parse(sort_key)
        if key.checkpoint_id > self._newest:
            return may_be_under_way(self._context, key.checkpoint_id)
        return sort_key in self._kept

    def _take(self, page: Sequence[Item]) -> Operation[None]:
        self.found += map(items.sort_key, page)
        for group in collect(self._context, page, self._carried, items.gone):
            keep = group.key.checkpoint_id in self._needed
            if not keep and not items.expired(self._context, group.item):
                keep = yield from self._is_wanted(self._rank, group)
            if not items.expired(self._context, group.item):
                self._newest = self._newest or group.key.checkpoint_id
                self._rank += 1
            if keep:
                yield from self._keep(group)

    def _is_wanted(self, rank: int, group: Group) -> Operation[bool]:
        keep, checkpoint_id = self._wishes, group.key.checkpoint_id
        if rank < keep.last or (keep.all_but is not None and checkpoint_id not in keep.all_but):
            return True
        if keep.since is None:
            return False
        made_at = keys.made_at(checkpoint_id)
        if made_at is None:
            made_at = yield from self._timestamp(group)
        # Of unknown age: it is not for us to delete.
        return made_at is None or made_at >= keep.since

    def _timestamp(self, group: Group) -> Operation[float | None]:
        """The time that LangGraph has noted in a checkpoint."""
        (entry,) = yield from read_headers(self._context, self._thread_id, [group])
        try:
            made_at = datetime.fromisoformat(entry.header.checkpoint["ts"])
        except (KeyError, TypeError, ValueError):
            return None
        return (made_at if made_at.tzinfo else made_at.replace(tzinfo=timezone.utc)).timestamp()

    def _keep(self, group: Group) -> Operation[None]:
        self._kept.update(map(items.sort_key, (group.item, *group.writes)))
        (entry,) = yield from read_headers(self._context, self._thread_id, [group])
        link = Link.of(entry.header, entry.where)
        inherited = self._needed.pop(group.key.checkpoint_id, frozenset[str]())
        missing = link.deltas | (inherited & link.unstored)
        if link.parent_id is None:
            return
        asked = self._asked.setdefault(link.parent_id, set())
        if not missing <= asked:  # else it is known: ids may form a circle
            asked |= missing
            self._needed[link.parent_id] = frozenset(asked)


def may_be_under_way(context: Context, checkpoint_id: str) -> bool:
    """Whether the put of a checkpoint whose writes are there already may still come."""
    made_at = keys.made_at(checkpoint_id)
    return made_at is None or made_at >= context.now - GRACE_SECONDS
