"""`samconfig.toml`: what `sam deploy --config-env …` is told for each environment."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]


def read_toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


DEPLOYMENTS: dict[str, dict[str, Any]] = {
    name: commands["deploy"]["parameters"]
    for name, commands in read_toml(ROOT / "samconfig.toml").items()
    if isinstance(commands, dict) and "deploy" in commands
}


def template_parameters(environment: str) -> dict[str, str]:
    """The template parameters that an environment overrides."""
    lines = DEPLOYMENTS[environment]["parameter_overrides"]
    return dict("".join(shlex.split(line)).split("=", 1) for line in lines)
