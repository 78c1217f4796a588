"""`migrate`: threads of another DynamoDB saver's table."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Annotated

import typer

from ..config import source_table
from ..config.saver_config import DynamoDBConfig
from ..config.source_table import SourceTable
from ..errors import ConfigurationError, TableNotFoundError
from ..migration.report import MigrationReport
from ..runtime.plural import counted
from ..saver.saver import DynamoDBSaver
from .connection import FAILED, Connection, NotFoundError, command
from .options import DryRun, OwnerKey, once
from .reading import copying_serde
from .wording import in_options

app = typer.Typer()


class Layout(str, Enum):
    """Who wrote the source."""

    AWS = source_table.AWS
    DYNAMODB_CHECKPOINT = source_table.DYNAMODB_CHECKPOINT
    RELEASE_0_1_3 = source_table.RELEASE_0_1_3


SourceName = Annotated[str, typer.Argument(metavar="SOURCE", help="The table to copy from.")]
LayoutName = Annotated[
    Layout, typer.Option(help="Who wrote SOURCE; 0.1.3 is that release of this package's name.")
]
ThreadIds = Annotated[
    list[str] | None,
    typer.Option(callback=once, help="Only this thread. Can be repeated; all threads if left out."),
]
Bucket = Annotated[
    str | None, typer.Option(help="The bucket of its s3_offload_config, if it had one.")
]
KeyPrefix = Annotated[str | None, typer.Option(help="The key_prefix of its s3_offload_config.")]
TtlAttribute = Annotated[
    str | None, typer.Option(help="Its attribute with the expiry of items, if renamed.")
]
TtlSeconds = Annotated[
    int | None,
    typer.Option(min=1, help="When copies expire: as in your savers; never if left out."),
]


@app.command()
@command
def migrate(
    connection: Connection,
    source: SourceName,
    layout: LayoutName,
    thread: ThreadIds = None,
    bucket: Bucket = None,
    key_prefix: KeyPrefix = None,
    source_ttl_attribute: TtlAttribute = None,
    ttl_seconds: TtlSeconds = None,
    owner_key: OwnerKey = None,
    dry_run: DryRun = False,
) -> None:
    """Copy the threads of another DynamoDB saver into the table.

    SOURCE is read only. What is there already is kept, so the command can be repeated: after an
    interruption, or to copy what SOURCE got since. Values are copied as they are stored, without
    the classes of your graph. Exits with 1 if a thread failed, with 3 if SOURCE has none, or not
    one of those named.

    Examples:
        langgraph-dynamodb migrate old --layout langgraph-checkpoint-aws --table chats --dry-run

        langgraph-dynamodb migrate old --layout 0.1.3 --table chats
    """
    try:
        found = SourceTable(
            layout=layout.value,
            table_name=source,
            bucket=bucket,
            key_prefix=key_prefix,
            ttl_attribute=source_ttl_attribute,
        )
    except ConfigurationError as error:
        raise ConfigurationError(str(error).replace("table_name=", "SOURCE ", 1)) from None
    with _target(connection.config, ttl_seconds, owner_key) as saver:
        report = _copy(connection, saver, found, thread, dry_run=dry_run)
    _print(connection, report, dry_run=dry_run)
    if report.failures:
        raise typer.Exit(FAILED)
    if report.missing or not report.threads:
        which = f"no thread {', '.join(map(repr, report.missing))}".rstrip()
        raise NotFoundError(
            f"table {source!r} has {which} in the layout {layout.value}: check SOURCE, --layout "
            "and the ids"
        )


def _copy(
    connection: Connection,
    saver: DynamoDBSaver,
    source: SourceTable,
    threads: list[str] | None,
    *,
    dry_run: bool,
) -> MigrationReport:
    with connection.output.progress.status("copying") as status:
        try:
            return saver.migrate(
                source,
                threads or None,
                dry_run=dry_run,
                progress=lambda part: status.update(f"copied {counted(part.threads, 'thread')}"),
            )
        except TableNotFoundError as error:  # the target exists: its configuration was read
            raise NotFoundError(
                f"there is no table {source.table_name!r} to copy from: check SOURCE, the Region "
                "and the account"
            ) from error


def _target(
    config: DynamoDBConfig, ttl_seconds: int | None, owner_key: str | None
) -> DynamoDBSaver:
    """A saver that stores copies as the graph's savers would."""
    table = config.table_config
    if ttl_seconds is not None and not table.enable_ttl:
        raise ConfigurationError(
            f"--ttl-seconds {ttl_seconds}: TTL of table {table.table_name!r} is off; switch it on, "
            "or leave the option out"
        )
    changed = replace(
        config, table_config=replace(table, ttl_seconds=ttl_seconds), thread_owner=owner_key
    )
    return DynamoDBSaver(changed, serde=copying_serde())


def _print(connection: Connection, report: MigrationReport, *, dry_run: bool) -> None:
    out = connection.output
    if not connection.json:
        out.text(in_options(str(report)))
        if dry_run:
            out.note("dry run: nothing was copied")
        return
    for loss in report.losses:
        out.line({"loss": loss.kind.value, "thread_id": loss.thread_id, "count": loss.count})
    for failure in report.failures:
        out.line({"failure": in_options(failure.error), "thread_id": failure.thread_id})
    counts = ("threads", "checkpoints", "writes", "present", "missing")
    out.line({**{name: getattr(report, name) for name in counts}, "dry_run": dry_run})
