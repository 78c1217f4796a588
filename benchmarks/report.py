"""Results as Markdown: absolute figures, and beside each its ratio to this project's.

python benchmarks/report.py benchmarks/results/compare.json
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from savers import SAVERS
from workloads import WORKLOADS, Workload

BASELINE = "ours"
NONE = "-"
LONGEST_ERROR = 160
TURNS_OF_MEAN = 10

Run = dict[str, Any]


def count(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def size(value: float) -> str:
    return f"{value / 1e6:,.1f} MB" if value >= 1e5 else f"{value / 1e3:,.1f} kB"


@dataclass(frozen=True)
class Column:
    title: str
    value: Callable[[Run], float | None]
    show: Callable[[float], str] = count
    partial: bool = False
    """Whether the figure of a run that failed later still compares."""


def measure(name: str, title: str, show: Callable[[float], str] = count) -> Column:
    return Column(title, lambda run: run["measures"].get(name), show)


def at_turn(turn: int) -> Column:
    """The mean of the last turns up to this one: a single turn may close a chunk or not."""

    def value(run: Run) -> float | None:
        units = run["series"].get("write_units", [])[:turn]
        return mean(units[-TURNS_OF_MEAN:]) if len(units) == turn else None

    title = f"write units a turn, {turn - TURNS_OF_MEAN + 1} to {turn}"
    return Column(title, value, partial=True)


MEASURES = (
    measure("requests", "requests"),
    measure("write_units", "write units"),
    measure("read_units", "read units"),
    measure("stored_bytes", "stored", size),
    measure("load_requests", "requests to load"),
    measure("load_read_units", "read units to load"),
)


def markdown(results: dict[str, Any]) -> str:
    runs = results["runs"]
    sections = [
        section(workload, [run for run in runs if run["workload"] == name])
        for name, workload in WORKLOADS.items()
    ]
    return "\n\n".join([*filter(None, sections), versions(runs)])


def section(workload: Workload, runs: list[Run]) -> str:
    """One table. Columns in which no run has more than 0 are left out."""
    if not runs:
        return ""
    baseline = next((run for run in runs if run["saver"] == BASELINE), None)
    columns = [
        column
        for column in (*MEASURES, *map(at_turn, workload.turns))
        if any(figure(run, column) for run in runs)
    ]
    header = ["", *(column.title for column in columns), "outcome"]
    rows = [
        [SAVERS[run["saver"]].title, *(cell(run, each, baseline) for each in columns), outcome(run)]
        for run in runs
    ]
    return "\n".join([f"### {workload.title}", "", *table(header, rows)])


def figure(run: Run, column: Column) -> float | None:
    return None if run["error"] and not column.partial else column.value(run)


def cell(run: Run, column: Column, baseline: Run | None) -> str:
    value = figure(run, column)
    if value is None:
        return NONE
    ours = figure(baseline, column) if baseline and baseline is not run else None
    return column.show(value) + (f" ({value / ours:,.1f}x)" if ours else "")


def outcome(run: Run) -> str:
    if run["error"]:
        when = len(run["series"].get("requests", []))
        turn = f" in turn {when + 1}" if when else ""
        return f"**failed**{turn}: {shortened(run['error'])}"
    return f"**wrong**: {run['wrong']}" if run["wrong"] else "correct"


def shortened(error: str) -> str:
    """The innermost cause, on one line that a table can hold."""
    line = " ".join(error.rsplit(" <- ", maxsplit=1)[-1].split()).replace("|", "\\|")
    return line if len(line) <= LONGEST_ERROR else line[:LONGEST_ERROR] + "…"


def table(header: list[str], rows: list[list[str]]) -> Iterator[str]:
    rule = ["---", *["---:"] * (len(header) - 2), "---"]
    for row in (header, rule, *rows):
        yield f"| {' | '.join(row)} |"


def versions(runs: Iterable[Run]) -> str:
    """What was compared, each saver once."""
    installed = {run["saver"]: run["versions"] for run in runs if run["versions"]}
    lines = [
        f"* {SAVERS[saver].title}: " + ", ".join(f"{name} {each}" for name, each in found.items())
        for saver, found in installed.items()
    ]
    return "\n".join(["### Versions", "", *lines])


if __name__ == "__main__":
    print(markdown(json.loads(Path(sys.argv[1]).read_text())))
