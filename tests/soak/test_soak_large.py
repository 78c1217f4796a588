"""The campaign of a large state in short."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "soak"))

import large


def test_the_short_campaign(endpoint_url: str) -> None:
    figures = large.run(endpoint_url, 1, **large.SHORT)
    for mode in ("sync", "async"):
        # Written once, in batches of about 128 KB; read back in ranges of about 512 KB.
        assert 20 < figures[f"{mode} save: requests"] < 8 * 12
        assert 8 <= figures[f"{mode} load: requests"] < 8 * 10
        assert figures[f"{mode} nothing: requests"] == 0
