"""The retry policy of both drivers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tenacity import stop_after_attempt, wait_random_exponential
from tenacity.retry import retry_if_exception

from ..config.saver_config import DynamoDBConfig
from ..errors import (
    StorageError,
)
from ..runtime.effects import Call

T = TypeVar("T")


def retry_policy(config: DynamoDBConfig) -> dict[str, Any]:
    """Arguments of tenacity's `Retrying` and `AsyncRetrying`."""
    return {
        "retry": retry_if_exception(lambda error: getattr(error, "retryable", False)),
        "stop": stop_after_attempt(config.max_retries + 1),
        "wait": wait_random_exponential(
            multiplier=config.initial_retry_delay, max=config.max_retry_delay
        ),
        "reraise": True,
    }


def after_first(first: StorageError, attempt: Callable[[Call], T]) -> Callable[[Call], T]:
    """An attempt for tenacity that begins with one that has failed already.

    Most calls succeed at once, and then need no state of retries.
    """
    failed = [first]

    def again(call: Call) -> T:
        if failed:
            raise failed.pop()
        return attempt(call)

    return again


def backoff_bound(config: DynamoDBConfig, attempt: int) -> float:
    """The longest wait before resend number `attempt` (from 0), in seconds."""
    doublings = min(attempt, 32)
    return float(min(config.max_retry_delay, config.initial_retry_delay * 2**doublings))


def gave_up(error: StorageError, config: DynamoDBConfig) -> StorageError:
    """Say in an error that outlived its retries how often it was tried."""
    if error.retryable:
        error.args = (f"{error} (tried {config.max_retries + 1} times; see max_retries)",)
    return error
