"""Requests of a thread, paced to what its partition takes.

A thread is one partition key, and AWS limits a partition to 1,000 write units and 3,000 read units
a second in every capacity mode, whatever the table has. Requests beyond that are throttled.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html

A partition that is not throttled is not paced. From its first throttle on, its bulk requests share
a budget of units a second. It grows by a constant and shrinks by a factor when a request is
throttled (additive increase, multiplicative decrease), so it finds the limit of a table with less
provisioned capacity too, and shares a partition with other processes. Small requests are charged to
the budget and never wait for it: a put of a few units goes before the bulk of its thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeAlias

from ..format.items import body_size
from ..runtime.effects import Call, Item, Reply
from ..runtime.fork import reset_after_fork

WRITE, READ = "write", "read"

_LIMITS = {WRITE: 1000.0, READ: 3000.0}
"""Units a second of a partition; the page above."""

_LEAST = 25.0
_INCREASE = 0.05
"""By this part of the limit the budget grows in a second."""

_DECREASE = 0.85
_BETWEEN_DECREASES = 0.5
"""Seconds in which throttles count as one: they answer to the same budget."""

_SMALL_UNITS = 16
_ROOM_SECONDS = 0.1
"""How long bulk requests are held back for a small one that was throttled."""

_IDLE_SECONDS = 30.0
"""After so long without a request a budget is dropped: the partition may have been split."""

_ITEM_OVERHEAD = 100
"""About how many bytes an item has beside its body: keys, names, numbers."""

Partition: TypeAlias = tuple[str, str]
"""The kind of units, and the partition key."""


@dataclass(slots=True)
class _Budget:
    kind: str
    rate: float
    free_at: float
    used_at: float
    grown_at: float
    cut_at: float
    accepted: int = 0


class Pacer:
    """The budgets of the partitions that were throttled lately; shared by a saver's drivers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._budgets: dict[Partition, _Budget] = {}
        self._lock = Lock()
        reset_after_fork(self)

    def delay(self, call: Call) -> float:
        """Seconds to wait before a call is sent; it is charged to its budget."""
        with self._lock:
            budget = self._find(call)
            if budget is None:
                return 0.0
            now, units = self._clock(), units_of(call)
            budget.rate += _INCREASE * _LIMITS[budget.kind] * (now - budget.grown_at)
            budget.grown_at = budget.used_at = now
            starts = max(budget.free_at, now)
            budget.free_at = starts + units / budget.rate
        return starts - now if units > _SMALL_UNITS else 0.0

    def refund(self, call: Call) -> None:
        """Take back the charge of a call that was not sent, or failed without a throttle."""
        with self._lock:
            budget = self._find(call)
            if budget is not None:
                budget.free_at -= units_of(call) / budget.rate

    def throttled(self, call: Call) -> None:
        """Note that a call was throttled, or left in part unprocessed."""
        partition, now = partition_of(call), self._clock()
        with self._lock:
            budget = self._find(call)
            if budget is None:
                if partition is not None:
                    kind = partition[0]
                    self._budgets[partition] = _Budget(kind, _LIMITS[kind], now, now, now, now)
                return
            if now - budget.cut_at >= _BETWEEN_DECREASES:
                budget.rate = max(_LEAST, budget.rate * _DECREASE)
                budget.cut_at = now
            if units_of(call) <= _SMALL_UNITS:
                budget.free_at = max(budget.free_at, now) + _ROOM_SECONDS

    def answered(self, call: Call, reply: Reply) -> None:
        """Note that a call was accepted; a read is charged for what it returned."""
        with self._lock:
            budget = self._find(call)
            if budget is not None:
                budget.accepted += 1
                if budget.kind == READ:
                    budget.free_at += (_units_read(call, reply) - units_of(call)) / budget.rate

    def accepted(self, call: Call) -> int:
        """How many requests of the call's partition were accepted since it was throttled first."""
        with self._lock:
            budget = self._find(call)
            return budget.accepted if budget else 0

    def after_fork(self) -> None:
        """Start without budgets: another thread may have held the lock."""
        self._budgets = {}
        self._lock = Lock()

    def _find(self, call: Call) -> _Budget | None:
        """The budget of a call's partition, if that was throttled lately; needs the lock."""
        partition = partition_of(call) if self._budgets else None
        if partition is None or partition not in self._budgets:
            return None
        if self._clock() - self._budgets[partition].used_at > _IDLE_SECONDS:
            del self._budgets[partition]
        return self._budgets.get(partition)


def partition_of(call: Call) -> Partition | None:
    """The partition that a call reads or writes; `None` for a scan or another service."""
    params = call.params
    match call.method:
        case "put_item":
            return WRITE, params["Item"]["PK"]["S"]
        case "delete_item" | "update_item":
            return WRITE, params["Key"]["PK"]["S"]
        case "batch_write_item":
            return WRITE, _key_of(_requests(params)[0])["PK"]["S"]
        case "batch_get_item":
            return READ, _requests(params)["Keys"][0]["PK"]["S"]
        case "query" if ":pk" in params["ExpressionAttributeValues"]:
            return READ, params["ExpressionAttributeValues"][":pk"]["S"]
    return None


def units_of(call: Call) -> float:
    """About how many units a call consumes; of a query, the least."""
    params = call.params
    match call.method:
        case "put_item":
            return _write_units(params["Item"])
        case "batch_write_item":
            return sum(_write_units(_key_of(request)) for request in _requests(params))
        case "batch_get_item":
            wanted = _requests(params)
            return len(wanted["Keys"]) * _unit_of_reads(wanted)
        case "query":
            # Chunks are read eventually consistent: their ranges are bulk.
            return 1.0 if params.get("ConsistentRead") else _SMALL_UNITS + 1.0
    return 1.0


def _units_read(call: Call, reply: Reply) -> float:
    """The units that a reply's items took.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
    """
    if call.method == "query":
        size = sum(body_size(item) + _ITEM_OVERHEAD for item in reply["Items"])
        return math.ceil(size / 4096) * _unit_of_reads(call.params)
    found = [item for items in reply["Responses"].values() for item in items]
    units = sum(math.ceil((body_size(item) + _ITEM_OVERHEAD) / 4096) for item in found)
    return units * _unit_of_reads(_requests(call.params))


def _requests(params: Mapping[str, Any]) -> Any:
    (requests,) = params["RequestItems"].values()
    return requests


def _key_of(request: Mapping[str, Any]) -> Item:
    """The item to put, or the key to delete."""
    item: Item = (
        request["PutRequest"]["Item"]
        if "PutRequest" in request
        else request["DeleteRequest"]["Key"]
    )
    return item


def _write_units(item: Item) -> float:
    return math.ceil((body_size(item) + _ITEM_OVERHEAD) / 1024)


def _unit_of_reads(params: Mapping[str, Any]) -> float:
    return 1.0 if params.get("ConsistentRead") else 0.5
