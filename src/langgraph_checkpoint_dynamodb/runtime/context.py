"""The settings and clock of one call: table, cache, serde, time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from .logs import LOG
from .lru_cache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable

    from langgraph.checkpoint.serde.base import SerializerProtocol

    from .counters import Counters
    from .effects import Operation
    from .single_flight import InFlight

ThreadOwner: TypeAlias = "str | Callable[[Mapping[str, Any]], str | None] | None"
"""The name of a key of a checkpoint's metadata, or a function of the metadata; see
`DynamoDBConfig`."""

DEFAULT_MAX_BYTES = 1 << 30
"""Upper bound of the bytes that a few crafted items can make a reader assemble."""


_MAX_KNOWN_BYTES = 4 << 20
_NOTE_BYTES = 200
"""About what a noted thread id takes in memory, beside its characters."""


@dataclass(frozen=True, slots=True)
class Context:
    """The settings and clock of one call.

    Attributes:
        table: Table name.
        ttl_attribute: Name of the TTL attribute. Expiry applies even if TTL is disabled on the
            table now: an expired item may have lost chunks already.
        ttl_seconds: After how many seconds new items expire; `None` for never.
        max_resends: How often in a row a resend may leave all items unprocessed.
        cache: Shared by all calls of a saver.
        in_flight: The same.
        serde: The saver's serde at the time of the call.
        now: Time of the call, in epoch seconds.
        run_index: Whether the table has the index by run id.
        thread_index: Whether the table has the index of threads, so that puts keep each thread's
            entry in the directory.
        thread_owner: Names the owner of a thread; see `DynamoDBConfig`.
        max_bytes: Upper bound of the values of a checkpoint and its pending writes, in bytes.
        encrypts: Whether the serde encrypts.
        allow_plaintext: Whether unencrypted values are read although the serde encrypts.
        asked: With fencing, the earlier checkpoints requested by id; see `checkpoints.fencing`.
        shared_puts: Whether puts share requests; `None` unless `share_puts` is set.
        read_through: Where threads that are not in the table may be; `None` without that setting.
        counters: Counts the requests and units of the call; `None` without an observer.
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
    thread_index: bool = False
    thread_owner: ThreadOwner = None
    max_bytes: int = DEFAULT_MAX_BYTES
    encrypts: bool = False
    allow_plaintext: bool = False
    asked: Cache | None = None
    shared_puts: SharedPuts | None = None
    read_through: ReadThrough | None = None
    counters: Counters | None = None


@dataclass(frozen=True, slots=True)
class ThreadNamespace:
    """Where a checkpoint is: its thread and namespace, as the user names them."""

    thread_id: str
    checkpoint_ns: str

    def __str__(self) -> str:
        return f"thread {self.thread_id!r}, namespace {self.checkpoint_ns!r}"


class SharedPuts:
    """Whether the puts of a saver share requests; off once DynamoDB refuses it."""

    def __init__(self) -> None:
        self.allowed = True

    def stop(self, error: Exception) -> None:
        """Send every put as its own request from now on."""
        if self.allowed:
            self.allowed = False
            LOG.warning(
                "share_puts=True: DynamoDB refused a shared request and accepted its puts one "
                "by one, so this saver now sends each put separately. Allow dynamodb:PartiQLInsert "
                "on the table, or leave share_puts out. DynamoDB's answer: %s",
                error,
            )


class ReadThrough:
    """Where threads that are not in the table may be, and which ones are known to be in the table.

    Attributes:
        copy: Copies a thread to the table; returns whether it was found.
    """

    def __init__(self, copy: Callable[[Context, str], Operation[bool]]) -> None:
        self.copy = copy
        self._known = Cache(_MAX_KNOWN_BYTES)

    def knows(self, thread_id: str) -> bool:
        """Whether a thread is known to be in the table, or in neither place."""
        return self._known.get(thread_id) is not None

    def note(self, thread_id: str) -> None:
        """Note that a thread is in the table, or in neither place."""
        self._known.put(thread_id, True, len(thread_id) + _NOTE_BYTES)
