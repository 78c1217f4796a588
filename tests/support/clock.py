"""A clock that a test sets, in place of a saver's own."""

from __future__ import annotations

from either import Either
from langgraph_checkpoint_dynamodb.maintenance import retention

# Far in the future, so that the engine's own clean-up leaves the items alone.
START = 4_000_000_000.0


class Clock:
    """Set as the `clock` of a saver; the test changes `now`."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def later(client: Either, seconds: float = retention.GRACE_SECONDS + 60) -> None:
    """Set the saver's clock forward: by default, by the grace time of all chunks."""
    now = client.target.clock()
    client.target.clock = lambda: now + seconds
