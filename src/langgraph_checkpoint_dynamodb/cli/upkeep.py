"""`verify` and `cost`: what threads have, and whether it is whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from ..directory.entries import UNREADABLE
from ..maintenance.prices import ON_DEMAND
from ..maintenance.storage_report import StorageKind, StorageReport, StoredItems
from .connection import FAILED, FINDINGS, NOT_FOUND, Connection, NotFoundError, command
from .directory import NO_THREADS, chosen
from .options import Owner, ThreadIds, ids
from .output import Row
from .wording import in_options

app = typer.Typer()

_READ_UNIT_BYTES = 4096
_PRICES = (
    f"US$ at list prices of {ON_DEMAND.region} on {ON_DEMAND.date}, on demand, without indexes and "
    f"backups: {ON_DEMAND.source}"
)

_COUNTS = ("threads", "checkpoints", "writes", "chunks", "young", "expiring", "under_way")


@app.command()
@command
def verify(
    connection: Connection,
    thread_ids: Annotated[
        list[str] | None, ids("Ids of threads; the whole table if left out.")
    ] = None,
) -> None:
    """Check every byte of threads, or of the table, and list the problems. Changes nothing.

    Exits with 4 if there are problems, else with 3 if a thread does not exist. Values are read as
    data, so it does not find a value whose class a graph can no longer import.

    Examples:
        langgraph-dynamodb verify --table chats

        langgraph-dynamodb verify ada --table chats
    """
    saver, out = connection.saver, connection.output
    if thread_ids:
        reports = [saver.verify(one) for one in out.each(thread_ids, "verifying")]
    else:
        with out.busy("verifying the table"):
            reports = [saver.verify()]
    report = sum(reports[1:], reports[0])
    for problem in report.problems if connection.json else ():
        out.line(
            {
                "kind": problem.kind.value,
                "thread_id": problem.thread_id,
                "checkpoint_ns": problem.checkpoint_ns,
                "checkpoint_id": problem.checkpoint_id,
                "detail": in_options(problem.detail),
            }
        )
    if connection.json:
        out.line({name: getattr(report, name) for name in _COUNTS} | {"missing": report.missing})
    else:
        out.text(in_options(str(report)))
    if not report.ok:
        raise typer.Exit(FINDINGS if report.problems else NOT_FOUND)


@app.command()
@command
def cost(
    connection: Connection,
    thread_ids: ThreadIds = None,
    owner: Owner = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every thread of the table, by a scan.")
    ] = False,
) -> None:
    """Price threads: what they store, a month of it, and what writing it took.

    `write units` are those of writing each stored item once, which deleting takes, too;
    `read units` are those of reading all of it once. Reads each thread whole, for so many units.
    Prices are list prices of one Region: see the last line.

    Examples:
        langgraph-dynamodb cost ada --table chats

        langgraph-dynamodb cost --owner ada --table chats --json
    """
    saver, out = connection.saver, connection.output
    names = chosen(saver, thread_ids or (), owner, everything=everything)
    rows, absent, unread = [], [], 0
    for name in out.each(names, "reading"):
        try:
            report = saver.storage(name)
        except UNREADABLE as error:  # one thread must not hide the prices of the others
            out.note(f"Error: {in_options(str(error))}", "red")
            unread += 1
            continue
        if not report.total.items:
            absent.append(name)
            continue
        rows.append(priced(name, report.total))
        if connection.json:
            out.line({**rows[-1], **details(report)})
    if rows and not connection.json:
        _print_costs(connection, rows, report if len(names) == 1 else None)
    if not names:
        out.note(NO_THREADS)
    if absent and thread_ids:
        raise NotFoundError(
            f"nothing is stored of {', '.join(map(repr, absent))}: check the id and the table"
        )
    if unread:
        raise typer.Exit(FAILED)


def priced(name: str, stored: StoredItems) -> Row:
    """What stored items cost, in US$."""
    read_units = -(-stored.bytes // _READ_UNIT_BYTES)
    return {
        "thread_id": name,
        "items": stored.items,
        "bytes": stored.bytes,
        "write_units": stored.write_units,
        "read_units": read_units,
        "usd_written": ON_DEMAND.units(stored.write_units, 0),
        "usd_month": ON_DEMAND.storage_month(stored.bytes, stored.items),
    }


def details(report: StorageReport) -> Row:
    """A storage report by kind and by channel."""
    return {
        "kinds": {kind.value: counts(found) for kind, found in report.kinds.items()},
        "channels": {
            name: {
                "inline": channel.inline,
                "own": counts(channel.own),
                "shared": counts(channel.shared),
            }
            for name, channel in report.channels.items()
        },
        "headers": report.headers.bytes,
        "unreferenced": counts(report.unreferenced),
    }


def counts(found: StoredItems) -> Row:
    """Items, bytes and write units."""
    return {"items": found.items, "bytes": found.bytes, "write_units": found.write_units}


def _print_costs(connection: Connection, rows: Sequence[Row], only: StorageReport | None) -> None:
    names = ("items", "bytes", "write_units", "read_units", "usd_written", "usd_month")
    total = {"thread_id": "total", **{name: sum(row[name] for row in rows) for name in names}}
    connection.output.rows([*rows, *([total] if len(rows) > 1 else [])], ("thread_id", *names))
    if only is not None:
        _print_parts(connection, only)
    connection.output.text(f"\n{_PRICES}", "dim")


def _print_parts(connection: Connection, report: StorageReport) -> None:
    """What one thread has, by kind and by channel."""
    out = connection.output
    kinds = [{"kind": kind.value, **counts(found)} for kind, found in report.kinds.items()]
    out.text()
    out.rows([row for row in kinds if row["items"]], ("kind", "items", "bytes", "write_units"))
    out.text()
    out.rows(_channels(report), ("channel", "bytes", "inline", "own", "shared"))


def _channels(report: StorageReport) -> list[Row]:
    """Bytes by channel, the largest first, and of what belongs to none."""
    found = sorted(report.channels.items(), key=lambda one: -one[1].bytes)
    rows = [
        {
            "channel": name,
            "bytes": channel.bytes,
            "inline": channel.inline,
            "own": channel.own.bytes,
            "shared": channel.shared.bytes,
        }
        for name, channel in [*found, ("(keys, metadata, versions)", report.headers)]
    ]
    for name, size in (
        ("(chunks that nothing refers to)", report.unreferenced.bytes),
        ("(other items)", report.kinds[StorageKind.OTHER].bytes),
    ):
        rows += [{"channel": name, "bytes": size}] if size else []
    return rows
