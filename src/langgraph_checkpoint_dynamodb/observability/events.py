"""The event that an observer gets for each operation of a saver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationEvent:
    """One call of a saver's method that has ended, sync or async.

    Attributes:
        name: The method, without the `a` of its async form: `put`, `put_writes`, `get_tuple`,
            `list`, `get_delta_channel_history`, `delete_thread`, `delete_for_runs`, `copy_thread`,
            `prune`, `verify`, `apply_ttl`, `deploy`, `plan` or `destroy`.
        table: The table's name.
        region: The region of the configuration; `None` if AWS's own chain decides.
        started: When it began, in epoch seconds.
        duration: How long it took, in seconds. For `list`, without the time between the pages.
        requests: Requests sent, retries included. One that several puts share
            (`share_puts`) counts for one of them.
        retries: Requests that repeat one that failed.
        throttles: Requests that were refused for their rate, in whole or in part.
        read_units: Read capacity units, as DynamoDB reports them.
        write_units: Write capacity units, as DynamoDB reports them. It reports none for a put
            whose condition did not hold, though it bills that.
        cache_hits: Look-ups of checkpoints and chunks that the saver's memory answered.
        cache_misses: Look-ups that it did not answer.
        chunks_written: Chunks that were written.
        chunks_reused: Chunks that the written items refer to and that were stored already.
        error: The class of the exception that was raised; `None` if there was none.
    """

    name: str
    table: str
    region: str | None
    started: float
    duration: float
    requests: int = 0
    retries: int = 0
    throttles: int = 0
    read_units: float = 0.0
    write_units: float = 0.0
    cache_hits: int = 0
    cache_misses: int = 0
    chunks_written: int = 0
    chunks_reused: int = 0
    error: str | None = None


Observer: TypeAlias = Callable[[OperationEvent], object]
"""Called when an operation has ended, on its thread or event loop; it should return at once.

An exception of an observer is logged once for each saver and never reaches the caller.
"""
