"""What clients ask of DynamoDB: requests and capacity units, counted from botocore's events.

So nothing that is measured can miscount itself. `Costs` counts for the sessions that it is given,
boto3's, aiobotocore's and aioboto3's alike; `Meter` counts for every session that a process makes,
whoever makes it.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import botocore.session

READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})
WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})
INSERTS = frozenset({"BatchExecuteStatement"})
"""Statements write or read; the only ones that this saver sends are `INSERT`s."""


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

    def add(self, operation: str, parsed: dict[str, Any], writes: frozenset[str] = WRITES) -> None:
        """Add one reply; `operation` is the name of the API call."""
        units = _units(parsed.get("ConsumedCapacity"))
        if units and operation not in READS | writes:
            raise NotImplementedError(f"{operation}: are its units for reading or for writing?")
        # botocore's own retries are requests too, and show only here.
        self.requests += 1 + parsed.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        self.errors += "Error" in parsed
        if operation in writes:
            self.write_units += units
        else:
            self.read_units += units


class Costs:
    """Sums over every client made from the sessions it watches, by API call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sum = Cost()
        self.calls: Counter[str] = Counter()
        self.units: Counter[str] = Counter()
        """Capacity units, read and write, by API call."""

    def reset(self) -> None:
        with self._lock:
            self._sum = Cost()
            self.calls.clear()
            self.units.clear()

    @property
    def requests(self) -> int:
        return sum(self.calls.values())

    @property
    def write_units(self) -> float:
        return self._sum.write_units

    @property
    def read_units(self) -> float:
        return self._sum.read_units

    def watch(self, session: Any) -> Any:
        """Watch a boto3, aioboto3 or aiobotocore session; returns it."""
        _watch(events_of(session), self._count)
        return session

    def _count(self, parsed: dict[str, Any], model: Any, **_: object) -> None:
        with self._lock:
            self.calls[model.name] += 1
            self.units[model.name] += _units(parsed.get("ConsumedCapacity"))
            self._sum.add(model.name, parsed, WRITES | INSERTS)

    def __repr__(self) -> str:
        return (
            f"Costs(requests={self.requests}, write_units={self.write_units}, "
            f"read_units={self.read_units}, calls={dict(self.calls)})"
        )


class Meter:
    """Adds up what all sessions of a process send, for each open `measure` block.

    A client inherits the event handlers of its session. So a saver is measured without a hook of
    its own and without knowing that it is.

    Args:
        on_request: Called for each request, on the thread that has sent it.
    """

    def __init__(self, on_request: Callable[[], None] = lambda: None) -> None:
        self._on_request = on_request
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
            _watch(session, self._count)

        botocore.session.Session.__init__ = make_watched

    def _count(self, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        self._on_request()
        Cost().add(model.name, parsed)  # refuses what it cannot count, also outside of all blocks
        with self._lock:
            for cost in self._open:
                cost.add(model.name, parsed)


def events_of(session: Any) -> Any:
    """The event emitter of a boto3, aioboto3 or aiobotocore session."""
    return getattr(session, "events", None) or session.get_component("event_emitter")


def _watch(events: Any, count: Callable[..., None]) -> None:
    """Ask for the capacity of each request, and count each reply."""
    events.register("before-parameter-build.dynamodb", _ask_for_capacity)
    events.register("after-call.dynamodb", count)


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
