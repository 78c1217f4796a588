"""How long what is stored is returned, and how long it is kept.

A checkpoint *expires*: from then on it is not returned. It is *kept* at least as long; where
there are delta channels a TTL period longer, because what is put in the meantime is rebuilt from
it. Its chunks stand in a *generation*, which names the time until which they are kept.

Two rules, each of which looks at what is stored and not at what TTL is configured elsewhere:

* A checkpoint never expires before one that was put before it in its namespace. So no TTL that
  is switched on, off or to another length brings an older state back, and if the newest has
  expired, all have.
* A chunk is kept as long as every item that refers to it: an item's generation ends at the
  time until which it is kept, or later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..runtime.context import Context

NEVER = 0
"""The generation of chunks that do not expire."""

FOR_EVER = 9_999_999_999
"""The generation of chunks that did expire and shall no longer: the year 2286."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The times of an item, in epoch seconds; infinity for an item that does not expire.

    Attributes:
        generation: The generation of the chunks that it refers to.
        expires: Until when it is returned.
        kept: Until when it is kept.
    """

    generation: int
    expires: float
    kept: float


def new_lifetime(
    context: Context, *, delta: bool, floor: float = 0, generation: int | None = None
) -> Lifetime:
    """The lifetime of a checkpoint that is put now.

    A generation ends at the TTL boundary after the next, so one serves the puts of a period.

    Args:
        context: The call's surroundings.
        delta: Whether its graph has delta channels.
        floor: When the checkpoints before it expire.
        generation: Its parent's, which it goes on with if that is kept long enough.
    """
    ttl = context.ttl_seconds
    if ttl is None or floor == math.inf:
        return Lifetime(NEVER, math.inf, math.inf)
    expires = max(math.ceil(context.now) + ttl, int(floor))
    kept = expires + (ttl if delta else 0)
    if generation is None or not kept <= generation < FOR_EVER:
        generation = (kept // ttl + 1) * ttl
    return Lifetime(generation, expires, kept)
