"""Results as Markdown: absolute figures, and beside each its ratio to this project's.

python benchmarks/report.py benchmarks/results/compare.json
"""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import prices
import timing_report
from cells import is_stopped, reason, table
from savers import SAVERS
from workloads import COST, WORKLOADS, Workload

BASELINE = "ours"
NONE = "-"
TURNS_OF_MEAN = 10
METHODS = ("put", "put_writes", "get_tuple")

Run = dict[str, Any]


def count(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def size(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:,.1f} MB"
    return f"{value / 1e3:,.0f} kB" if value >= 1e4 else f"{value / 1e3:,.1f} kB"


def precise(value: float) -> str:
    return f"{value:,.2f}"


def dollars(value: float) -> str:
    return f"{value:,.4f}" if value < 0.1 else f"{value:,.2f}"


@dataclass(frozen=True)
class Column:
    title: str
    value: Callable[[Run], float | None]
    show: Callable[[float], str] = count
    partial: bool = False
    """Whether the figure of a run that failed later still compares."""
    compared: bool = True
    """Whether its ratio to this project's is shown."""


def measure(name: str, title: str, show: Callable[[float], str] = count) -> Column:
    return Column(title, lambda run: run["measures"].get(name), show)


def at_turn(turn: int) -> Column:
    """The mean of the last turns up to this one: a single turn may close a chunk or not."""

    def value(run: Run) -> float | None:
        units = run["series"].get("write_units", [])[:turn]
        return mean(units[-TURNS_OF_MEAN:]) if len(units) == turn else None

    title = f"write units a turn, {turn - TURNS_OF_MEAN + 1} to {turn}"
    return Column(title, value, partial=True)


def round_trips(method: str, of: str = "mean") -> Column:
    def value(run: Run) -> float | None:
        return run["rounds"].get(method, {}).get(of)

    return Column(f"round trips of {method}", value, precise, compared=False)


def price(title: str, prefix: str = "") -> Column:
    """US$ for 1,000 turns, in one process or (`cold_`) in a new one for each turn."""

    def value(run: Run) -> float | None:
        found = run["measures"]
        renewed = WORKLOADS[run["workload"]].arguments.get("renewed", False)
        if renewed and not prefix:
            return None
        of = "" if renewed else prefix  # then all that was measured is of new processes
        if f"{of}write_units" not in found or "turns" not in found:
            return None
        return prices.per_1000_turns(
            found[f"{of}write_units"], found[f"{of}read_units"], found["turns"]
        )

    return Column(title, value, dollars)


def to_floor(run: Run) -> float | None:
    found = run["measures"]
    if "write_units" not in found or "floor_write_units" not in found:
        return None
    return found["write_units"] / found["floor_write_units"]


def to_new(run: Run) -> float | None:
    """What is written beyond a unit a call, by what is new."""
    found = run["measures"]
    if not {"write_units", "durable_calls", "new_compressed"} <= found.keys():
        return None
    return (found["write_units"] - found["durable_calls"]) * 1024 / found["new_compressed"]


WARM_PRICE = price("US$, warm")
COLD_PRICE = price("US$, cold", "cold_")
FLOOR = Column("× floor", to_floor, precise, compared=False)

MEASURES = (
    measure("requests", "requests"),
    measure("write_units", "write units"),
    FLOOR,
    measure("read_units", "read units"),
    measure("stored_bytes", "stored", size),
    measure("stored_items", "items"),
    measure("warm_load_requests", "requests to load, warm"),
    measure("warm_load_read_units", "read units to load, warm"),
    measure("load_requests", "requests to load, cold"),
    measure("load_rounds", "round trips to load, cold"),
    measure("load_read_units", "read units to load, cold"),
    measure("list10_requests", "requests of list(limit=10)"),
    measure("list10_rounds", "its round trips"),
    measure("list10_read_units", "its read units"),
    measure("history_requests", "requests of the history"),
    measure("history_rounds", "its round trips"),
    measure("history_read_units", "its read units"),
    *map(round_trips, METHODS),
    WARM_PRICE,
    COLD_PRICE,
)
SUMMARY = (
    measure("durable_calls", "durable calls"),
    measure("new_compressed", "new, compressed", size),
    measure("floor_write_units", "floor"),
    measure("write_units", "write units"),
    FLOOR,
    Column("rest × new", to_new, precise),
    measure("resumes", "resumes"),
    measure("read_units", "read units"),
    measure("requests", "requests"),
    measure("stored_bytes", "stored", size),
    *(
        Column(f"{method}, {of}", round_trips(method, of).value, precise)
        for method in METHODS
        for of in ("mean", "max")
    ),
    measure("warm_load_requests", "load, warm: requests"),
    measure("warm_load_read_units", "read units"),
    measure("load_requests", "load, cold: requests"),
    measure("load_rounds", "round trips"),
    measure("load_read_units", "read units"),
    WARM_PRICE,
    COLD_PRICE,
)


def markdown(results: dict[str, Any]) -> str:
    runs = results["runs"]
    sections = [
        section(workload, [run for run in runs if run["workload"] == name])
        for name, workload in WORKLOADS.items()
        if workload.kind == COST
    ]
    timed = timing_report.sections(runs)
    told = filter(None, (summary(runs), *sections, *timed))
    return "\n\n".join([*told, versions(runs), priced()])


def summary(runs: Sequence[Run]) -> str:
    """This project alone: every workload beside its floor."""
    own = {run["workload"]: run for run in runs if run["saver"] == BASELINE}
    shown = [name for name, each in WORKLOADS.items() if name in own and each.scenario == "play"]
    if not shown:
        return ""
    rows = [
        [WORKLOADS[name].title, *(cell(own[name], each, None) for each in SUMMARY)]
        for name in shown
    ]
    header = ["", *(column.title for column in SUMMARY)]
    return "\n".join(["### This project and the floor", "", *table(header, rows, text_last=False)])


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
    ratio = f" ({value / ours:,.1f}×)" if ours and column.compared else ""
    return column.show(value) + ratio


def outcome(run: Run) -> str:
    if run["error"]:
        when = len(run["series"].get("durable_calls", []))
        turn = f" in turn {when + 1}" if when else ""
        how = "**stopped**" if is_stopped(run["error"]) else "**failed**"
        return f"{how}{turn}: {reason(run['error'])}"
    if run["wrong"]:
        return f"**wrong**: {run['wrong']}"
    return f"correct; cold: {run['cold_error']}" if run["cold_error"] else "correct"


def versions(runs: Iterable[Run]) -> str:
    """What was compared, each saver once."""
    installed = {run["saver"]: run["versions"] for run in runs if run["versions"]}
    lines = [
        f"* {SAVERS[saver].title}: " + ", ".join(f"{name} {each}" for name, each in found.items())
        for saver, found in installed.items()
    ]
    return "\n".join(["### Versions", "", *lines])


def priced() -> str:
    found = prices.as_json()
    return (
        f"US$ are for 1,000 turns, on demand in {found['region']} at the list prices of "
        f"{found['date']}: {found['million_write_units']} for a million write request units, "
        f"{found['million_read_units']} for a million read request units ({found['source']})."
    )


if __name__ == "__main__":
    print(markdown(json.loads(Path(sys.argv[1]).read_text())))
