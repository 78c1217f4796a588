"""The short form of the campaign that cancels, drops and forks; see `soak/lifecycle.py`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "soak"))
import lifecycle


def test_it_keeps_its_promises(endpoint_url: str) -> None:
    figures = lifecycle.run(endpoint_url, 1, **lifecycle.SHORT)
    assert figures["cancelled"] > 40
    assert figures["left behind"] == 0
