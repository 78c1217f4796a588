"""The commands of `langgraph-dynamodb`, put together."""

from __future__ import annotations

import typer

from . import doctor, migration, tables, threads, upkeep
from .connection import command

app = typer.Typer(
    name="langgraph-dynamodb",
    help="Look after the LangGraph checkpoints in a DynamoDB table.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
threads.app.command("rm")(command(upkeep.rm))
app.add_typer(threads.app, name="threads", help="List, inspect, export and delete threads.")
app.add_typer(upkeep.app)
app.add_typer(doctor.app)
app.add_typer(migration.app)
app.add_typer(tables.app)
