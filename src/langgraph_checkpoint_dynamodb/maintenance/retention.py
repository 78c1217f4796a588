"""Which checkpoints of a namespace are kept when others are deleted.

With a checkpoint, the ancestors that its delta channels are rebuilt from are kept: back to the
nearest one that stores each channel, with their writes (the `DeltaChannel` note on LangGraph's
`BaseCheckpointSaver.prune`).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ..checkpoints.checkpoint_items import CheckpointItems, KeyedItem, collect
from ..format import items, keys
from ..format.keys import CheckpointKey
from ..runtime.context import Context
from ..runtime.effects import Item
from ..serialization.headers import CheckpointHeader
from ..storage.body_reader import CheckpointEntry
from .delta_chains import Link

GRACE_SECONDS = 3600
"""The age in seconds from which unreferenced items may be deleted; a put may need younger ones."""


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """Which checkpoints of a namespace to keep: those that any of the rules keeps.

    Attributes:
        last: Keep this many of the newest checkpoints.
        since: Keep checkpoints made at or after this time, in epoch seconds.
        all_but: Keep all checkpoints except these ids.
    """

    last: int = 0
    since: float | None = None
    all_but: Set[str] | None = None

    def keeps(self, rank: int, checkpoint_id: str) -> bool | None:
        """Whether to keep a checkpoint; `None` if its header has to be read for its age.

        Args:
            rank: How many checkpoints of the namespace are newer.
            checkpoint_id: Its id.
        """
        if rank < self.last or (self.all_but is not None and checkpoint_id not in self.all_but):
            return True
        if self.since is None:
            return False
        made_at = keys.made_at(checkpoint_id)
        return None if made_at is None else made_at >= self.since

    def keeps_undated(self, header: CheckpointHeader) -> bool:
        """Whether to keep a checkpoint whose id contains no time, by LangGraph's `ts`."""
        try:
            made_at = datetime.fromisoformat(header.checkpoint["ts"])
        except (KeyError, TypeError, ValueError):
            return True  # its age is not known
        if made_at.tzinfo is None:
            made_at = made_at.replace(tzinfo=timezone.utc)
        return self.since is None or made_at.timestamp() >= self.since


class CheckpointSelector:
    """Selects the items of a namespace to keep, while the namespace is read.

    Attributes:
        policy: Which checkpoints to keep.
        selected: The ids of the checkpoints that the policy keeps.
        kept: The sort keys of all items to keep, including those of needed ancestors.
        needed: Ancestors to keep that have not been read yet, by id, with the channels that are
            rebuilt from them.
    """

    def __init__(self, policy: RetentionPolicy) -> None:
        self.policy = policy
        self.selected: set[str] = set()
        self.kept: set[str] = set()
        self.needed: dict[str, frozenset[str]] = {}
        self._requested: dict[str, set[str]] = {}

    def keep(self, group: CheckpointItems, entry: CheckpointEntry) -> None:
        """Keep a checkpoint with its writes, and add its parent to `needed` if it needs it."""
        self.kept.update(map(items.sort_key, (group.item, *group.writes)))
        link = Link.of(entry.header, entry.where)
        inherited = self.needed.pop(group.key.checkpoint_id, frozenset[str]())
        missing = link.deltas | (inherited & link.unstored)
        if link.parent_id is None:
            return
        requested = self._requested.setdefault(link.parent_id, set())
        if not missing <= requested:  # else nothing changes; also ends cycles of parent ids
            requested |= missing
            self.needed[link.parent_id] = frozenset(requested)


@dataclass(slots=True)
class SurveyedNamespace:
    """The keys of a namespace, read newest first. Bodies are not kept in memory.

    Attributes:
        part: Its key part.
        selectors: What to keep of it. If there are two, the second applies if the namespace is of
            a subgraph call whose checkpoint in the enclosing graph is not kept.
        name: Its name; `None` while only a hash of it is known.
        parents: The checkpoints of the enclosing graphs, by namespace, as its newest checkpoint's
            metadata names them.
        found: The keys of all its items.
        ids: The ids of checkpoints that have not expired, newest first.
        bounds: Ids. A replay of a kept checkpoint searches other namespaces for the newest
            checkpoint before one of these.
    """

    part: str
    selectors: Sequence[CheckpointSelector]
    name: str | None
    parents: Mapping[str, str] = field(default_factory=dict)
    found: list[CheckpointKey] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    bounds: set[str] = field(default_factory=set)
    _carried: list[KeyedItem] = field(default_factory=list)
    _young_tombstones: set[str] = field(default_factory=set)

    @property
    def selector(self) -> CheckpointSelector:
        """What to keep of it, after `Subgraphs.resolve`."""
        return self.selectors[0]

    @property
    def newest(self) -> str:
        """The id of its newest checkpoint; empty if there is none."""
        return self.ids[0] if self.ids else ""

    def add(
        self, context: Context, page: Iterable[KeyedItem]
    ) -> list[tuple[CheckpointItems, int | None]]:
        """Add a page; returns its checkpoints, each with its rank, or `None` if it has expired."""
        added = list(page)
        self.found += [key for key, _ in added]
        self._young_tombstones.update(
            key.sort_key
            for key, item in added
            if items.is_tombstone(item) and _is_young(context, key, item)
        )
        ranked: list[tuple[CheckpointItems, int | None]] = []
        for group in collect(context, added, self._carried, items.gone):
            expired = items.expired(context, group.item)
            ranked.append((group, None if expired else len(self.ids)))
            if not expired:
                self.ids.append(group.key.checkpoint_id)
        return ranked

    def note(self, entry: CheckpointEntry) -> None:
        """Take `name` and `parents` from the header of the newest checkpoint."""
        self.name = entry.place.checkpoint_ns
        parents: Any = entry.header.metadata.get("parents")
        if isinstance(parents, Mapping):
            pairs = parents.items()
            self.parents = {
                name: one for name, one in pairs if isinstance(name, str) and isinstance(one, str)
            }

    def close(self) -> None:
        """End the namespace: drop writes that have no checkpoint."""
        self._carried.clear()

    def before(self, bounds: Iterable[str]) -> set[str]:
        """For each of some ids, the newest checkpoint that sorts before it, if there is one."""
        oldest_first = self.ids[::-1]
        indexes = {bisect_left(oldest_first, bound) for bound in bounds}
        return {oldest_first[index - 1] for index in indexes if index}

    def deletable(self, context: Context) -> list[CheckpointKey]:
        """The keys of the items to delete, oldest first.

        Writes without a checkpoint are left over from a deleted one, unless they are newer than
        the newest checkpoint: then its put may be under way. A young tombstone is kept, because
        it still blocks the put of its checkpoint.
        """
        return [key for key in reversed(self.found) if not self._is_kept(context, key)]

    def _is_kept(self, context: Context, key: CheckpointKey) -> bool:
        if key.sort_key in self.selector.kept or key.sort_key in self._young_tombstones:
            return True
        return key.checkpoint_id > self.newest and may_be_under_way(context, key.checkpoint_id)


def _is_young(context: Context, key: CheckpointKey, tombstone: Item) -> bool:
    """Whether a tombstone may still be needed. One without a time is dated by its id."""
    written = items.written_at(tombstone)
    if written == math.inf:
        written = keys.made_at(key.checkpoint_id) or 0
    return written >= context.now - GRACE_SECONDS


def may_be_under_way(context: Context, checkpoint_id: str) -> bool:
    """Whether a checkpoint may still be put, though its writes or its head are stored already."""
    made_at = keys.made_at(checkpoint_id)
    return made_at is None or made_at >= context.now - GRACE_SECONDS
