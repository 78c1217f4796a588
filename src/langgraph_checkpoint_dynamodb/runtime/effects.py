"""Operations and effects: an operation is a generator that describes I/O and does none itself.

An operation yields effects and is sent their results:

=====================  ====================================================
it yields              it is sent
=====================  ====================================================
`[Call, ...]`          a list of replies in the same order; the calls are
(a round)              independent and may run at once
`Backoff(attempt)`     `None`, after the driver has waited
`Compute(function)`    `function()`, which an async driver may run in a
                       thread because it is CPU work on large values
`AskSaver(ask, aask)`  what the other saver returns
`Join(future)`         its result, once another operation has set it, or
                       `False` if that takes too long
=====================  ====================================================

A reply is the service's response, `ConditionFailed` for a call whose condition
was false, or `Failed` for a call that allows it. Any other failure is thrown into
the operation after all calls of the round have ended. What the operation returns
is its result.
Operations read no clock and draw no random number: both come as arguments, so
a test can replay every case. Only drivers do I/O.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")

Item: TypeAlias = dict[str, Any]
"""A DynamoDB item in the typed form of the low-level API: `{"PK": {"S": …}}`."""

DYNAMODB = "dynamodb"
CLOUDFORMATION = "cloudformation"
AUTOSCALING = "application-autoscaling"
KMS = "kms"
S3 = "s3"

OF_ANOTHER_PLACE = "OfAnotherPlace"
"""The code of the error for a call that was not sent: see `drivers/client_config.py`."""


@dataclass(frozen=True, slots=True)
class Call:
    """One API call.

    Attributes:
        method: The name of the boto3 client's method.
        params: Its arguments.
        service: The service's name.
        shareable: The driver may send it in one request with other operations' calls. The
            operation handles `Failed` by sending the call again separately.
        retried: Whether the driver retries it after a transient error.
        failure_is_reply: Its `StorageError` is a reply, `Failed`, so that the operation gets the
            replies of the others of the round. For calls that are retried.
        on_reply: Called with the reply as soon as it has arrived, also if the operation never
            gets it: another call of the round failed, or the operation was cancelled.
    """

    method: str
    params: dict[str, Any]
    service: str = DYNAMODB
    shareable: bool = False
    retried: bool = True
    failure_is_reply: bool = False
    on_reply: Callable[[Any], None] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ConditionFailed:
    """The reply to a call whose condition was false; nothing was written."""

    item: Item | None


@dataclass(frozen=True, slots=True)
class Failed:
    """The reply to a shareable or `failure_is_reply` call that failed, or may have failed."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Backoff:
    """Wait before resending what DynamoDB left unprocessed; attempts count from 0."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Compute(Generic[T]):
    """CPU work that should not block an event loop.

    Attributes:
        function: The work.
        size: Estimates how many bytes it works on; `None` if unknown. Small work runs on
            the event loop, as handing it to a thread would take longer.
    """

    function: Callable[[], T]
    size: Callable[[], int | None]


@dataclass(frozen=True, slots=True)
class AskSaver(Generic[T]):
    """A call of another saver, by its sync or async methods as the operation runs."""

    ask: Callable[[], T]
    aask: Callable[[], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class Join:
    """Wait for another operation of this process, on any thread or event loop."""

    future: Future[bool]


Reply: TypeAlias = Any
Effect: TypeAlias = "Sequence[Call] | Backoff | Compute[Any] | AskSaver[Any] | Join"
Operation: TypeAlias = Generator[Effect, Any, T]


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The result of an operation that has ended."""

    result: T


def advance(
    operation: Operation[T], answer: Any = None, error: BaseException | None = None
) -> Effect | Done[T]:
    """Send the operation an answer, or throw an error into it.

    Returns the next effect or `Done`: a `StopIteration` cannot cross an asyncio
    future (PEP 479 turns it into a `RuntimeError`), so it never leaves here.
    """
    try:
        return operation.throw(error) if error is not None else operation.send(answer)
    except StopIteration as stop:
        return Done(stop.value)
