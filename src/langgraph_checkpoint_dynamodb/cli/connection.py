"""The options that every command on a table has, and the saver that they name."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from ..config.saver_config import DynamoDBConfig
from ..config.table_config import DynamoDBTableConfig
from ..drivers.sessions import profile_session
from ..drivers.sync import SyncDriver
from ..errors import (
    AccessDeniedError,
    CallerError,
    ConfigurationError,
    DynamoDBSaverError,
    StackError,
    TableNotFoundError,
)
from ..infra.describe import existing_table
from ..saver.saver import DynamoDBSaver
from ..server import ENDPOINT_URL, REGION, STACK, TABLE
from .output import Output
from .reading import reading_serde

P = ParamSpec("P")

OK, FAILED, USAGE, NOT_FOUND, FINDINGS = range(5)
"""The exit codes; `docs/cli.md` describes them."""

_PANEL = "Connection"

Table = Annotated[
    str | None,
    typer.Option(help="The table's name.", envvar=TABLE, rich_help_panel=_PANEL),
]
Stack = Annotated[
    str | None,
    typer.Option(
        help="The CloudFormation stack of the table, in place of --table.",
        envvar=STACK,
        rich_help_panel=_PANEL,
    ),
]
Region = Annotated[
    str | None, typer.Option(help="The AWS Region.", envvar=REGION, rich_help_panel=_PANEL)
]
Profile = Annotated[
    str | None,
    typer.Option(help="A profile of your AWS configuration.", rich_help_panel=_PANEL),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option(
        help="Another endpoint than AWS's, such as DynamoDB Local's.",
        envvar=ENDPOINT_URL,
        rich_help_panel=_PANEL,
    ),
]
TtlAttribute = Annotated[
    str | None,
    typer.Option(
        help="The attribute with the expiry of items, if TTL is off now.",
        rich_help_panel=_PANEL,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write one line of JSON for each result.")]


def once(values: list[str] | None) -> list[str] | None:
    """The ids that were given, each once and in their order."""
    return values and list(dict.fromkeys(values))


class NotFoundError(DynamoDBSaverError):
    """The thread or checkpoint that a command names does not exist."""


@dataclass(frozen=True)
class Connection:
    """The options of a command, and what is made of them."""

    table: Table = None
    stack: Stack = None
    region: Region = None
    profile: Profile = None
    endpoint_url: EndpointUrl = None
    ttl_attribute: TtlAttribute = None
    json: Json = False

    @cached_property
    def output(self) -> Output:
        """Where results go."""
        return Output(as_lines=self.json)

    @cached_property
    def reach(self) -> DynamoDBConfig:
        """How to reach AWS, without a table."""
        session = profile_session(self.profile) if self.profile is not None else None
        return DynamoDBConfig(
            region_name=self.region, endpoint_url=self.endpoint_url, session=session
        )

    @cached_property
    def config(self) -> DynamoDBConfig:
        """The configuration with the table that exists.

        Raises:
            ConfigurationError: Not one of table and stack is named.
            TableNotFoundError: There is no such table.
        """
        if self.stack is not None:
            if self.table is not None:
                raise ConfigurationError("--table and --stack: the stack names its table; use one")
            with DynamoDBSaver.from_stack(self.stack, config=self.reach) as saver:
                return saver.config
        return replace(self.reach, table_config=self._existing(self.table_name))

    @property
    def table_name(self) -> str:
        """The name of the table.

        Raises:
            ConfigurationError: There is none.
        """
        if self.table is None:
            raise ConfigurationError(
                f"no table: pass --table NAME or --stack NAME, or set {TABLE} or {STACK}"
            )
        return self.table

    @cached_property
    def saver(self) -> DynamoDBSaver:
        """A saver that reads values as data."""
        return DynamoDBSaver(self.config, serde=reading_serde())

    def close(self) -> None:
        """Close the saver, if a command has used it."""
        if "saver" in vars(self):
            self.saver.close()

    def _existing(self, name: str) -> DynamoDBTableConfig:
        DynamoDBTableConfig(table_name=name)  # raises if it is no table's name
        driver = SyncDriver(replace(self.reach, table_config=DynamoDBTableConfig(table_name=name)))
        try:
            return driver.run(existing_table(name, self.ttl_attribute))
        except AccessDeniedError as error:
            raise AccessDeniedError(
                f"{error}. Or pass --stack, which needs cloudformation:DescribeStacks instead"
            ) from None
        finally:
            driver.close()


Command = Callable[Concatenate[Connection, P], None]


def command(function: Command[P]) -> Callable[..., None]:
    """Give a function the options of `Connection`, and its errors exit codes."""
    shared = inspect.signature(Connection, eval_str=True).parameters
    _, *own = inspect.signature(function, eval_str=True).parameters.values()

    @wraps(function)
    def run(**values: Any) -> None:
        connection = Connection(**{name: values.pop(name) for name in shared})
        try:
            exit_on_error(lambda: function(connection, **values))  # type: ignore[call-arg]
        finally:
            connection.close()

    parameters = [*own, *shared.values()]
    keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    run.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in keywords}
    return run


def exit_on_error(function: Callable[[], None]) -> None:
    """Call a function; an error of this package becomes a line on stderr and an exit code."""
    try:
        function()
    except DynamoDBSaverError as error:
        Output(as_lines=False).note(f"Error: {error}", "red")
        raise typer.Exit(_code_of(error)) from None


def _code_of(error: DynamoDBSaverError) -> int:
    if isinstance(error, CallerError):
        return USAGE
    missing = (NotFoundError, TableNotFoundError, StackError)
    return NOT_FOUND if isinstance(error, missing) else FAILED


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is deleted.

    Raises:
        ConfigurationError: Nobody can be asked, and `--yes` was not passed.
    """
    if yes:
        return
    if not has_terminal():
        raise ConfigurationError(f"{question} Pass --yes: there is no terminal to ask on")
    typer.confirm(question, abort=True, err=True)


def has_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()
