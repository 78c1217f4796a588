"""The retry policy of both drivers: which errors are retried, how often, and after which delay."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from ..config.saver_config import DynamoDBConfig
from ..errors import StorageError, ThrottledError
from ..runtime.counters import Counters
from ..runtime.effects import Call, Failed, Reply
from ..runtime.plural import counted
from .metering import Meter

if TYPE_CHECKING:
    from types import ModuleType

    from tenacity import RetryCallState

T = TypeVar("T")

THROTTLED_SECONDS = 60.0
"""How long a throttled call is retried while other requests of its partition succeed."""


def library() -> ModuleType:
    """tenacity, imported at the first retry: a tenth of this package's import time.

    An event loop's client imports it before, in a worker thread.
    """
    return import_module("tenacity")


class Attempts:
    """The attempts of a call whose first one failed.

    A throttle is not counted against `max_retries` while the partition makes progress: it is
    alive, and the call is one of many that wait for it. Then `THROTTLED_SECONDS` is the bound.
    """

    def __init__(
        self, meter: Meter, call: Call, first: StorageError, counters: Counters | None
    ) -> None:
        self._config = meter.config
        self._meter = meter
        self._pacer = meter.pacer
        self._call = call
        self._first: StorageError | None = first
        self._counters = counters
        self._left = meter.config.max_retries
        self._accepted = meter.pacer.accepted(call)
        self._made = 0

    def run(self, attempt: Callable[[Call, Counters | None], Reply]) -> Reply:
        """Make further attempts; returns the reply of the first that succeeds, or `Failed`.

        Raises:
            StorageError: The error of the last attempt, without the frames of the retries.
        """
        tenacity = library()
        try:
            return tenacity.Retrying(**self._policy(tenacity))(self._with_first(attempt))
        except StorageError as error:
            final = self._final(error)
            if self._call.failure_is_reply:
                return Failed(final)
            raise final from error.__cause__

    async def arun(self, attempt: Callable[[Call, Counters | None], Awaitable[Reply]]) -> Reply:
        """Async `run`."""
        tenacity = library()
        with_first = self._with_first(attempt)

        async def again() -> Reply:
            return await with_first()

        try:
            return await tenacity.AsyncRetrying(**self._policy(tenacity))(again)
        except StorageError as error:
            final = self._final(error)
            if self._call.failure_is_reply:
                return Failed(final)
            raise final from error.__cause__

    def _policy(self, tenacity: ModuleType) -> dict[str, Any]:
        return {
            "retry": tenacity.retry_if_exception(lambda error: getattr(error, "retryable", False)),
            "stop": self._is_last,
            "before_sleep": self._tell,
            "wait": tenacity.wait_random_exponential(
                multiplier=self._config.initial_retry_delay, max=self._config.max_retry_delay
            ),
            "reraise": True,
        }

    def _with_first(self, attempt: Callable[[Call, Counters | None], T]) -> Callable[[], T]:
        """An attempt for tenacity that begins with the one that has failed already.

        Most calls succeed at once, and then need no state of retries.
        """

        def again() -> T:
            first, self._first = self._first, None
            if first is not None:
                raise first
            if self._counters is not None:
                self._counters.add(retries=1)
            return attempt(self._call, self._counters)

        return again

    def _final(self, error: StorageError) -> StorageError:
        """The error to raise: it says how often the call was tried."""
        if error.retryable:
            tries = counted(self._made, "time")
            error.args = (f"{error} (tried {tries}; see max_retries)",)
        return error.with_traceback(None)

    def _tell(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        delay = state.next_action.sleep if state.next_action else 0.0
        if isinstance(error, StorageError):
            self._meter.retried(self._call, error, state.attempt_number, delay)

    def _is_last(self, state: RetryCallState) -> bool:
        self._made = state.attempt_number
        error = state.outcome.exception() if state.outcome else None
        accepted, before = self._pacer.accepted(self._call), self._accepted
        self._accepted = accepted
        if isinstance(error, ThrottledError) and accepted != before and self._config.max_retries:
            return (state.seconds_since_start or 0) >= THROTTLED_SECONDS
        self._left -= 1
        return self._left < 0


def backoff_bound(config: DynamoDBConfig, attempt: int) -> float:
    """The longest wait before resend number `attempt` (from 0), in seconds."""
    doublings = min(attempt, 32)
    return float(min(config.max_retry_delay, config.initial_retry_delay * 2**doublings))
