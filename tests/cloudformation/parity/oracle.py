"""CloudFormation's part in the comparison: an engine that is not ours resolves the template."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import tool

Parameters = dict[str, str]
Resources = dict[str, dict[str, Any]]

TEMPLATE_FILE = Path(__file__).parents[3] / "template.yaml"
REGION = "eu-central-1"

_SCRIPT = Path(__file__).with_name("resolve_with_ministack.py")


@dataclass(frozen=True)
class Answer:
    """The resources that a stack would make, in order, or why it would not."""

    resources: Resources | None = None
    refused: str | None = None


class Oracle:
    """One process of ministack's environment, which answers line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def resolve(
        self, parameter_sets: Sequence[Parameters], template: str | None = None
    ) -> list[Answer]:
        """Resolve the shipped template, or another, once for each parameter set."""
        assert self._process.stdin
        assert self._process.stdout
        text = TEMPLATE_FILE.read_text(encoding="utf-8") if template is None else template
        request = json.dumps({"template": text, "parameters": parameter_sets})
        print(request, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        assert line, "the oracle has ended; its standard error says why"
        return [Answer(**answer) for answer in json.loads(line)]


@contextmanager
def run_oracle() -> Iterator[Oracle]:
    python = tool("ministack", "python")
    with subprocess.Popen(
        [python, "-I", _SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Oracle(process)
        finally:
            process.kill()
