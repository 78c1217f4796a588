"""The demo checks its own stories; here it runs as a user would start it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


def test_every_story_comes_true_on_the_engine(endpoint_url: str) -> None:
    environment = {**os.environ, "ENDPOINT": endpoint_url, "NO_COLOR": "1", "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, DEMO], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") == 5
    assert "✗" not in done.stdout
    assert done.stderr == ""
