"""How long a checkpoint is returned, and how long it is stored.

A checkpoint *expires*: after that time, the saver does not return it. It is *kept* at least until
then. In a graph with delta channels it is kept one TTL period longer, because checkpoints that
are put until its expiry are rebuilt from it. Its chunks belong to a *generation*, which is
numbered with the time until which they are kept.

Two rules hold. Both depend on the stored items, and not on the TTL that a saver is configured
with:

* A checkpoint never expires before an earlier one of its namespace. So switching TTL on or off,
  or changing its length, never brings an older state back. If the newest checkpoint has expired,
  all have.
* A chunk is kept at least as long as every item that refers to it: the generation of an item ends
  no earlier than the item.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..runtime.context import Context

NEVER = 0
"""The generation of chunks that do not expire."""

MAX_GENERATION = 9_999_999_999
"""The generation of chunks that had an expiry and are now kept: the year 2286, in epoch seconds."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The times of an item, in epoch seconds; infinity for an item that does not expire.

    Attributes:
        generation: The generation of the chunks that it refers to.
        expires: The time until which it is returned.
        kept: The time until which it is stored.
    """

    generation: int
    expires: float
    kept: float


def new_lifetime(
    context: Context, *, delta: bool, floor: float = 0, generation: int | None = None
) -> Lifetime:
    """The lifetime of a checkpoint that is put now.

    A new generation ends at the first multiple of the TTL after `kept`, so the puts of one TTL
    period share it.

    Args:
        context: The call's settings and time.
        delta: Whether its graph has delta channels.
        floor: The latest expiry of the earlier checkpoints, in epoch seconds.
        generation: The generation of its parent, which is used again if it ends late enough.
    """
    ttl = context.ttl_seconds
    if ttl is None or floor == math.inf:
        return Lifetime(NEVER, math.inf, math.inf)
    expires = max(math.ceil(context.now) + ttl, int(floor))
    kept = expires + (ttl if delta else 0)
    if generation is None or not kept <= generation < MAX_GENERATION:
        generation = (kept // ttl + 1) * ttl
    return Lifetime(generation, expires, kept)
