"""The module's command, as a user of pip runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "langgraph_checkpoint_dynamodb", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_prints_the_packaged_template() -> None:
    done = run("template")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (ROOT / "template.yaml").read_text(encoding="utf-8")


def test_another_command_is_refused_with_usage() -> None:
    done = run("templates")
    assert done.returncode == 2
    assert "choose from 'template'" in done.stderr or "choose from template" in done.stderr
    assert "print template.yaml" in run("--help").stdout
