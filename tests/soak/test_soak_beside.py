"""The short form of `soak/beside.py`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "soak"))

import beside


def test_graphs_beside_maintenance(endpoint_url: str) -> None:
    figures = beside.run(endpoint_url, 1, **beside.SHORT)
    assert figures["turns"] == 3
    assert min(figures[name] for name in ("prunes", "copies", "deletions")) > 0
