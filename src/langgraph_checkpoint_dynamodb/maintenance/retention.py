"""Which checkpoints of a namespace stay when others are deleted.

What is kept takes along what its delta channels are rebuilt from: its ancestors back to the
nearest that stores each of them, with their writes (the `DeltaChannel` note on LangGraph's
`BaseCheckpointSaver.prune`).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ..checkpoints.entries import Group, collect
from ..format import items, keys
from ..runtime.context import Context
from ..runtime.effects import Item
from ..serialization.headers import CheckpointHeader
from ..storage.body_reader import CheckpointEntry
from .delta_chains import Link

GRACE_SECONDS = 3600
"""How old something that nothing refers to has to be to be deleted: a put may be under way."""


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """What to keep of a namespace: whatever one of these spares.

    Attributes:
        last: So many of the newest checkpoints.
        since: Checkpoints made at or after this time, in epoch seconds.
        all_but: All checkpoints but those of these ids.
    """

    last: int = 0
    since: float | None = None
    all_but: Set[str] | None = None

    def spares(self, rank: int, checkpoint_id: str) -> bool | None:
        """Whether a checkpoint stays for its own sake; `None` if only its header tells its age."""
        if rank < self.last or (self.all_but is not None and checkpoint_id not in self.all_but):
            return True
        if self.since is None:
            return False
        made_at = keys.made_at(checkpoint_id)
        return None if made_at is None else made_at >= self.since

    def spares_undated(self, header: CheckpointHeader) -> bool:
        """The same for one whose id does not tell its age, by the time that LangGraph noted."""
        try:
            made_at = datetime.fromisoformat(header.checkpoint["ts"])
        except (KeyError, TypeError, ValueError):
            return True  # of unknown age: it is not for us to delete
        if made_at.tzinfo is None:
            made_at = made_at.replace(tzinfo=timezone.utc)
        return self.since is None or made_at.timestamp() >= self.since


class CheckpointChoice:
    """What a `RetentionPolicy` spares of a namespace, as far as it has been read.

    Attributes:
        keep: What it goes by.
        spared: The ids of the checkpoints that stay for their own sake.
        kept: The sort keys of all that stays.
        needed: Ancestors that have not been read yet, by id, with the channels they are for.
    """

    def __init__(self, keep: RetentionPolicy) -> None:
        self.keep = keep
        self.spared: set[str] = set()
        self.kept: set[str] = set()
        self.needed: dict[str, frozenset[str]] = {}
        self._asked: dict[str, set[str]] = {}

    def take(self, group: Group, entry: CheckpointEntry) -> None:
        """Keep a checkpoint with its writes, and need what it is rebuilt from."""
        self.kept.update(map(items.sort_key, (group.item, *group.writes)))
        link = Link.of(entry.header, entry.where)
        inherited = self.needed.pop(group.key.checkpoint_id, frozenset[str]())
        missing = link.deltas | (inherited & link.unstored)
        if link.parent_id is None:
            return
        asked = self._asked.setdefault(link.parent_id, set())
        if not missing <= asked:  # else it is known: ids may form a circle
            asked |= missing
            self.needed[link.parent_id] = frozenset(asked)


@dataclass(slots=True)
class Namespace:
    """The keys of a namespace, as they are read newest first; of bodies nothing is held.

    Attributes:
        part: Its key part.
        choices: What is kept of it; if there are two, the second is for a call of a subgraph
            that the enclosing graph has left behind.
        name: Its name; `None` if that is hashed, and not known yet.
        parents: The checkpoints of the enclosing graphs, by namespace, of its newest checkpoint.
        found: All sort keys.
        ids: The ids of checkpoints that have not expired.
        bounds: The ids that replays of what is spared look for older checkpoints from.
    """

    part: str
    choices: Sequence[CheckpointChoice]
    name: str | None
    parents: Mapping[str, str] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    bounds: set[str] = field(default_factory=set)
    _carried: list[Item] = field(default_factory=list)
    _young_tombstones: set[str] = field(default_factory=set)

    @property
    def choice(self) -> CheckpointChoice:
        """What is kept of it, once that is settled."""
        return self.choices[0]

    @property
    def newest(self) -> str:
        """The id of its newest checkpoint; empty if there is none."""
        return self.ids[0] if self.ids else ""

    def add(self, context: Context, page: Iterable[Item]) -> list[tuple[Group, int | None]]:
        """Take the keys of a page; its checkpoints, each with its rank unless it has expired."""
        taken = list(page)
        self.found += map(items.sort_key, taken)
        self._young_tombstones.update(
            items.sort_key(item)
            for item in taken
            if items.is_tombstone(item) and _is_young(context, item)
        )
        ranked: list[tuple[Group, int | None]] = []
        for group in collect(context, taken, self._carried, items.gone):
            over = items.expired(context, group.item)
            ranked.append((group, None if over else len(self.ids)))
            if not over:
                self.ids.append(group.key.checkpoint_id)
        return ranked

    def note(self, entry: CheckpointEntry) -> None:
        """Learn from the header of the newest checkpoint what the keys do not tell."""
        self.name = entry.place.checkpoint_ns
        parents: Any = entry.header.metadata.get("parents")
        if isinstance(parents, Mapping):
            pairs = parents.items()
            self.parents = {
                name: one for name, one in pairs if isinstance(name, str) and isinstance(one, str)
            }

    def close(self) -> None:
        """No more of it will come: let writes go that have no checkpoint."""
        self._carried.clear()

    def before(self, bounds: Iterable[str]) -> set[str]:
        """The newest checkpoints that sort before some ids."""
        oldest_first = self.ids[::-1]
        places = {bisect_left(oldest_first, bound) for bound in bounds}
        return {oldest_first[place - 1] for place in places if place}

    def doomed(self, context: Context) -> list[str]:
        """What does not stay, oldest first.

        Writes on a checkpoint that is not there are left over from it. Newer than the newest,
        its put may be under way. A young tombstone is still to keep a checkpoint away.
        """
        return [key for key in reversed(self.found) if not self._stays(context, key)]

    def _stays(self, context: Context, sort_key: str) -> bool:
        if sort_key in self.choice.kept or sort_key in self._young_tombstones:
            return True
        checkpoint_id = keys.parse(sort_key).checkpoint_id
        return checkpoint_id > self.newest and may_be_under_way(context, checkpoint_id)


def _is_young(context: Context, tombstone: Item) -> bool:
    """Whether a tombstone may still be needed; without a time its id tells."""
    written = items.written_at(tombstone)
    if written == math.inf:
        written = keys.made_at(items.parse_key(tombstone).checkpoint_id) or 0
    return written >= context.now - GRACE_SECONDS


def may_be_under_way(context: Context, checkpoint_id: str) -> bool:
    """Whether the put of a checkpoint whose writes are there already may still come."""
    made_at = keys.made_at(checkpoint_id)
    return made_at is None or made_at >= context.now - GRACE_SECONDS
