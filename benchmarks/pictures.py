"""Line charts as SVG, of the figures by turn.

python benchmarks/pictures.py benchmarks/results/compare.json DIRECTORY

Text and lines are of a middle grey and of colours that are legible on white and on black,
because a README is read on both, and the background is left to the page.
"""

import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 910, 440
LEFT, RIGHT, TOP, BOTTOM = 76, 300, 46, 50
INK = "#7d8590"
COLOURS = {
    "ours": "#2f9e44",
    "aws": "#e8590c",
    "aws-gzip": "#d19a00",
    "amazon-0.1.3": "#c2559d",
    "dynamodb-checkpoint": "#4c8bf5",
    "sqlite": "#12a5a5",
    "null": INK,
    "floor": INK,
}
LABELS = {
    "ours": "this project",
    "aws": "aws",
    "aws-gzip": "aws, gzip",
    "amazon-0.1.3": "amazon 0.1.3",
    "dynamodb-checkpoint": "dynamodb-checkpoint",
    "sqlite": "SQLite (a file)",
    "null": "null saver",
    "floor": "floor",
}
DASHED = ("floor", "null", "amazon-0.1.3")  # the last one often lies on another line
SMOOTHED = 10
LABEL_GAP = 17

Points = Sequence[tuple[float, float]]


def lines(
    title: str,
    series: Mapping[str, Points],
    labels: Mapping[str, str],
    of_x: str = "turn",
    ended: Mapping[str, str] | None = None,
    show: Callable[[float], str] = lambda value: f"{value:,.0f}",
) -> str:
    """A chart with a logarithmic y axis. `ended` names the lines that end in a failure."""
    ended = ended or {}
    drawn = {name: points for name, points in series.items() if points}
    ys = [y for points in drawn.values() for _, y in points if y > 0]
    low, high = 10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys)))
    high = max(high, low * 10)
    last = max(x for points in drawn.values() for x, _ in points)

    def across(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * x / last

    def down(y: float) -> float:
        part = math.log(max(y, low) / low) / math.log(high / low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part

    body = [*_frame(title, of_x, low, high, last, across, down, show)]
    ends = []
    for name, points in drawn.items():
        path = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if name in DASHED else ""
        width = 3 if name == "ours" else 1.8
        body.append(
            f'<polyline points="{path}" fill="none" stroke="{COLOURS[name]}"'
            f' stroke-width="{width}" stroke-linejoin="round"{dash}/>'
        )
        x, y = across(points[-1][0]), down(points[-1][1])
        if name in ended:
            body.append(
                f'<path d="M{x - 5:.1f},{y - 5:.1f}l10,10m0,-10l-10,10" stroke="{COLOURS[name]}"'
                ' stroke-width="2.4" fill="none"/>'
            )
        ends.append((y, name))
    body += _legend(ends, labels, ended)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
            f' width="{WIDTH}" height="{HEIGHT}" role="img" font-size="13"'
            ' font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif">',
            f"<title>{escape(title)}</title>",
            *body,
            "</svg>\n",
        ]
    )


def _text(x: float, y: float, text: str, anchor: str = "start", more: str = "") -> str:
    fill = "" if "fill=" in more else f' fill="{INK}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{fill}{more}>{escape(text)}</text>'


def _frame(
    title: str,
    of_x: str,
    low: float,
    high: float,
    last: float,
    across: Callable[[float], float],
    down: Callable[[float], float],
    show: Callable[[float], str],
) -> Iterator[str]:
    yield _text(LEFT, 24, title, more=' font-size="16" font-weight="600"')
    value = low
    while value <= high * 1.001:
        y = down(value)
        yield (
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{INK}"'
            ' stroke-opacity="0.35"/>'
        )
        yield _text(LEFT - 8, y + 4, show(value), "end")
        value *= 10
    step = next(
        size * 10**power
        for power in range(9)
        for size in (1, 2, 5)
        if last / (size * 10**power) <= 6
    )
    for x in range(0, int(last) + 1, step):
        yield _text(across(x), HEIGHT - BOTTOM + 20, f"{x:,}", "middle")
    yield _text(across(last / 2), HEIGHT - 8, of_x, "middle")


def _legend(
    ends: Sequence[tuple[float, str]], labels: Mapping[str, str], ended: Mapping[str, str]
) -> Iterator[str]:
    """Names beside the ends of their lines, moved apart."""
    free = TOP
    for y, name in sorted(ends):
        place = max(y + 4, free)
        told = f"{labels[name]}: {ended[name]}" if name in ended else labels[name]
        more = f' fill="{COLOURS[name]}"' + (' font-weight="700"' if name == "ours" else "")
        yield _text(WIDTH - RIGHT + 10, place, told, more=more)
        free = place + LABEL_GAP


def smooth(values: Sequence[float], width: int = SMOOTHED) -> list[tuple[float, float]]:
    """Points from turn 1: the mean of the last turns up to each."""
    return [(turn, mean(values[max(0, turn - width) : turn])) for turn in range(1, len(values) + 1)]


def by_turn(
    results: Mapping[str, Any],
    workload: str,
    measure: str,
    title: str,
    smoothed: bool = False,
    show: Callable[[float], str] = lambda value: f"{value:,.0f}",
) -> str | None:
    """A picture of one measure by turn, of all savers; `None` where no saver was run."""
    runs = [
        run for run in results["runs"] if run["workload"] == workload and run["series"].get(measure)
    ]
    if not runs:
        return None
    series: dict[str, Points] = {}
    for run in runs:
        values = run["series"][measure]
        series[run["saver"]] = smooth(values) if smoothed else list(enumerate(values, start=1))
    if measure == "write_units" and (least := floor_by_turn(runs)):
        series["floor"] = smooth(least)
    ended = {run["saver"]: failure(run) for run in runs if run["error"]}
    return lines(title, series, LABELS, ended=ended, show=show)


def failure(run: Mapping[str, Any]) -> str:
    turn = max(map(len, run["series"].values())) + 1
    if run["error"].startswith("no end"):
        return f"stopped at turn {turn}"
    return f"fails at turn {turn}"


def floor_by_turn(runs: Sequence[Mapping[str, Any]]) -> list[float]:
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
            return f"{value / many:,.4g} {unit}"
    return f"{value:,.4g} B"


def latency_by_turn(
    results: Mapping[str, Any], durability: str = "sync", delay: int = 10
) -> str | None:
    """How long a turn takes, at the turns that were timed."""
    runs = [run for run in results["runs"] if run["workload"] == "latency"]
    series: dict[str, Points] = {}
    for run in runs:
        found = (
            (re.fullmatch(rf"turn_(\d+)_{durability}_{delay}ms", name), value)
            for name, value in run["measures"].items()
        )
        series[run["saver"]] = [(int(match[1]), value) for match, value in found if match]
    if not any(series.values()):
        return None
    ended = {run["saver"]: "no longer threads" for run in runs if run["error"]}
    title = f"Milliseconds a turn, {delay} ms a request, durability={durability!r}"
    return lines(title, series, LABELS, ended=ended)


def of_results(results: Mapping[str, Any]) -> dict[str, str]:
    """The pictures of a run, by the names of their files."""
    found = {
        "write-units": by_turn(
            results,
            "chat-1000",
            "write_units",
            "Write units of a turn, chat of 1,000 turns",
            smoothed=True,
        ),
        "stored": by_turn(
            results,
            "chat-1000",
            "stored_bytes",
            "Bytes stored after a turn, chat of 1,000 turns",
            show=size,
        ),
        "latency": latency_by_turn(results),
    }
    return {name: picture for name, picture in found.items() if picture}


if __name__ == "__main__":
    for name, picture in of_results(json.loads(Path(sys.argv[1]).read_text())).items():
        (Path(sys.argv[2]) / f"{name}.svg").write_text(picture)
