"""Chains of checkpoints: the ancestors that delta channels are rebuilt from.

Only some checkpoints store the value of a delta channel. For the others, the value is rebuilt from
the writes of their ancestors, back to the nearest one that stores it, or to the first checkpoint.
The metadata's `counters_since_delta_snapshot` names the delta channels that may have been written
since their last snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from ..serialization.headers import CheckpointHeader, unstored_deltas


@dataclass(frozen=True, slots=True)
class Link:
    """One checkpoint of a chain.

    Attributes:
        parent_id: Its parent; `None` if it has none.
        deltas: The delta channels whose value has to be rebuilt.
        unstored: The channels that have a version but no stored value.
    """

    parent_id: str | None
    deltas: frozenset[str]
    unstored: frozenset[str]

    @classmethod
    def of(cls, header: CheckpointHeader, where: str) -> Link:
        """The link of a checkpoint.

        Raises:
            CorruptCheckpointError: Its metadata about delta channels cannot be read.
        """
        unstored = frozenset(header.checkpoint["channel_versions"]).difference(header.channels)
        deltas = unstored.intersection(unstored_deltas(header, where))
        return cls(header.parent_id, deltas, unstored)


@dataclass(frozen=True, slots=True)
class BrokenChain:
    """A checkpoint with delta channels that cannot be rebuilt, and the ancestor that is missing."""

    checkpoint_id: str
    channels: Set[str]
    missing_id: str


@dataclass(slots=True)
class Chain:
    """The checkpoints of a namespace by their ids; `None` for one that could not be read."""

    links: dict[str, Link | None] = field(default_factory=dict)

    def broken(self) -> Iterator[BrokenChain]:
        """The checkpoints whose chain ends before the stored value of a delta channel."""
        known: dict[str, tuple[frozenset[str], str]] = {}
        for checkpoint_id, link in self.links.items():
            if link is None or not link.deltas:
                continue
            lost, missing_id = self._lost(checkpoint_id, known)
            if lost & link.deltas:
                yield BrokenChain(checkpoint_id, lost & link.deltas, missing_id)

    def _lost(
        self, checkpoint_id: str, known: dict[str, tuple[frozenset[str], str]]
    ) -> tuple[frozenset[str], str]:
        """The channels that cannot be rebuilt at a checkpoint, and the ancestor that is missing."""
        path: dict[str, None] = {}
        at: str | None = checkpoint_id
        while at is not None and at not in known and at in self.links and at not in path:
            path[at] = None
            link = self.links[at]
            at = link.parent_id if link else None
        if at is not None and at in known:
            lost, missing = known[at]
        elif at is not None and at not in self.links:
            oldest = self.links[next(reversed(path))]
            lost, missing = (oldest.unstored if oldest else frozenset()), at
        else:
            lost, missing = frozenset[str](), ""
        for one in reversed(path):
            link = self.links[one]
            lost = lost & link.unstored if link else frozenset()
            known[one] = lost, missing
        return known[checkpoint_id]
