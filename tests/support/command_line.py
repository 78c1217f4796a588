"""Runs `langgraph-dynamodb` in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from clients import REGION
from langgraph_checkpoint_dynamodb.cli.main import app

_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
_UNSET = dict.fromkeys(
    (
        *("AWS_PROFILE", "AWS_DEFAULT_REGION", "FORCE_COLOR", "LANGGRAPH_AES_KEY"),
        *("LANGGRAPH_DYNAMODB_TABLE", "LANGGRAPH_DYNAMODB_STACK"),
    )
)


@dataclass
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[Any]:
        """The lines of JSON on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def table(self) -> list[list[str]]:
        """The words of each line on stdout."""
        return [line.split() for line in self.out.splitlines()]


class CommandLine:
    """Runs commands on an endpoint and a table, with `COLUMNS` so wide that nothing is folded."""

    def __init__(self, endpoint_url: str, table: str | None = None) -> None:
        self._environment = {
            **_UNSET,
            **_KEYS,
            "LANGGRAPH_DYNAMODB_REGION": REGION,
            "LANGGRAPH_DYNAMODB_ENDPOINT_URL": endpoint_url,
            "LANGGRAPH_DYNAMODB_TABLE": table,
            "COLUMNS": "200",
        }

    def run(self, *arguments: str, stdin: str | None = None, **environment: str | None) -> Done:
        found = CliRunner().invoke(
            app, arguments, input=stdin, env={**self._environment, **environment}
        )
        # An error that is no exit code would be a traceback to the user.
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return Done(found.exit_code, found.stdout, found.stderr)
