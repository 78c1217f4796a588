"""The main figures of a comparison, for a terminal of 100 columns."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

import report
from cells import is_stopped, is_too_large, reason
from report import COLD_PRICE, WARM_PRICE, Column, Run, measure
from savers import SAVERS
from workloads import COST, WORKLOADS

WIDTH = 100
LONG = 12
OUTCOME = 7
COLUMNS = (
    measure("requests", "requests"),
    measure("write_units", "write units"),
    measure("read_units", "read units"),
    measure("stored_bytes", "stored", report.size),
    measure("history_requests", "requests to list"),
    WARM_PRICE,
    COLD_PRICE,
)


def tables(results: dict[str, Any]) -> RenderableType:
    """A table for each workload, with the columns in which a run has a figure."""
    return Group(*_tables(results["runs"]))


def _tables(runs: list[Run]) -> Iterator[RenderableType]:
    for name, workload in WORKLOADS.items():
        found = [run for run in runs if run["workload"] == name]
        if not found:
            continue
        columns = COLUMNS if workload.kind == COST else _timed(found)
        shown = [each for each in columns if any(report.figure(run, each) for run in found)]
        table = Table(
            box=box.SIMPLE_HEAD,
            title=workload.title,
            title_justify="left",
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        table.add_column("", no_wrap=True)
        for column in shown:
            table.add_column(column.title, justify="right", no_wrap=len(column.title) < LONG)
        table.add_column("outcome", min_width=OUTCOME)
        for run in found:
            cells = [report.cell(run, each, None) for each in shown]
            table.add_row(Text(run["saver"]), *cells, Text(_outcome(run)))
        yield table
    yield Text("US$ for 1,000 turns. Savers: " + ", ".join(_names(runs)))


def _names(runs: list[Run]) -> Iterator[str]:
    for name in dict.fromkeys(run["saver"] for run in runs):
        yield f"{name} = {SAVERS[name].title}"


def _timed(runs: list[Run]) -> list[Column]:
    """The first figures of a timed workload; compare.md has all."""
    names = dict.fromkeys(name for run in runs for name in run["measures"])
    first = [name for name in names if "cpu" not in name][:4]
    return [replace(measure(name, name.replace("_", " ")), partial=True) for name in first]


def _outcome(run: Run) -> str:
    """What became of a run, in a few words."""
    if not run["error"]:
        return run["wrong"] or "correct"
    turn = len(run["series"].get("durable_calls", []))
    when = f" at turn {turn + 1}" if turn else ""
    if is_stopped(run["error"]):
        return f"time limit{when}"
    why = f": {reason(run['error'])}" if is_too_large(run["error"]) else ""
    return f"fails{when}{why}"
