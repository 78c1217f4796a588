"""One attempt of a call: paced, counted, logged, and its answer checked.

Both drivers send what `Meter.begin` returns. DynamoDB is asked for consumed units only if there is
an observer, or the logger is at DEBUG.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..config.saver_config import DynamoDBConfig
from ..errors import DynamoDBSaverError, StorageError, ThrottledError
from ..runtime.counters import Counters
from ..runtime.effects import Call, ConditionFailed, Reply
from ..runtime.logs import LOG, RateLimitedWarnings
from . import aws_errors
from .pacing import Pacer, partition_of
from .places import host_of, subject
from .replies import whole

_WRITES = frozenset(
    {
        "batch_execute_statement",
        "batch_write_item",
        "delete_item",
        "put_item",
        "transact_write_items",
        "update_item",
    }
)
_CONSUMING = _WRITES | {"batch_get_item", "query", "scan"}
"""The calls that consume capacity, and report it if they are asked to.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ConsumedCapacity.html
"""


class Meter:
    """What the drivers of a saver share: the pacer, and the warnings of throttles and retries."""

    def __init__(self, config: DynamoDBConfig, pacer: Pacer) -> None:
        self.config = config
        self.pacer = pacer
        self._warnings = RateLimitedWarnings()

    def begin(self, call: Call, counters: Counters | None) -> Attempt:
        """An attempt of a call, to be sent after its `delay`."""
        return Attempt(self, call, counters)

    def throttled(self, call: Call, why: str) -> None:
        """Warn of a throttle."""
        self._warnings.log(
            "throttled", lambda: f"{subject(self.config, call)} was throttled: {why}"
        )

    def retried(self, call: Call, error: StorageError, number: int, delay: float) -> None:
        """Warn of a retry. That of a throttled call is known by its throttle."""
        if not isinstance(error, ThrottledError):
            self._warnings.log(
                "retried",
                lambda: (
                    f"{subject(self.config, call)} failed with "
                    f"{_named(error, error.__cause__)}; "
                    f"retry {number} (max_retries={self.config.max_retries}) in {delay:.2f} s"
                ),
            )


class Attempt:
    """One attempt of a call.

    Attributes:
        params: What to send.
        delay: Seconds to wait before.
    """

    __slots__ = ("_begun", "_call", "_counters", "_is_logged", "_meter", "delay", "params")

    def __init__(self, meter: Meter, call: Call, counters: Counters | None) -> None:
        self._meter = meter
        self._call = call
        self._counters = counters
        self.params = call.params
        self.delay = meter.pacer.delay(call)
        self._is_logged = LOG.isEnabledFor(logging.DEBUG)
        self._begun = 0.0
        if counters is not None:
            counters.add(requests=1)
        elif not self._is_logged:
            return
        self._begun = time.perf_counter() + self.delay
        if call.method in _CONSUMING:
            self.params = {**call.params, "ReturnConsumedCapacity": "TOTAL"}

    def answered(self, reply: Any, client: Any) -> Reply:
        """The reply, if it is whole."""
        call, meter = self._call, self._meter
        if self._begun and call.method in _CONSUMING:
            self._count(reply)
        elif self._is_logged:
            self._log("answered")
        reply = whole(reply, meter.config, call, client)
        if call.method not in _CONSUMING:
            return reply
        if reply.get("UnprocessedItems") or reply.get("UnprocessedKeys"):
            self._throttled("DynamoDB left a part unprocessed")
        meter.pacer.answered(call, reply)
        if call.on_reply is not None:
            call.on_reply(reply)
        return reply

    def failed(self, error: Exception, client: Any) -> ConditionFailed:
        """The reply of a call whose condition did not hold; another error is raised as ours."""
        meter, call = self._meter, self._call
        translated = (
            error  # the driver's own: it did not send the call
            if isinstance(error, DynamoDBSaverError)
            else aws_errors.translate(error, meter.config, call, host_of(client))
        )
        if isinstance(translated, ConditionFailed):
            if self._is_logged:
                self._log("the condition does not hold")
            return translated
        if self._is_logged:
            self._log(_named(translated, error))
        if isinstance(translated, ThrottledError):
            self._throttled(translated.code or type(translated).__name__)
        else:
            meter.pacer.refund(call)
        raise translated from error

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The delay; a call that is cancelled in it is not sent, and not charged."""
        try:
            yield
        except BaseException:
            self._meter.pacer.refund(self._call)
            raise

    def _throttled(self, why: str) -> None:
        self._meter.pacer.throttled(self._call)
        if self._counters is not None:
            self._counters.add(throttles=1)
        self._meter.throttled(self._call, why)

    def _count(self, reply: Any) -> None:
        units = units_in(reply)
        writes = self._call.method in _WRITES
        if self._counters is not None and writes:
            self._counters.add(write_units=units)
        elif self._counters is not None:
            self._counters.add(read_units=units)
        if self._is_logged:
            noun = f"{'write' if writes else 'read'} unit{'' if units == 1 else 's'}"
            self._log(f"{units:g} {noun}")

    def _log(self, outcome: str) -> None:
        partition = partition_of(self._call)
        LOG.debug(
            "%s%s: %s in %.1f ms",
            subject(self._meter.config, self._call),
            f", thread {partition[1]!r}" if partition else "",
            outcome,
            1000 * (time.perf_counter() - self._begun),
        )


def units_in(reply: Any) -> float:
    """The capacity units that a reply reports."""
    consumed = reply.get("ConsumedCapacity") or ()
    entries = [consumed] if isinstance(consumed, dict) else consumed
    return float(sum(entry.get("CapacityUnits", 0.0) for entry in entries))


def _named(error: Exception, cause: BaseException | None) -> str:
    """An error's class, and its code or cause; its message may quote what was sent."""
    told = getattr(error, "code", None) or (type(cause).__name__ if cause else None)
    return f"{type(error).__name__} ({told})" if told else type(error).__name__
