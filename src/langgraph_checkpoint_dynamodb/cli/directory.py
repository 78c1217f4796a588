"""`threads ls` and `threads index`: which threads a table has."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated

import typer

from ..checkpoints.listing import ThreadScan
from ..config.source_table import layout_of, writer_of
from ..directory.listing import Thread, ThreadPage
from ..errors import ConfigurationError
from ..format import requests
from ..runtime.effects import Item
from ..runtime.plural import counted
from ..saver.saver import DynamoDBSaver
from .connection import Connection, NotFoundError
from .options import DryRun, OwnerKey
from .output import Row
from .reading import copying_serde
from .thread_view import in_utc
from .wording import copying, in_options

_PAGE = 100
"""Threads that are asked for at once, at most."""

_UNREADABLE = "(unreadable)"
"""In place of a title, such as an encrypted one without its key. `--json` says why."""

NO_THREADS = "the table has no threads"

_COLUMNS = ("last_activity", "status", "owner", "thread_id", "title")
_COLUMNS_OF_OWNER = ("last_activity", "status", "thread_id", "title")

ListedOwner = Annotated[
    str | None, typer.Option("--owner", help="An owner; the threads without one if left out.")
]
AllOwners = Annotated[
    bool, typer.Option("--all", help="Every thread of all owners, in no order, by the index.")
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="How many threads; 20, or with --all all of them.")
]
Cursor = Annotated[str | None, typer.Option(help="Continue a list: the cursor that it ended with.")]
OldestFirst = Annotated[bool, typer.Option("--oldest-first", help="Longest inactive first.")]
Scan = Annotated[
    bool,
    typer.Option("--scan", help="Read every key of the table: it needs no index, but units."),
]


def ls(
    connection: Connection,
    owner: ListedOwner = None,
    limit: Limit = None,
    cursor: Cursor = None,
    everything: AllOwners = False,
    oldest_first: OldestFirst = False,
    scan: Scan = False,
) -> None:
    """List threads by last activity, latest first: an owner's, those without one, or --all.

    A thread is interrupted if a task waits for an answer, in error if one failed, else idle.
    Pages are in order to the hour, as activity is written once an hour; the times shown are exact.
    Needs the table's index of threads (the parameter EnableThreadIndex). A table without it, or
    with threads from before it, is listed by --scan, which finds ids alone.

    Examples:
        langgraph-dynamodb threads ls --table chats --owner ada

        langgraph-dynamodb threads ls --table chats --all

        langgraph-dynamodb threads ls --table chats --scan
    """
    saver, out = connection.saver, connection.output
    if scan:
        if owner is not None or cursor is not None or everything or oldest_first or limit:
            raise ConfigurationError(
                "--scan lists the ids of all threads: pass it without --owner, --cursor, --all, "
                "--limit and --oldest-first"
            )
        _print_ids(connection)
        return
    if everything and (owner is not None or oldest_first):
        raise ConfigurationError(
            "--all lists the threads of all owners, in no order: pass it without --owner and "
            "--oldest-first"
        )
    check_index(saver)
    read = partial(saver.list_threads, owner, all_owners=everything, newest_first=not oldest_first)
    found, more = _first(math.inf if everything and limit is None else limit or 20, read, cursor)
    rows = [_row(thread, as_json=connection.json) for thread in found]
    out.rows(rows, _COLUMNS if everything else _COLUMNS_OF_OWNER)
    if more is not None:
        out.note(f"there are more: pass --cursor {more}")
    elif not found:
        out.note(_none_found(owner, everything=everything))
    if found and owner is None and not everything:
        out.note(
            "these have no owner: pass --owner for those of an owner, --all for those of all owners"
        )


def _print_ids(connection: Connection) -> None:
    """The ids of all threads, and how many items of other savers there are."""
    out, others = connection.output, Counter[str]()
    with out.busy("scanning"):
        rows = [{"thread_id": one} for one in scanned(connection.saver, others)]
    out.rows(rows, ("thread_id",))
    if not rows and not others:
        out.note(NO_THREADS)
    for layout, count in sorted(others.items()):
        command = copying(connection.config.table_config.table_name, layout)
        out.note(f"left out {counted(count, 'item')} of {writer_of(layout)}: copy with {command}")


def _first(
    most: float, read: Callable[..., ThreadPage], cursor: str | None
) -> tuple[list[Thread], str | None]:
    """The first threads of a list, and the cursor for those after them, if there are any."""
    found: list[Thread] = []
    while len(found) < most:
        page = read(limit=int(min(most - len(found), _PAGE)), cursor=cursor)
        found += page.threads
        cursor = page.cursor
        if cursor is None:
            break
    return found, cursor


def _none_found(owner: str | None, *, everything: bool) -> str:
    if everything:
        return "no threads are listed: --scan lists all ids"
    whose = "without an owner" if owner is None else f"of owner {owner!r}"
    return f"no threads {whose}: pass --owner for those of another, --all for those of all owners"


def chosen(
    saver: DynamoDBSaver, thread_ids: Sequence[str], owner: str | None, *, everything: bool
) -> list[str]:
    """The threads that a command is for: those named, an owner's, or all.

    Raises:
        ConfigurationError: None is chosen, or in more than one way.
        NotFoundError: No thread is listed for the owner.
    """
    if [bool(thread_ids), owner is not None, everything].count(True) != 1:
        raise ConfigurationError("pass ids of threads, or --owner, or --all: one of the three")
    if thread_ids:
        return list(thread_ids)
    if owner is None:
        return list(scanned(saver))
    check_owner(saver, owner)
    found, _ = _first(math.inf, partial(saver.list_threads, owner), None)
    return [thread.thread_id for thread in found]


def check_owner(saver: DynamoDBSaver, owner: str) -> None:
    """Check that an owner has threads: a mistyped one must not pass for one without data.

    Raises:
        ConfigurationError: The table has no index of threads.
        NotFoundError: No thread is listed for the owner.
    """
    check_index(saver)
    if not _first(1, partial(saver.list_threads, owner), None)[0]:
        raise NotFoundError(
            f"no thread is listed for owner {owner!r}: check the owner, or list what there is with "
            "`threads ls --scan`; `threads index` lists threads from before the index"
        )


def scanned(saver: DynamoDBSaver, others: Counter[str] | None = None) -> Iterator[str]:
    """The ids of all threads, by a scan of the keys.

    Args:
        saver: The saver.
        others: Counts the items of other savers, by their layout; without it, they are threads.
    """

    def is_of_another(item: Item) -> bool:
        layout = layout_of(item)
        if others is None or layout is None:
            return False
        others[layout] += 1
        return True

    threads = ThreadScan(requests.scan_keys, is_left_out=is_of_another)
    while (found := saver._run(threads.next(saver._context()))) is not None:
        yield found


def check_index(saver: DynamoDBSaver) -> None:
    """Check that the table has the index of threads.

    Raises:
        ConfigurationError: It has none.
    """
    table = saver.config.table_config
    if not table.enable_thread_index:
        raise ConfigurationError(
            f"table {table.table_name!r} has no index of threads: list its threads with `threads "
            "ls --scan`, or add the index (the template's EnableThreadIndex) and then run `threads "
            "index`"
        )


def index(connection: Connection, owner_key: OwnerKey = None, dry_run: DryRun = False) -> None:
    """List the threads that were stored before the index was added to the table.

    Reads every key of the table. Threads that are listed already are not changed, except that an
    owner is named for those without one. `verify` reports threads that are not listed.

    Examples:
        langgraph-dynamodb threads index --table chats --owner-key user_id --dry-run

        langgraph-dynamodb threads index --table chats --owner-key user_id
    """
    config = replace(connection.config, thread_owner=owner_key)
    with DynamoDBSaver(config, serde=copying_serde()) as saver:
        check_index(saver)
        with connection.output.busy("indexing"):
            changed = saver.index_threads(dry_run=dry_run)
    if connection.json:
        connection.output.line({"indexed": changed, "dry_run": dry_run})
    else:
        connection.output.text(
            f"{'would index' if dry_run else 'indexed'} {counted(changed, 'thread')}"
        )


def _row(thread: Thread, *, as_json: bool) -> Row:
    unreadable = thread.unreadable and in_options(thread.unreadable)
    return {
        "last_activity": in_utc(thread.last_activity),
        "status": thread.status.value,
        "owner": thread.owner,
        "thread_id": thread.thread_id,
        "title": _UNREADABLE if unreadable and not as_json else thread.title,
        "created": thread.created and in_utc(thread.created),
        "metadata": dict(thread.metadata),
        "unreadable": unreadable,
    }
