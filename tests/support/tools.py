"""Command-line tools that tests run, each from an environment of its own."""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def tool(environment: str, command: str) -> Path:
    """A command of the environment that the dependency group of the same name fills."""
    found = _ROOT / os.environ.get("TOOLS", ".venvs") / environment / "bin" / command
    if not found.exists():
        raise FileNotFoundError(f"{found} is missing: `make tools` installs it")
    return found
