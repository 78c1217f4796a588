"""A network that drops, delays, repeats and cuts, in short."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "soak"))

import chaos
import chaos_proxy


def test_nothing_acknowledged_is_lost_or_undone(endpoint_url: str) -> None:
    figures = chaos.run(endpoint_url, 1, **chaos.SHORT)
    assert figures["acknowledged_checkpoints"] > figures["turns"] > 0
    assert figures["requests"] > 100
    assert sum(figures.get(fault, 0) for fault in chaos_proxy.FAULTS) > figures["requests"] / 10
