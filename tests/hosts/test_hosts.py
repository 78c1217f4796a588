"""Real hosts of a checkpointer; each directory's tests run in an environment of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import tool

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the hosts need Python 3.11")
@pytest.mark.parametrize(
    ("environment", "directory"), [("langgraph-api", "langgraph_api"), ("hosts", "agents")]
)
def test_a_host(environment: str, directory: str, endpoint_url: str) -> None:
    done = subprocess.run(
        [tool(environment, "python"), "-m", "pytest", f"tests/hosts/{directory}"],
        cwd=ROOT,
        env={**os.environ, "DYNAMODB_ENDPOINT": endpoint_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
