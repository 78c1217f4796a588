"""The pictures of the comparison: figures by turn, as SVG.

python benchmarks/pictures.py benchmarks/results/compare.json DIRECTORY
"""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from cells import is_stopped, time_limit
from chart import FAILED, STOPPED, Chart, Line, draw

LABELS = {
    "ours": "this project",
    "aws": "aws",
    "aws-gzip": "aws, compressed",
    "amazon-0.1.3": "amazon 0.1.3",
    "dynamodb-checkpoint": "dynamodb-checkpoint",
    "sqlite": "SQLite (a file)",
    "null": "null saver: requests alone",
    "floor": "floor: the least",
}
SMOOTHED = 10
CHAT = "chat-1000"
TALK = "Chat, 200 bytes in and 800 out a turn, measured at every turn"
OF_X = "turn of the chat"

Results = Mapping[str, Any]
Run = Mapping[str, Any]


def smooth(values: Sequence[float], width: int = SMOOTHED) -> list[tuple[float, float]]:
    """Points from turn 1: the mean of the last turns up to each."""
    return [(turn, mean(values[max(0, turn - width) : turn])) for turn in range(1, len(values) + 1)]


def lines_of(
    runs: Sequence[Run],
    points: Callable[[Run], Sequence[tuple[float, float]]],
    turns: Sequence[int] = (),
) -> list[Line]:
    """A line for each run that has points; its label says how it ended.

    `turns` are those that were measured, if not all were.
    """
    found = []
    for run in runs:
        drawn = points(run)
        if drawn:
            how, label, last = ending(run), LABELS[run["saver"]], int(drawn[-1][0])
            if how is not None:
                later = [turn for turn in turns if turn > last]
                when = f"before turn {later[0]:,}" if later else f"at turn {last + 1:,}"
                label += f": {'fails' if how == FAILED else 'stopped'} {when}"
            found.append(Line(run["saver"], label, drawn, how))
    return found


def ending(run: Run) -> str | None:
    """Whether a run failed, or was stopped by the benchmark's time limit."""
    if not run["error"]:
        return None
    return STOPPED if is_stopped(run["error"]) else FAILED


def notes(runs: Sequence[Run], lines: Sequence[Line]) -> list[str]:
    """What the marks at the ends of lines mean."""
    ends = {line.end for line in lines}
    found = []
    if FAILED in ends:
        found.append("✕ an error of the saver: its item is larger than DynamoDB's 400 KB.")
    if STOPPED in ends:
        limits = {seconds for run in runs if (seconds := time_limit(run["error"] or ""))}
        told = " or ".join(f"{limit:,} s" for limit in sorted(limits))
        found.append(f"◯ the benchmark's time limit of {told}, the same for all: not a failure.")
    return found


def chats(results: Results, measure: str) -> list[Run]:
    return [
        run for run in results["runs"] if run["workload"] == CHAT and run["series"].get(measure)
    ]


def write_units(results: Results) -> Chart | None:
    runs = chats(results, "write_units")
    lines = lines_of(runs, lambda run: smooth(run["series"]["write_units"]))
    if not lines:
        return None
    own = next(line.points for line in lines if line.name == "ours")
    first = own[min(SMOOTHED, len(own)) - 1]
    average = mean(next(run for run in runs if run["saver"] == "ours")["series"]["write_units"])
    floor = floor_by_turn(runs)
    if floor:
        lines.append(Line("floor", LABELS["floor"], smooth(floor)))
    return Chart(
        f"This project takes {first[1]:.1f} write units for turn {first[0]:,}, "
        f"{own[-1][1]:.1f} for turn {own[-1][0]:,}, {average:.1f} on average",
        f"{TALK}; the line is the mean of the last {SMOOTHED} turns",
        OF_X,
        "write units a turn (logarithmic)",
        lines,
        notes=notes(runs, lines),
    )


def stored(results: Results) -> Chart | None:
    runs = chats(results, "stored_bytes")
    lines = lines_of(
        runs, lambda run: [*enumerate(map(float, run["series"]["stored_bytes"]), start=1)]
    )
    if not lines:
        return None
    own = next(line.points for line in lines if line.name == "ours")
    turn, total = own[-1]
    others = [line.points for line in lines if line.name != "ours"]
    soon = ""
    if others and all(points[-1][1] > total for points in others):
        reached = max(sum(y <= total for _, y in points) for points in others) + 1
        soon = f"; every other saver has stored as much by turn {reached:,}"
    return Chart(
        f"{turn:,} turns take {size(total)}{soon}",
        f"{TALK}; DynamoDB Local's size of the table, for SQLite that of the file",
        OF_X,
        "bytes stored after the turn (logarithmic)",
        lines,
        show=size,
        notes=notes(runs, lines),
    )


def latency(results: Results, durability: str = "sync", delay: int = 10) -> Chart | None:
    """How long a turn takes, at the turns that were timed."""
    runs = [run for run in results["runs"] if run["workload"] == "latency"]
    pattern = re.compile(rf"turn_(\d+)_{durability}_{delay}ms")

    def timed(found: Mapping[str, Any]) -> list[tuple[int, Any]]:
        matches = ((pattern.fullmatch(name), value) for name, value in found.items())
        return sorted((int(match[1]), value) for match, value in matches if match)

    turns = sorted({turn for run in runs for turn, _ in timed(run["measures"])})
    measured = [run for run in runs if timed(run["measures"])]
    ended = lines_of(measured, lambda run: timed(run["measures"]), turns)
    lines = []
    for line, run in zip(ended, measured, strict=True):
        bars = [(turn, min(each), max(each)) for turn, each in timed(run.get("samples", {}))]
        kept = [bar for bar in bars if bar[0] in dict(line.points)]
        lines.append(Line(line.name, line.label, line.points, line.end, kept))
    by_name = {line.name: dict(line.points) for line in lines}
    if not {"ours", "null"} <= by_name.keys():
        return None
    ratios = [by_name["ours"][turn] / least for turn, least in by_name["null"].items()]
    rounds = {len(each) for run in runs for _, each in timed(run.get("samples", {}))}
    often = f"{max(rounds)} rounds" if rounds else "several rounds"
    return Chart(
        f"A turn takes {min(ratios):.2f} to {max(ratios):.2f} times as long as its requests alone",
        f"{delay} ms a request, durability={durability!r}; dots are medians of {often}, "
        "bars the fastest and the slowest",
        OF_X,
        "milliseconds a turn (logarithmic)",
        lines,
        notes=notes(runs, lines),
    )


def floor_by_turn(runs: Sequence[Run]) -> list[float]:
    """The floor of each turn, at the compression of the whole run."""
    for run in runs:
        if "floor_write_units" in run["measures"]:
            shrunk = run["measures"]["new_compressed"] / run["measures"]["new_bytes"] / 1024
            pairs = zip(run["series"]["durable_calls"], run["series"]["new_bytes"], strict=True)
            return [calls + new * shrunk for calls, new in pairs]
    return []


def size(value: float) -> str:
    for unit, many in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= many:
            return f"{value / many:,.3g} {unit}"
    return f"{value:,.3g} B"


def of_results(results: Results) -> dict[str, str]:
    """The pictures of a run, by the names of their files."""
    charts = {
        "write-units": write_units(results),
        "stored": stored(results),
        "latency": latency(results),
    }
    return {name: draw(chart) for name, chart in charts.items() if chart}


if __name__ == "__main__":
    for name, picture in of_results(json.loads(Path(sys.argv[1]).read_text())).items():
        (Path(sys.argv[2]) / f"{name}.svg").write_text(picture)
