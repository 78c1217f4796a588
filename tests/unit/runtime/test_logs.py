"""Warnings that come too often are counted instead of logged."""

from __future__ import annotations

import logging

import pytest

from langgraph_checkpoint_dynamodb.runtime.logs import LOG, RateLimitedWarnings


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_one_a_second_of_each_kind_and_the_next_says_how_many_were_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    warnings = RateLimitedWarnings(clock)
    for number in range(5):
        warnings.log("throttled", lambda number=number: f"throttle {number}")
        warnings.log("retried", lambda number=number: f"retry {number}")
    clock.now += 0.9
    warnings.log("throttled", lambda: "too soon")
    clock.now += 0.2
    warnings.log("throttled", lambda: "later")
    clock.now += 1
    warnings.log("throttled", lambda: "last")
    assert caplog.messages == [
        *("throttle 0", "retry 0"),
        "later (5 more since the last such warning)",
        "last",
    ]
    assert {record.name for record in caplog.records} == {"langgraph_checkpoint_dynamodb"}


def test_the_text_is_made_only_for_what_is_logged() -> None:
    made = []
    warnings = RateLimitedWarnings(Clock())
    for number in range(3):
        warnings.log("throttled", lambda number=number: str(made.append(number)))
    LOG.setLevel(logging.ERROR)
    try:
        warnings.log("retried", lambda: str(made.append("at ERROR")))
    finally:
        LOG.setLevel(logging.NOTSET)
    assert made == [0]


def test_a_forked_child_can_log_whatever_its_parent_was_doing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    warnings = RateLimitedWarnings(Clock())
    warnings._lock.acquire()
    warnings.after_fork()
    warnings.log("throttled", lambda: "in the child")
    assert caplog.messages == ["in the child"]
