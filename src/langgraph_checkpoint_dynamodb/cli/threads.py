"""`threads show`, `history`, `diff` and `messages`: a look inside one thread."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

import typer
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple

from ..checkpoints.task_paths import task_paths
from ..runtime.context import ThreadNamespace
from ..saver.saver import DynamoDBSaver
from ..serialization.plain_data import as_json
from . import delta, thread_view
from .connection import Connection, NotFoundError
from .output import Row, in_line

_SHOWN = 300  # characters of a value on a terminal
_COUNTERS = "counters_since_delta_snapshot"
_DELTA = "(a delta channel: only its writes are stored; see `threads messages --channel`)"

ThreadId = Annotated[str, typer.Argument(metavar="THREAD", help="The thread's id.")]
Namespace = Annotated[
    str, typer.Option("--ns", help="The namespace of a subgraph; the root graph's if left out.")
]
CheckpointId = Annotated[
    str | None, typer.Option("--checkpoint", help="A checkpoint's id; the newest if left out.")
]


def read(
    saver: DynamoDBSaver, thread_id: str, ns: str, checkpoint_id: str | None
) -> CheckpointTuple:
    """A checkpoint.

    Raises:
        NotFoundError: There is none.
    """
    found = saver.get_tuple(_config(thread_id, ns, checkpoint_id))
    if found is None:
        raise _missing(saver, thread_id, ns, checkpoint_id)
    return found


def _missing(
    saver: DynamoDBSaver, thread_id: str, ns: str | None, checkpoint_id: str | None
) -> NotFoundError:
    what = f"thread {thread_id!r} has no checkpoint"
    what += f" {checkpoint_id!r}" if checkpoint_id else ""
    what += f" in namespace {ns!r}" if ns else ""
    table = saver.config.table_config.table_name
    return NotFoundError(
        f"{what} in table {table!r}: check the id and the table, or list what there is with "
        "`langgraph-dynamodb threads ls` and `threads history THREAD`"
    )


def _config(thread_id: str, ns: str | None, checkpoint_id: str | None) -> RunnableConfig:
    names = {"thread_id": thread_id, "checkpoint_ns": ns, "checkpoint_id": checkpoint_id}
    return {"configurable": {name: value for name, value in names.items() if value is not None}}


def show(
    connection: Connection,
    thread_id: ThreadId,
    checkpoint: CheckpointId = None,
    ns: Namespace = "",
) -> None:
    """Show a thread's state: its values, what it waits for, and how to continue it.

    Nothing that the table names is imported or run: an object is shown as the name of its class
    and its data.

    Examples:
        langgraph-dynamodb threads show ada --table chats

        langgraph-dynamodb threads show ada --table chats --json | jq .values
    """
    found = read(connection.saver, thread_id, ns, checkpoint)
    row = _state(connection.saver, found)
    if connection.json:
        connection.output.line(row)
        return
    _print_state(connection, row)


def _state(saver: DynamoDBSaver, found: CheckpointTuple) -> Row:
    """A checkpoint with its values, its pending writes and what it waits for."""
    configurable = found.config["configurable"]
    paths: dict[str, str] = {}
    if found.pending_writes:
        place = ThreadNamespace(configurable["thread_id"], configurable["checkpoint_ns"])
        checkpoint_id = configurable["checkpoint_id"]
        paths = saver._call("task_paths", task_paths, place, checkpoint_id)
    waiting = thread_view.interrupts(found, paths)
    values = found.checkpoint["channel_values"]
    counters: Any = found.metadata.get(_COUNTERS)
    return {
        "thread_id": configurable["thread_id"],
        **thread_view.summary(found),
        "values": values,
        "not_stored": [name for name in counters if name not in values]
        if isinstance(counters, dict)
        else [],
        "metadata": found.metadata,
        "writes": [
            {
                "task_id": task,
                "node": thread_view.node_of(paths.get(task)),
                "channel": name,
                "value": one,
            }
            for task, name, one in found.pending_writes or ()
        ],
        "interrupts": waiting,
        "errors": thread_view.errors(found, paths),
        "continue": thread_view.way_on(found, waiting),
    }


def _print_state(connection: Connection, row: Row) -> None:
    out = connection.output
    for name in ("thread_id", "checkpoint_ns", "checkpoint_id", "made", "step", "source", "status"):
        if row[name] not in ("", None):
            out.text(f"{name.replace('_', ' '):<14}{in_line(str(row[name]))}")
    if row["next"]:
        out.text(f"{'next':<14}{in_line(', '.join(row['next']))}")
    out.text()
    values = [
        {"channel": name, "value": shortened(value)}
        for name, value in row["values"].items()
        if not thread_view.is_internal(name)
    ]
    values += [{"channel": name, "value": _DELTA} for name in row["not_stored"]]
    out.rows(values, ("channel", "value"))
    for title, rows, columns in (
        ("waits for an answer to", row["interrupts"], ("node", "interrupt_id", "value")),
        ("failed", row["errors"], ("node", "task_id", "error")),
    ):
        if rows:
            out.text(f"\n{title}", "bold")
            out.rows(rows, columns)
    if row["continue"]:
        out.text("\nto continue, in a program with this graph", "bold")
        out.text(f"  {row['continue']}")


def shortened(value: Any) -> str:
    """A value as a line of JSON that fits on a screen."""
    text = json.dumps(as_json(value), ensure_ascii=False)
    return (
        text
        if len(text) <= _SHOWN
        else f"{text[:_SHOWN]}… ({len(text):,} characters; --json writes all)"
    )


def history(
    connection: Connection,
    thread_id: ThreadId,
    ns: Annotated[
        str | None, typer.Option("--ns", help="A namespace; all of them if left out.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many checkpoints, newest first.")] = 20,
    before: Annotated[
        str | None, typer.Option(help="Only checkpoints before this checkpoint's id.")
    ] = None,
) -> None:
    """List a thread's checkpoints, newest first.

    Examples:
        langgraph-dynamodb threads history ada --table chats

        langgraph-dynamodb threads history ada --table chats --limit 5 --json
    """
    saver, older_than = connection.saver, None
    if before is not None:
        older_than = _config(thread_id, None, before)
        if next(iter(saver.list(_config(thread_id, ns, before), limit=1)), None) is None:
            raise _missing(saver, thread_id, ns, before)
    found = saver.list(_config(thread_id, ns, None), before=older_than, limit=limit)
    rows = list(map(thread_view.summary, found))
    if not rows and before is None:
        raise _missing(saver, thread_id, ns, None)
    if not rows:
        connection.output.note(f"there is no checkpoint before {before!r}: it is the first")
    columns = ("made", "step", "source", "status", "next", "checkpoint_id", "checkpoint_ns")
    shown = columns if any(row["checkpoint_ns"] for row in rows) else columns[:-1]
    connection.output.rows(rows, shown)


def diff(
    connection: Connection,
    thread_id: ThreadId,
    first: Annotated[
        str | None,
        typer.Argument(metavar="FROM", help="A checkpoint's id; TO's parent if left out."),
    ] = None,
    second: Annotated[
        str | None, typer.Argument(metavar="TO", help="A checkpoint's id; the newest if left out.")
    ] = None,
    ns: Namespace = "",
) -> None:
    """Compare two checkpoints of a thread, channel by channel.

    Examples:
        langgraph-dynamodb threads diff ada --table chats

        langgraph-dynamodb threads diff ada FROM_ID TO_ID --table chats
    """
    saver = connection.saver
    newer = read(saver, thread_id, ns, second)
    parent = (newer.parent_config or {}).get("configurable", {}).get("checkpoint_id")
    first = first or parent
    older = None if first is None else read(saver, thread_id, ns, first)
    rows = _changes(older, newer)
    if connection.json:
        for row in rows:
            connection.output.line(row)
        return
    connection.output.text(f"--- {first or 'nothing: TO has no parent'}")
    connection.output.text(f"+++ {newer.config['configurable']['checkpoint_id']}")
    for row in rows:
        connection.output.text(f"{row['channel']} ({row['change']})", "bold")
        for line in _difference(row):
            connection.output.text(f"  {line}", {"+": "green", "-": "red"}.get(line[0]))


def _changes(older: CheckpointTuple | None, newer: CheckpointTuple) -> list[Row]:
    before = older.checkpoint["channel_values"] if older else {}
    after = newer.checkpoint["channel_values"]
    rows = []
    for channel in sorted(before.keys() | after.keys()):
        row: Row = {"channel": channel, "change": "changed"}
        if channel not in before:
            row["change"] = "added"
        elif channel not in after:
            row["change"] = "removed"
        elif as_json(before[channel]) == as_json(after[channel]):
            continue
        rows.append({**row, "from": before.get(channel), "to": after.get(channel)})
    return [row for row in rows if not thread_view.is_internal(row["channel"])]


def _difference(row: Row) -> Iterator[str]:
    """The lines that differ, of both values as indented JSON."""
    before = [] if row["change"] == "added" else _pretty(row["from"])
    after = [] if row["change"] == "removed" else _pretty(row["to"])
    return islice(difflib.unified_diff(before, after, lineterm="", n=1), 2, None)


def _pretty(value: Any) -> list[str]:
    return json.dumps(as_json(value), ensure_ascii=False, indent=1).splitlines()


def messages(
    connection: Connection,
    thread_id: ThreadId,
    channel: Annotated[str, typer.Option(help="The channel with the messages.")] = "messages",
    checkpoint: CheckpointId = None,
    ns: Namespace = "",
    last: Annotated[int | None, typer.Option(min=1, help="Only the last messages.")] = None,
) -> None:
    """Print a thread's conversation.

    Examples:
        langgraph-dynamodb threads messages ada --table chats

        langgraph-dynamodb threads messages ada --table chats --last 2 --json
    """
    saver = connection.saver
    found = delta.list_of(saver, read(saver, thread_id, ns, checkpoint), channel)
    rows = thread_view.messages(found[-last:] if last else found)
    for row in rows:
        if connection.json:
            connection.output.line(row)
            continue
        content = row["content"]
        text = content if isinstance(content, str) else json.dumps(as_json(content))
        connection.output.text(f"{row['role'] or 'data'}:", "bold")
        connection.output.text(f"  {text}")
        if row.get("tool_calls"):
            connection.output.text(f"  calls {shortened(row['tool_calls'])}")
