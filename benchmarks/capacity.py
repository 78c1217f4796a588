"""What a saver asks of DynamoDB: requests and capacity units, whatever client it uses.

Every botocore session made after `watch` reports to the meter, boto3's, aiobotocore's
and aioboto3's alike: a client inherits the event handlers of its session. So a saver
is measured without a hook of its own and without knowing that it is.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import botocore.session

import calls

READS = {"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"}
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}


@dataclass
class Cost:
    """Sums over the requests of one span of time."""

    requests: int = 0
    write_units: float = 0.0
    read_units: float = 0.0
    errors: int = 0
    """Replies that were errors. DynamoDB bills a failed condition, but does not say how much."""

    def measures(self, prefix: str = "") -> dict[str, float]:
        return {prefix + name: value for name, value in asdict(self).items()}


class Meter:
    """Adds up what the watched sessions send, for each open `measure` block."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # savers send from several threads
        self._open: list[Cost] = []

    @contextmanager
    def measure(self) -> Iterator[Cost]:
        """Count what is sent inside the block. Blocks nest; outside of all, nothing counts."""
        cost = Cost()
        with self._lock:
            self._open.append(cost)
        try:
            yield cost
        finally:
            with self._lock:  # by identity: two costs of equal sums are equal
                self._open = [each for each in self._open if each is not cost]

    def watch(self) -> None:
        """Report every botocore session that is made from now on to this meter."""
        make = botocore.session.Session.__init__

        def make_watched(session: Any, *args: Any, **kwargs: Any) -> None:
            make(session, *args, **kwargs)
            session.register("before-parameter-build.dynamodb", _ask_for_capacity)
            session.register("after-call.dynamodb", self._count)

        botocore.session.Session.__init__ = make_watched

    def _count(self, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        calls.count_request()
        units = _units(parsed.get("ConsumedCapacity"))
        if units and model.name not in READS | WRITES:
            raise NotImplementedError(f"{model.name}: are its units for reading or for writing?")
        # botocore's own retries are requests too, and show only here.
        requests = 1 + parsed["ResponseMetadata"].get("RetryAttempts", 0)
        with self._lock:
            for cost in self._open:
                cost.requests += requests
                cost.errors += "Error" in parsed
                if model.name in WRITES:
                    cost.write_units += units
                else:
                    cost.read_units += units


def _ask_for_capacity(params: dict[str, Any], model: Any, **_: Any) -> None:
    if "ReturnConsumedCapacity" in model.input_shape.members:
        params["ReturnConsumedCapacity"] = "TOTAL"


def _units(consumed: dict[str, Any] | list[dict[str, Any]] | None) -> float:
    """Units of one reply: batches report a list, one entry for each table."""
    if consumed is None:
        return 0.0
    if isinstance(consumed, dict):
        consumed = [consumed]
    return sum(each["CapacityUnits"] for each in consumed)
