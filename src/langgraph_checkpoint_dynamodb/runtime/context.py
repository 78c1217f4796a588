"""What every operation of a saver needs: the table's name, the cache, the serde, the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .logs import LOG

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from .counters import Counters
    from .lru_cache import Cache
    from .single_flight import InFlight

DEFAULT_MAX_BYTES = 1 << 30
"""A bound for what a few crafted items can make a reader put together."""


@dataclass(frozen=True, slots=True)
class Context:
    """One call's surroundings.

    Attributes:
        table: Table name.
        ttl_attribute: The expiry's attribute name. It counts whether or not the table has
            TTL now: what was given an expiry may have lost chunks by then.
        ttl_seconds: How long what is written now shall live; `None` for ever.
        max_resends: How often in a row unprocessed items may come back unprocessed.
        cache: Shared by all calls of a saver.
        in_flight: The same.
        serde: The saver's serde at the time of the call.
        now: Time of the call, in epoch seconds.
        run_index: Whether the table has the index by run id.
        max_bytes: The most that the values of a checkpoint and its pending writes may take.
        encrypts: Whether the serde encrypts.
        allow_plaintext: Whether what is not encrypted is read all the same.
        asked: With fencing, the earlier checkpoints requested by id; see `checkpoints.fencing`.
        shared_puts: Where puts may share requests, whether they do.
        counters: What the call takes; `None` if nobody wants to know.
    """

    table: str
    ttl_attribute: str
    ttl_seconds: int | None
    max_resends: int
    cache: Cache
    in_flight: InFlight
    serde: SerializerProtocol
    now: float
    run_index: bool = False
    max_bytes: int = DEFAULT_MAX_BYTES
    encrypts: bool = False
    allow_plaintext: bool = False
    asked: Cache | None = None
    shared_puts: SharedPuts | None = None
    counters: Counters | None = None


@dataclass(frozen=True, slots=True)
class ThreadNamespace:
    """Where a checkpoint is: its thread and namespace, as the user names them."""

    thread_id: str
    checkpoint_ns: str

    def __str__(self) -> str:
        return f"thread {self.thread_id!r}, namespace {self.checkpoint_ns!r}"


class SharedPuts:
    """Whether the puts of a saver share requests: until it shows that they may not."""

    def __init__(self) -> None:
        self.allowed = True

    def stop(self, error: Exception) -> None:
        """Send every put by itself from now on."""
        if self.allowed:
            self.allowed = False
            LOG.warning(
                "share_puts=True: DynamoDB refused a shared request and took its puts one by one, "
                "so this saver shares no more. Allow dynamodb:PartiQLInsert on the table, or leave "
                "share_puts out. DynamoDB's answer: %s",
                error,
            )
