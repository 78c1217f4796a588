"""The short form of the campaign of concurrent writers; see `soak/writers.py`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "soak"))
import writers


def test_it_keeps_its_promises(endpoint_url: str) -> None:
    figures = writers.run(endpoint_url, 1, **writers.SHORT)
    assert figures["checkpoints"] == 4 * 3 * 4
    assert 0 < figures["fenced checkpoints"] <= figures["checkpoints"]
