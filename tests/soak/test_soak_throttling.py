"""A table without capacity, in short."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "soak"))

import throttling


def test_all_work_ends_with_the_delays_configured(endpoint_url: str) -> None:
    figures = throttling.run(endpoint_url, 1, **throttling.SHORT)
    assert figures["turns"] == throttling.SHORT["turns"] * throttling.SHORT["writers"]
    assert figures["throttled"] + figures["left_in_part"] > figures["requests"] / 5
    assert 0 < figures["longest_wait_ms"] <= 1000 * throttling.LONGEST_DELAY
