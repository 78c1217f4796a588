"""What one call of a saver's method takes, counted where it happens."""

from __future__ import annotations

from threading import Lock


class Counters:
    """Sums over one call of a saver's method.

    The calls of a round end in several threads, so drivers count under a lock (`add`). Cache and
    chunks are counted by the operation itself, which runs in one thread at a time.

    Attributes:
        requests: Requests sent, retries included.
        retries: Requests that repeat one that failed.
        throttles: Requests that were refused for their rate, in whole or in part.
        read_units: Read capacity units, as DynamoDB reports them.
        write_units: Write capacity units, as DynamoDB reports them.
        cache_hits: Checkpoints and chunks that were found in the saver's memory.
        cache_misses: Checkpoints and chunks that were not.
        chunks_written: Chunks that were written.
        chunks_reused: Chunks that a written item refers to and that were stored already.
        seconds: Time in a driver's `run`.
    """

    __slots__ = (
        "_lock",
        "cache_hits",
        "cache_misses",
        "chunks_reused",
        "chunks_written",
        "read_units",
        "requests",
        "retries",
        "seconds",
        "throttles",
        "write_units",
    )

    def __init__(self) -> None:
        self.requests = self.retries = self.throttles = 0
        self.read_units = self.write_units = 0.0
        self.cache_hits = self.cache_misses = 0
        self.chunks_written = self.chunks_reused = 0
        self.seconds = 0.0
        self._lock = Lock()

    def add(
        self,
        *,
        requests: int = 0,
        retries: int = 0,
        throttles: int = 0,
        read_units: float = 0.0,
        write_units: float = 0.0,
    ) -> None:
        """Add what a driver has counted."""
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.throttles += throttles
            self.read_units += read_units
            self.write_units += write_units
