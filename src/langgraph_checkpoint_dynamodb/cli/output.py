"""What a command writes: results to stdout, progress and errors to stderr.

With `--json`, a result is one line of JSON for each row. Else it is a table or text, in color on a
terminal unless `NO_COLOR` is set. Text from a table may hold control characters that a terminal
obeys, so they are escaped.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from ..serialization.plain_data import as_json

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters but tab and newline, and those that separate lines or change the direction."""

_WIDE = 1_000_000
"""The columns of a stdout that is no terminal: each row is one line, whatever `COLUMNS` says."""

Row = dict[str, Any]


class Output:
    """Where a command's results go.

    Args:
        as_lines: Whether results are lines of JSON.
    """

    def __init__(self, *, as_lines: bool) -> None:
        self.as_lines = as_lines
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console = Console(highlight=False, width=_WIDE)
        self.progress = Console(stderr=True, highlight=False)

    def line(self, row: Row) -> None:
        """Write a row as a line of JSON."""
        sys.stdout.write(json.dumps(as_json(row), ensure_ascii=False, allow_nan=False) + "\n")

    def text(self, text: str = "", style: str | None = None) -> None:
        """Write a line of text."""
        self.console.print(printable(text), style=style, markup=False, soft_wrap=True)

    def note(self, text: str, style: str = "dim") -> None:
        """Write a line for the person at the terminal, to stderr."""
        self.progress.print(printable(text), style=style, markup=False, soft_wrap=True)

    def rows(self, rows: Iterable[Row], columns: Sequence[str]) -> None:
        """Write rows: some columns of them as a table, or whole as lines."""
        if self.as_lines:
            for row in rows:
                self.line(row)
            return
        texts = [{name: in_line(cell(row.get(name))) for name in columns} for row in rows]
        if not texts:
            return
        shown = _that_fit(texts, columns, self.console.width)
        unbroken = _NUMBERS | (_WHOLE if shown else set())
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in shown or columns:
            table.add_column(
                name.replace("_", " "),
                justify="right" if name in _NUMBERS else "left",
                overflow="fold",
                no_wrap=name in unbroken,
            )
        for text in texts:
            table.add_row(*(escape(text[name]) for name in shown or columns))
        self._print(table)
        if shown and len(shown) < len(columns):
            absent = ", ".join(name for name in columns if name not in shown)
            self.note(f"not shown in {self.console.width} columns: {absent}; --json has all")

    def _print(self, table: Table) -> None:
        """Print a table; without the spaces after the last column if nobody sees the columns."""
        if self.console.is_terminal:
            self.console.print(table)
            return
        with self.console.capture() as captured:
            self.console.print(table)
        lines = captured.get().rstrip("\n").split("\n")
        sys.stdout.writelines(f"{line.rstrip()}\n" for line in lines)

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Say on a terminal that something takes a while."""
        with self.progress.status(what):
            yield

    def each(self, values: Sequence[Any], what: str) -> Iterator[Any]:
        """The values, with a bar on a terminal."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        shown = self.progress.is_terminal and len(values) > 1
        with Progress(
            *columns, console=self.progress, transient=True, disable=not shown
        ) as progress:
            yield from progress.track(values, description=what)


_NUMBERS = frozenset(
    {"step", "items", "bytes", "chunks", "checkpoints", "writes", "inline", "own", "shared"}
    | {"write_units", "read_units", "usd_month", "usd_written", "threads"}
)


_WHOLE = frozenset(
    {"made", "last_activity", "status", "thread_id", "checkpoint_id", "interrupt_id", "task_id"}
)
"""Columns whose text is not broken, so that it can be copied."""

_LEFT_OUT = ("source", "next", "read_units", "usd_written", "step")
"""Columns that a narrow terminal does not show, in this order."""

_NARROWEST = 5
"""The width to which a column that may be broken is reduced."""


def _that_fit(rows: Sequence[dict[str, str]], columns: Sequence[str], width: int) -> list[str]:
    """The columns for which there is room beside unbroken ids; none if ids have no room."""
    room = {}
    for name in columns:
        room[name] = max(len(name), *(cell_len(row[name]) for row in rows))
        if name not in _NUMBERS | _WHOLE:
            room[name] = min(room[name], _NARROWEST)
    for count in range(len(_LEFT_OUT) + 1):
        shown = [name for name in columns if name not in _LEFT_OUT[:count]]
        if sum(room[name] + 2 for name in shown) - 2 <= width:
            return shown
    return []


def printable(text: str) -> str:
    """Text without control characters: each is shown as Python writes it."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def in_line(text: str) -> str:
    """Text that stays on its line: also tab and newline are shown as Python writes them."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def cell(value: Any) -> str:
    """A value in a table."""
    match value:
        case None:
            return ""
        case str():
            return value
        case float():
            return f"{value:.9f}".rstrip("0").rstrip(".")
        case int():
            return f"{value:,}" if not isinstance(value, bool) else str(value).lower()
        case list() if all(isinstance(one, str) for one in value):
            return ", ".join(value)
    return json.dumps(as_json(value), ensure_ascii=False)
