"""Options and arguments that several commands have."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def of_connection(text: str, variable: str | None = None, *, hidden: bool = False) -> Any:
    """An option of how a table is reached."""
    return typer.Option(help=text, envvar=variable, hidden=hidden, rich_help_panel="Connection")


def once(values: list[str] | None) -> list[str] | None:
    """The ids that were given, each once and in their order."""
    return values and list(dict.fromkeys(values))


def ids(text: str) -> Any:
    """An argument of any number of thread ids."""
    return typer.Argument(metavar="THREAD", callback=once, help=text)


ThreadIds = Annotated[list[str] | None, ids("Ids of threads.")]
Owner = Annotated[
    str | None,
    typer.Option(help="The threads of this owner, by the index; exits with 3 if there are none."),
]
OwnerKey = Annotated[
    str | None,
    typer.Option(help="Your savers' thread_owner: the key of the metadata that names the owner."),
]
Json = Annotated[bool, typer.Option("--json", help="Write one line of JSON for each result.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")]
