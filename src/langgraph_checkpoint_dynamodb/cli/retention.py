"""`prune`, `threads rm` and `threads export`: what is deleted of threads, and what is taken out."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from ..errors import ConfigurationError
from ..maintenance.export import ThreadLines
from ..maintenance.prune_threads import PruneReport, prune_thread
from ..runtime.plural import counted
from ..saver import arguments
from .connection import Connection, NotFoundError, command, confirm
from .directory import check_owner, chosen
from .options import DryRun, Owner, ThreadIds, Yes
from .threads import read
from .upkeep import counts

app = typer.Typer()

_DURATION = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

InactiveFor = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="With --owner or --all: threads inactive for 30d, 12h, … Up to an hour longer, as "
        "activity is written once an hour.",
    ),
]
AllOwners = Annotated[
    bool,
    typer.Option("--all", help="With --inactive-for: the threads of all owners, by the index."),
]
Delete = Annotated[
    bool, typer.Option("--delete", help="With --inactive-for: delete the threads themselves.")
]
KeepLast = Annotated[
    int | None,
    typer.Option(min=1, help="With THREAD: how many of the newest to keep; 1 if left out."),
]
OlderThan = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="With THREAD: keep checkpoints younger than 30d, 12h, …"),
]


@app.command()
@command
def prune(
    connection: Connection,
    thread_ids: ThreadIds = None,
    owner: Owner = None,
    everything: AllOwners = False,
    inactive_for: InactiveFor = None,
    delete: Delete = False,
    keep_last: KeepLast = None,
    older_than: OlderThan = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete old checkpoints of threads, or threads that are no longer used.

    The newest checkpoint of each thread is kept, unless --delete is passed. Says what it would
    delete and asks, unless --yes is passed. --owner and --all need the index of threads.

    Examples:
        langgraph-dynamodb prune ada --keep-last 10 --table chats --dry-run

        langgraph-dynamodb prune --all --inactive-for 90d --delete --table chats
    """
    if not thread_ids:
        age = _inactive(owner, everything, inactive_for, keep_last, older_than)
        if owner is not None:
            check_owner(connection.saver, owner)
        if age < timedelta(hours=1):
            connection.output.note(
                "activity is known to the hour: a thread may count as inactive an hour later"
            )
        run = partial(
            connection.saver.prune_threads,
            owner=owner,
            all_owners=everything,
            inactive_for=age,
            strategy="delete" if delete else "keep_latest",
        )
    elif owner is not None or everything or inactive_for is not None or delete:
        raise ConfigurationError(
            "with ids of threads, pass --keep-last or --older-than alone; `threads rm` deletes "
            "threads"
        )
    else:
        run = partial(_prune_each, connection, thread_ids, keep_last, older_than)
    _carry_out(connection, run, dry_run=dry_run, yes=yes)


def _carry_out(
    connection: Connection, run: Callable[..., PruneReport], *, dry_run: bool, yes: bool
) -> None:
    """Delete, after a look at what that is unless the answer is given."""
    out = connection.output
    if dry_run or not yes:
        with out.busy("reading"):
            planned = run(dry_run=True)
        if dry_run or not planned.threads:
            _print(connection, planned, deleted=False)
            return
        confirm(f"Delete {_words(planned)}?", yes=False)
    with out.busy("deleting"):
        report = run(dry_run=False)
    _print(connection, report, deleted=True)


def _inactive(
    owner: str | None,
    everything: bool,
    inactive_for: str | None,
    keep_last: int | None,
    older_than: str | None,
) -> timedelta:
    """For how long threads were inactive that are not named.

    Raises:
        ConfigurationError: It is missing, or the options are for other threads.
    """
    if (owner is not None) == everything:
        raise ConfigurationError("pass ids of threads, or --owner, or --all: one of the three")
    if keep_last is not None or older_than is not None:
        raise ConfigurationError(
            "--keep-last and --older-than are for named threads: pass --inactive-for, or ids"
        )
    if inactive_for is None:
        raise ConfigurationError("with --owner or --all, pass a time, such as --inactive-for 30d")
    return duration("--inactive-for", inactive_for)


def _prune_each(
    connection: Connection,
    thread_ids: Sequence[str],
    keep_last: int | None,
    older_than: str | None,
    *,
    dry_run: bool,
) -> PruneReport:
    saver, report = connection.saver, PruneReport()
    age = None if older_than is None else duration("--older-than", older_than)
    keep = arguments.keep("keep_latest", keep_last, age, saver.clock())
    for name in thread_ids:
        thread_id = arguments.thread_id(name)
        read(saver, thread_id, "", None)  # raises if there is no such thread
        report += saver._call("prune", prune_thread, thread_id, keep, dry_run=dry_run)
    return report


def duration(option: str, text: str) -> timedelta:
    """A time such as `30d`.

    Raises:
        ConfigurationError: It is none.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ConfigurationError(
            f"{option} {text!r}: pass a number and s, m, h, d or w, such as {option} 30d"
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _words(report: PruneReport) -> str:
    checkpoints = f"{report.checkpoints:,} checkpoint{'s' * (report.checkpoints != 1)}"
    return (
        f"{checkpoints} ({report.bytes:,} bytes) of {report.threads:,} "
        f"thread{'s' * (report.threads != 1)}"
    )


def _print(connection: Connection, report: PruneReport, *, deleted: bool) -> None:
    if not connection.json:
        connection.output.text(f"{'deleted' if deleted else 'would delete'} {_words(report)}")
        return
    row = {name: getattr(report, name) for name in ("threads", "checkpoints", "bytes")}
    connection.output.line({**row, "deleted": deleted})


def rm(
    connection: Connection,
    thread_ids: ThreadIds = None,
    owner: Owner = None,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Delete threads with everything in them. This cannot be undone.

    Asks first, unless --yes is passed. With --owner, it deletes all threads that are listed for an
    owner, and says where copies may still be that it cannot reach.

    Examples:
        langgraph-dynamodb threads rm ada --table chats --dry-run

        langgraph-dynamodb threads rm --owner user-7 --table chats
    """
    saver, out = connection.saver, connection.output
    _check_one_of(thread_ids, owner)
    names = chosen(saver, thread_ids or (), owner, everything=False)
    rows: list[Any] = [
        {"thread_id": one, **counts(saver.storage(one).total), "deleted": False}
        for one in out.each(names, "reading")
    ]
    absent = [row["thread_id"] for row in rows if not row["items"]]
    if owner is None and absent:
        raise NotFoundError(
            f"nothing is stored of {', '.join(map(repr, absent))}, and nothing was deleted: check "
            "the id and the table"
        )
    if not connection.json:
        out.rows(rows, ("thread_id", "items", "bytes", "write_units"))
    what = counted(len(rows), "thread") + ("" if owner is None else f" of owner {owner!r}")
    if not dry_run:
        confirm(f"Delete {what}?", yes=yes)
        _delete(connection, rows, owner)
    out.note(f"{'would delete' if dry_run else 'deleted'} {what}")
    if connection.json:
        out.rows(rows, ())


def _check_one_of(thread_ids: Sequence[str] | None, owner: str | None) -> None:
    if bool(thread_ids) == (owner is not None):
        raise ConfigurationError("pass ids of threads, or --owner: one of the two")


def _delete(connection: Connection, rows: Sequence[dict[str, Any]], owner: str | None) -> None:
    saver, out = connection.saver, connection.output
    if owner is None:
        for row in out.each(rows, "deleting"):
            saver.delete_thread(row["thread_id"])
    else:
        with out.busy("deleting"):
            report = saver.erase_owner(owner)
        for place in report.beyond_reach:
            out.note(f"not reached: {place}")
    for row in rows:
        row["deleted"] = True


def export(
    connection: Connection,
    thread_ids: ThreadIds = None,
    owner: Owner = None,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A new file; stdout if left out.")
    ] = None,
) -> None:
    """Write all that is stored of threads as lines of JSON: messages, checkpoints, writes.

    A message is written once, and a value once for each version. Objects are written as data.

    Examples:
        langgraph-dynamodb threads export ada --table chats > ada.jsonl

        langgraph-dynamodb threads export --owner user-7 --to user-7.jsonl --table chats
    """
    saver = connection.saver
    _check_one_of(thread_ids, owner)
    if owner is not None:
        check_owner(saver, owner)  # before a file is made
        written = saver.export_threads(owner, sys.stdout if to is None else to)
    else:
        with _opened(to) as file:
            written = sum(_export(connection, one, file) for one in thread_ids or ())
    connection.output.note(f"exported {counted(written, 'thread')}")
    if connection.json and to is not None:
        connection.output.line({"threads": written, "file": str(to)})


def _export(connection: Connection, thread_id: str, file: IO[str]) -> int:
    lines = ThreadLines(thread_id)
    read(connection.saver, thread_id, "", None)  # raises if there is no such thread
    for found in connection.saver.list({"configurable": {"thread_id": thread_id}}):
        file.writelines(f"{line}\n" for line in lines.of(found))
    return 1


@contextmanager
def _opened(to: Path | None) -> Iterator[IO[str]]:
    if to is None:
        yield sys.stdout
        return
    try:
        file = to.open("x", encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: of a path with a NUL or a surrogate
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"--to {str(to)!r}: {reason}; name a new file") from error
    try:
        with file:
            yield file
    except BaseException:  # also the end of the process by Ctrl-C
        to.unlink()
        raise
