"""Count what a saver asks of DynamoDB: requests, and the capacity each one consumed."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})


def events_of(session: Any) -> Any:
    """The event emitter of a boto3, aioboto3 or aiobotocore session."""
    return getattr(session, "events", None) or session.get_component("event_emitter")


class Costs:
    """Sums over every client made from the sessions it watches.

    Requests are counted from botocore's events, so the saver cannot miscount them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.calls: Counter[str] = Counter()
        self.read_units = 0.0
        self.write_units = 0.0

    def reset(self) -> None:
        with self._lock:
            self.calls.clear()
            self.read_units = self.write_units = 0.0

    @property
    def requests(self) -> int:
        return sum(self.calls.values())

    def watch(self, session: Any) -> Any:
        """Watch a boto3, aioboto3 or aiobotocore session; returns it."""
        events = events_of(session)
        events.register("provide-client-params.dynamodb", self._ask_for_capacity)
        events.register("after-call.dynamodb", self._count)
        return session

    @staticmethod
    def _ask_for_capacity(params: dict[str, Any], model: Any, **_: object) -> dict[str, Any] | None:
        if "ReturnConsumedCapacity" in model.input_shape.members:
            return {**params, "ReturnConsumedCapacity": "TOTAL"}
        return None

    def _count(self, parsed: dict[str, Any], model: Any, **_: object) -> None:
        consumed = parsed.get("ConsumedCapacity", [])
        entries = [consumed] if isinstance(consumed, dict) else consumed
        units = sum(entry["CapacityUnits"] for entry in entries)
        with self._lock:
            self.calls[model.name] += 1
            if model.name in _WRITES:
                self.write_units += units
            else:
                self.read_units += units

    def __repr__(self) -> str:
        return (
            f"Costs(requests={self.requests}, write_units={self.write_units}, "
            f"read_units={self.read_units}, calls={dict(self.calls)})"
        )
