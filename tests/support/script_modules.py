"""The scripts of `scripts/`, as modules."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

_SCRIPTS = Path(__file__).parents[2] / "scripts"


def load_script(name: str) -> Any:
    """A script of that name, loaded but not run."""
    spec = importlib.util.spec_from_file_location(name, _SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
