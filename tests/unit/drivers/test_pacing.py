"""Requests of a thread paced to what its partition takes, on a clock of the test's own."""

from __future__ import annotations

from typing import Any

import pytest

from langgraph_checkpoint_dynamodb.drivers import pacing
from langgraph_checkpoint_dynamodb.drivers.pacing import Pacer
from langgraph_checkpoint_dynamodb.format import requests
from langgraph_checkpoint_dynamodb.runtime.effects import Call


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pacer(clock: Clock) -> Pacer:
    return Pacer(clock)


def item(size: int, thread: str = "t", sort_key: str = "S#0#x") -> Any:
    return {**requests.key(thread, sort_key), "B": {"B": b"x" * size}}


def bulk(thread: str = "t", items: int = 25, size: int = 4000) -> Call:
    puts = [{"PutRequest": {"Item": item(size, thread, f"S#0#{n}")}} for n in range(items)]
    return requests.batch_write("table", puts)


def test_what_was_never_throttled_never_waits(pacer: Pacer) -> None:
    assert [pacer.delay(bulk()) for _ in range(1000)] == [0.0] * 1000


def test_after_a_throttle_bulk_is_spread_over_the_limit(pacer: Pacer, clock: Clock) -> None:
    pacer.throttled(bulk())
    units = pacing.units_of(bulk())
    assert units == 25 * 5  # 4,000 bytes with their keys are 5 KB, rounded up, at most
    assert [pacer.delay(bulk()) for _ in range(4)] == pytest.approx(
        [n * units / 1000 for n in range(4)]
    )
    clock.now += 4 * units / 1000
    assert pacer.delay(bulk()) == 0.0


def test_a_small_put_never_waits_and_is_charged(pacer: Pacer) -> None:
    pacer.throttled(bulk())
    pacer.delay(bulk())
    before = pacer.delay(bulk())
    assert pacer.delay(requests.put_new("table", item(900, sort_key="C##1"))) == 0.0
    units = pacing.units_of(bulk())
    assert pacer.delay(bulk()) == pytest.approx(before + (units + 1) / 1000)


def test_bulk_is_held_back_for_a_small_put_that_was_throttled(pacer: Pacer) -> None:
    small = requests.put_new("table", item(900, sort_key="C##1"))
    pacer.throttled(bulk())
    pacer.throttled(small)
    assert pacer.delay(bulk()) == pytest.approx(0.1)


def test_other_threads_and_reads_of_the_same_are_not_slowed(pacer: Pacer) -> None:
    pacer.throttled(bulk())
    for _ in range(10):
        pacer.delay(bulk())
    assert pacer.delay(bulk("another")) == 0.0
    reads = requests.batch_get(
        "table", [requests.key("t", f"S#0#{n}") for n in range(40)], consistent=False
    )
    assert pacer.delay(reads) == 0.0


def test_the_budget_shrinks_by_a_factor_and_grows_by_a_constant(pacer: Pacer, clock: Clock) -> None:
    def rate() -> float:
        clock.now += 0.6
        pacer.delay(bulk())
        ahead = pacer.delay(bulk())
        clock.now += ahead + 1
        return pacing.units_of(bulk()) / ahead

    pacer.throttled(bulk())
    first = rate()
    pacer.throttled(bulk())
    pacer.throttled(bulk())  # of the same moment: counts once
    assert rate() == pytest.approx(first * 0.85, rel=0.15)
    for _ in range(20):
        last = rate()
    assert last > first
    for _ in range(200):
        clock.now += 0.6
        pacer.throttled(bulk())
    assert rate() >= 25


def test_a_budget_that_is_not_used_is_dropped(pacer: Pacer, clock: Clock) -> None:
    pacer.throttled(bulk())
    pacer.delay(bulk())
    assert pacer.delay(bulk()) > 0
    clock.now += 31
    assert [pacer.delay(bulk()) for _ in range(3)] == [0.0] * 3


def test_what_was_accepted_is_counted_from_the_first_throttle(pacer: Pacer) -> None:
    pacer.answered(bulk(), {})
    assert pacer.accepted(bulk()) == 0
    pacer.throttled(bulk())
    pacer.answered(bulk(), {})
    assert (pacer.accepted(bulk()), pacer.accepted(bulk("another"))) == (1, 0)


def test_a_read_is_charged_for_what_it_brought(pacer: Pacer) -> None:
    wanted = requests.query("table", "t", ("S#0#a", "S#0#z"), consistent=False)
    pacer.throttled(wanted)
    pacer.delay(wanted)
    pacer.answered(wanted, {"Items": [item(40_000) for _ in range(20)]})
    assert pacer.delay(wanted) == pytest.approx(
        98 / 3000, rel=0.02
    )  # 802,000 bytes, half a unit each 4 KB


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (requests.put_new("table", item(10)), ("write", "t")),
        (requests.delete_body("table", requests.key("t", "H#"), b""), ("write", "t")),
        (bulk("other"), ("write", "other")),
        (requests.query("table", "t", ("C#", "C$")), ("read", "t")),
        (requests.scan_keys("table", None), None),
        (requests.query_run("table", b"run"), None),
        (Call("describe_table", {"TableName": "table"}), None),
    ],
)
def test_the_partition_of_a_call(call: Call, expected: Any) -> None:
    assert pacing.partition_of(call) == expected


def test_the_charge_of_a_call_that_was_not_sent_is_taken_back(pacer: Pacer) -> None:
    pacer.throttled(bulk())
    assert pacer.delay(bulk()) == 0.0
    for _ in range(50):  # a client with a deadline, that gives up while it waits
        assert pacer.delay(bulk()) == pytest.approx(pacing.units_of(bulk()) / 1000)
        pacer.refund(bulk())
