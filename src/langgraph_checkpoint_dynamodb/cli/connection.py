"""The options that every command on a table has, and the saver that they name."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from typing import Annotated, Any, ClassVar, Concatenate, ParamSpec, TypeVar

import typer

from ..config.saver_config import DynamoDBConfig
from ..config.table_config import DynamoDBTableConfig, check_table_name, region_of_arn
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
from .options import Json, of_connection
from .output import Output
from .reading import reading_serde
from .wording import in_options

P = ParamSpec("P")

OK, FAILED, USAGE, NOT_FOUND, FINDINGS = range(5)
"""The exit codes; `docs/cli.md` describes them."""


class NotFoundError(DynamoDBSaverError):
    """The thread or checkpoint that a command names does not exist."""


@dataclass(frozen=True)
class TableOptions:
    """The options of a command on a table that may not exist, and what is made of them."""

    table: Annotated[str | None, of_connection("The table's name.", TABLE)] = None
    stack: Annotated[str | None, of_connection("Refused: see `tables`.", hidden=True)] = None
    region: Annotated[str | None, of_connection("The AWS Region.", REGION)] = None
    profile: Annotated[str | None, of_connection("A profile of your AWS configuration.")] = None
    endpoint_url: Annotated[
        str | None,
        of_connection("Another endpoint than AWS's, such as DynamoDB Local's.", ENDPOINT_URL),
    ] = None
    json: Json = False

    WAYS: ClassVar[str] = f"pass --table NAME, or set {TABLE}"

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

    @property
    def table_name(self) -> str:
        """The name of the table.

        Raises:
            ConfigurationError: There is none, it is an ARN, or no table has such a name.
        """
        if self.table is None:
            raise ConfigurationError(f"no table: {self.WAYS}")
        if region_of_arn(self.table) is not None:
            raise ConfigurationError(
                f"--table {self.table}: pass the table's name, with credentials of its account: "
                "commands describe its TTL, which DynamoDB does not do for another account"
            )
        check_table_name(self.table)
        return self.table


@dataclass(frozen=True)
class Connection(TableOptions):
    """The options of a command on a table that exists."""

    stack: Annotated[
        str | None,
        of_connection("The CloudFormation stack of the table, in place of --table.", STACK),
    ] = None
    ttl_attribute: Annotated[
        str | None, of_connection("The attribute with the expiry of items, if TTL is off now.")
    ] = None

    WAYS: ClassVar[str] = f"pass --table NAME or --stack NAME, or set {TABLE} or {STACK}"

    @cached_property
    def config(self) -> DynamoDBConfig:
        """The configuration with the table that exists.

        Raises:
            ConfigurationError: Not one of table and stack is named.
            TableNotFoundError: There is no such table.
        """
        self.check_choice()
        if self.stack is not None:
            with DynamoDBSaver.from_stack(self.stack, config=self.reach) as saver:
                return saver.config
        return replace(self.reach, table_config=self._existing(self.table_name))

    @cached_property
    def saver(self) -> DynamoDBSaver:
        """A saver that reads values as data."""
        return DynamoDBSaver(self.config, serde=reading_serde())

    def check_choice(self) -> None:
        """Check that the table or its stack is named.

        Raises:
            ConfigurationError: Not one of the two is.
        """
        if self.stack is None:
            _ = self.table_name
        elif self.table is not None:
            raise ConfigurationError(
                f"--table (or {TABLE}) and --stack (or {STACK}): the stack names its table; use one"
            )

    def _existing(self, name: str) -> DynamoDBTableConfig:
        driver = SyncDriver(replace(self.reach, table_config=DynamoDBTableConfig(table_name=name)))
        try:
            return driver.run(existing_table(name, self.ttl_attribute))
        except AccessDeniedError as error:
            if error.code is None:  # no credentials: nothing was sent
                raise
            raise AccessDeniedError(
                f"{error}. Or pass --stack, which needs cloudformation:DescribeStacks instead"
            ) from None
        finally:
            driver.close()


Options = TypeVar("Options", bound=TableOptions)

_ONE_OF = {"table", "stack"}
"""Options that exclude each other."""


def command(function: Callable[Concatenate[Options, P], None]) -> Callable[..., None]:
    """Give a function the options of its first parameter's class, and its errors exit codes."""
    first, *own = inspect.signature(function, eval_str=True).parameters.values()
    shared = inspect.signature(first.annotation, eval_str=True).parameters

    @wraps(function)
    def run(context: typer.Context, **values: Any) -> None:
        sources = {name: context.get_parameter_source(name) for name in _ONE_OF}
        passed = {name for name, found in sources.items() if found and found.name == "COMMANDLINE"}
        if passed:  # an option is stronger than a variable
            values |= dict.fromkeys(_ONE_OF - passed)
        connection = first.annotation(**{name: values.pop(name) for name in shared})
        try:
            exit_on_error(lambda: function(connection, **values))  # type: ignore[call-arg]
        finally:
            if "saver" in vars(connection):
                connection.saver.close()

    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [context, *own, *shared.values()]
    keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    run.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
    # A terminal's width fills the lines of a paragraph; those of examples are indented.
    run.__doc__ = re.sub(r"(?<=\S)\n(?=\S)", " ", inspect.cleandoc(function.__doc__ or ""))
    run.__annotations__ = {one.name: one.annotation for one in keywords}
    return run


def exit_on_error(function: Callable[[], None]) -> None:
    """Call a function; an error of this package becomes a line on stderr and an exit code."""
    try:
        function()
    except DynamoDBSaverError as error:
        Output(as_lines=False).note(f"Error: {in_options(str(error))}", "red")
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
