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
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(
                column.replace("_", " "),
                justify="right" if column in _NUMBERS else "left",
                overflow="fold",
                no_wrap=column in _NUMBERS,
            )
        for row in rows:
            table.add_row(*(escape(in_line(cell(row.get(column)))) for column in columns))
        if table.row_count:
            self._print(table)

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
