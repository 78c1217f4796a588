"""`template`, `plan`, `deploy` and `destroy`: the table itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from types import NoneType
from typing import Annotated, Any, get_args, get_type_hints

import typer

from ..config.table_config import DynamoDBTableConfig
from ..errors import ConfigurationError
from ..infra.compare import Drift, Unknown
from ..infra.intrinsics import as_text
from ..infra.plan import Plan
from ..infra.template import SETTINGS, shipped_template, template_text
from ..saver.saver import DynamoDBSaver
from .connection import FINDINGS, NotFoundError, TableOptions, command, confirm
from .options import DryRun, Yes
from .output import Row
from .wording import PARAMETERS, in_options

app = typer.Typer()

_SWITCHES = {"true": True, "false": False}

Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        metavar="NAME=VALUE",
        help="A parameter that `template` describes, such as EnableTtl=true. Can be repeated.",
    ),
]


@app.command()
def template() -> None:
    r"""Print template.yaml, which defines the table, for CloudFormation.

    Examples:
        langgraph-dynamodb template > template.yaml

        aws cloudformation deploy --stack-name checkpoints \
        --template-file template.yaml --capabilities CAPABILITY_IAM
    """
    sys.stdout.write(template_text())


@app.command()
@command
def plan(connection: TableOptions, parameters: Parameters = None) -> None:
    """Compare a table with the template, setting by setting. Changes nothing.

    Parameters that are not passed have the template's defaults. Exits with 4 if the table is
    missing or differs.

    Examples:
        langgraph-dynamodb plan --table chats --parameter EnableTtl=true
    """
    with _saver(connection, parameters) as saver:
        found = saver.plan()
    _print(connection, found)
    if found.drift or found.calls:
        raise typer.Exit(FINDINGS)


@app.command()
@command
def deploy(
    connection: TableOptions, parameters: Parameters = None, dry_run: DryRun = False
) -> None:
    """Create the table from the template, and wait until it is active.

    Parameters that are not passed have the template's defaults. An existing table is not changed.
    With CloudFormation, deploy the template instead.

    Examples:
        langgraph-dynamodb deploy --table chats --parameter EnableTtl=true --dry-run

        langgraph-dynamodb deploy --table chats --parameter EnableTtl=true
    """
    with _saver(connection, parameters) as saver:
        is_new = not saver.plan().exists
        if not dry_run:
            with connection.output.busy("waiting for the table"):
                saver.setup()
        found = saver.plan()
    if dry_run or connection.json:
        _print(connection, found)
        return
    how = "was made" if is_new else "was there already"
    connection.output.text(f"table {found.table_name!r} {how} and can be used")
    for one in found.drift:
        connection.output.text(f"  differs, left as it is: {in_options(str(one))}")


@app.command()
@command
def destroy(
    connection: TableOptions,
    yes: Yes = False,
    dry_run: DryRun = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also a table that belongs to a CloudFormation stack.")
    ] = False,
) -> None:
    """Delete a table with everything in it. This cannot be undone.

    Asks first, unless --yes is passed. Exits with 3 if there is no such table.

    Examples:
        langgraph-dynamodb destroy --table chats --dry-run

        langgraph-dynamodb destroy --table chats
    """
    out = connection.output
    with _saver(connection, None) as saver:
        found = saver.plan()
        what = f"table {found.table_name!r}"
        if not found.exists:
            raise NotFoundError(f"there is no {what}: check the name, the Region and the account")
        what += f", which belongs to the stack {found.stack!r}" if found.stack else ""
        saver.destroy(force=force, dry_run=True)  # what is refused is not asked for
        if not dry_run:
            confirm(f"Delete {what} and every thread in it?", yes=yes)
            with out.busy("waiting until the table is deleted"):
                saver.destroy(force=force)
    if connection.json:
        out.line({"table": found.table_name, "stack": found.stack, "deleted": not dry_run})
    else:
        out.text(f"{'would delete' if dry_run else 'deleted'} {what}")


def _saver(connection: TableOptions, parameters: Sequence[str] | None) -> DynamoDBSaver:
    """A saver on a table that need not exist."""
    if connection.stack is not None:
        raise ConfigurationError(
            f"--stack {connection.stack}: CloudFormation changes a stack's table, and finds its "
            "drift (aws cloudformation detect-stack-drift); pass --table for this command"
        )
    table = DynamoDBTableConfig(table_name=connection.table_name, **settings_of(parameters or ()))
    return DynamoDBSaver(replace(connection.reach, table_config=table))


def _print(connection: TableOptions, found: Plan) -> None:
    if not connection.json:
        connection.output.text(in_options(str(found)))
        return
    row = {
        "table": found.table_name,
        "exists": found.exists,
        "stack": found.stack,
        "calls": [{"service": call.service, "method": call.method} for call in found.calls],
        "differences": [
            {**_named(one), "configured": _plain(one.configured), "found": _plain(one.found)}
            for one in found.drift
        ],
        "unknown": [{**_named(one), "reason": one.reason} for one in found.unknown],
    }
    connection.output.line(row)


def _named(one: Drift | Unknown) -> Row:
    return {"setting": PARAMETERS.get(one.setting, one.setting), "index": one.index}


def settings_of(parameters: Sequence[str]) -> dict[str, Any]:
    """Parameters of the template as settings of `DynamoDBTableConfig`.

    A parameter that is not given has the template's default, as in CloudFormation.

    Raises:
        ConfigurationError: A parameter is not `NAME=VALUE`, unknown, or of another type.
    """
    hints = get_type_hints(DynamoDBTableConfig)
    names = {parameter: hints[field] for parameter, field in SETTINGS.items()}
    del names["TableName"]
    values = {name: _default(name) for name in names}
    for parameter in parameters:
        name, separator, value = parameter.partition("=")
        if name == "TableName":
            raise ConfigurationError(f"--parameter {parameter}: use --table for the name")
        if not separator or name not in names:
            raise ConfigurationError(
                f"--parameter {parameter}: use NAME=VALUE with one of these names: "
                f"{', '.join(sorted(names))}"
            )
        values[name] = value
    return {SETTINGS[name]: _typed(name, value, names[name]) for name, value in values.items()}


def _default(name: str) -> str:
    return as_text(shipped_template()["Parameters"][name]["Default"])


def _typed(name: str, value: str, hint: Any) -> Any:
    if NoneType in get_args(hint) and value == _default(name):
        return None  # 0 or nothing in the template
    if hint is bool:
        if value.lower() not in _SWITCHES:
            raise ConfigurationError(f"--parameter {name}={value}: use true or false")
        return _SWITCHES[value.lower()]
    if hint in (int, int | None):
        if not value.isascii() or not value.isdigit():
            raise ConfigurationError(f"--parameter {name}={value}: use a whole number")
        return int(value)
    return value  # checked by the configuration


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
