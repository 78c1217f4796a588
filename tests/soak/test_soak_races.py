"""The short form of `soak/races.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "soak"))

import races


@pytest.mark.parametrize("seed", [1, 2])
def test_races(seed: int) -> None:
    figures = races.run("", seed, **races.SHORT)
    assert figures["interleavings"] == races.SHORT["interleavings"]
    assert figures["loaded"] > 5 * figures["interleavings"]
    assert figures["deleted"] > 0
    assert figures["killed"] > 0
