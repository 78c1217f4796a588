"""The commands of `langgraph-dynamodb`, put together."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Annotated

import typer

from ..errors import DISTRIBUTION
from ..runtime.logs import LOG
from . import directory, doctor, migration, retention, tables, threads, upkeep
from .connection import command

_HELP = """Look after the LangGraph checkpoints in a DynamoDB table.

Each command has examples in its --help. Begin with

        langgraph-dynamodb doctor --table NAME

        langgraph-dynamodb threads ls --table NAME

        langgraph-dynamodb threads show THREAD --table NAME
"""

app = typer.Typer(
    name="langgraph-dynamodb",
    help=_HELP,
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 findings.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{DISTRIBUTION} {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version."),
    ] = False,
) -> None: ...


LOG.addHandler(
    logging.NullHandler()
)  # else Python writes warnings, which name arguments, to stderr

of_threads = typer.Typer(no_args_is_help=True)
for function in (
    *(directory.ls, threads.show, threads.history, threads.diff, threads.messages),
    *(retention.export, retention.rm, directory.index),
):
    of_threads.command()(command(function))
app.add_typer(of_threads, name="threads", help="List, inspect, export and delete threads.")
app.add_typer(upkeep.app)
app.add_typer(retention.app)
app.add_typer(doctor.app)
app.add_typer(migration.app)
app.add_typer(tables.app)
