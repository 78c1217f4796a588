"""What a new item can build on: which chunks it may refer to, and how long it is kept.

An item refers to chunks that its parent or the parent's writes are known to refer to, in
a generation that outlives it. What is not known is written again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .context import Context, Known, Place, Remembered, remembered, written


@dataclass(frozen=True, slots=True)
class Basis:
    """What a new item of a thread can build on.

    Attributes:
        generation: The generation to write chunks in.
        parent: The checkpoint that the item follows, if its chunks live long enough.
        known: Chunks of that generation that the parent or its writes refer to.
        written: About how many chunks of that generation were written so far.
        kept: Until when the item is kept, in epoch seconds; `None` for ever.
    """

    generation: int
    parent: Remembered | None
    known: frozenset[bytes]
    written: int
    kept: float | None

    def before(self, channel: str) -> Known | None:
        """What the parent stored for a channel."""
        return self.parent.records.get(channel) if self.parent else None


def basis_of(
    context: Context, place: Place, parent_id: str | None, *, delta: bool, belongs: bool = False
) -> Basis:
    """What an item builds on that follows a checkpoint or, pending writes, `belongs` to it."""
    kept: float | None = context.kept(delta=delta)
    if parent_id is None:
        return Basis(context.generation(None, delta=delta), None, frozenset(), 0, kept)
    parent = remembered(context, place, parent_id)
    generation = context.generation(parent.generation if parent else None, delta=delta)
    if belongs and parent is not None and kept is not None and parent.kept > kept:
        # It was stored with a longer TTL, or with none, and lives on with its writes.
        generation, kept = parent.generation, parent.kept if parent.kept < math.inf else None
    known = _known_of_writes(context, place, parent_id, generation)
    if parent is None or parent.generation != generation:
        return Basis(generation, None, known, len(known), kept)
    count = parent.written + len(known - parent.refs)
    return Basis(generation, parent, known | parent.refs, count, kept)


def known_by_now(
    context: Context, place: Place, parent_id: str | None, base: Basis
) -> frozenset[bytes]:
    """`base.known`, and what writes of the same checkpoint have stored since, in other threads."""
    if parent_id is None:
        return base.known
    since = _known_of_writes(context, place, parent_id, base.generation)
    return base.known if since <= base.known else base.known | since


def _known_of_writes(
    context: Context, place: Place, checkpoint_id: str, generation: int
) -> frozenset[bytes]:
    """Chunks of a generation that a checkpoint's pending writes refer to, as far as is known."""
    pairs = written(context, place, checkpoint_id)
    return frozenset(digest for made_in, digest in pairs if made_in == generation)
