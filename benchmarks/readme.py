"""The figures of the README, from the results of the benchmark.

python benchmarks/readme.py            check that the README has them
python benchmarks/readme.py --write    write them into it
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import prices
from cells import is_too_large, table
from report import Run, at_turn, count, size
from savers import SAVERS

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results" / "compare.json"

CHAT, NEW_PROCESS, HISTORY, LONG, LARGE = (
    "chat-100",
    "new-process-100",
    "history-100",
    "chat-300",
    "value-1.5MB",
)
OURS = "ours"
RIVALS = {
    "aws": "langgraph-checkpoint-aws",
    "aws-gzip": "the same, compressed",
    "amazon-0.1.3": "langgraph-checkpoint-amazon-dynamodb",
    "dynamodb-checkpoint": "langgraph-dynamodb-checkpoint",
}
TURNS = 1_000_000
HEADER = [
    "a chat of 100 turns",
    "write units",
    "read units",
    "requests",
    "bytes stored",
    "read units to load it in a new process",
    "write units of turn 300",
    "requests to list the 300 checkpoints",
    "a value of 1.5 MB",
]


def tables(results: dict[str, Any]) -> list[str]:
    """The README's tables."""
    runs = {(run["saver"], run["workload"]): run for run in results["runs"]}
    rows = (_prices(runs), (HEADER, list(_rows(runs))))
    return ["".join(f"{line}\n" for line in table(*each)) for each in rows]


def million_turns(run: Run) -> float:
    """US$ of the requests of a million turns."""
    measures = run["measures"]
    units = prices.ON_DEMAND.units(measures["write_units"], measures["read_units"])
    return units / measures["turns"] * TURNS


def stored_month(run: Run) -> float:
    """US$ a month for what a million turns have stored."""
    measures = run["measures"]
    month = prices.ON_DEMAND.storage_month(measures["stored_bytes"], measures["stored_items"])
    return month / measures["turns"] * TURNS


def _prices(runs: dict[tuple[str, str], Run]) -> tuple[list[str], list[list[str]]]:
    """Prices beside those of the cheapest other saver."""
    cheapest = min(RIVALS, key=lambda name: million_turns(runs[name, CHAT]))
    title = RIVALS[cheapest].replace("the same", RIVALS["aws"])
    rows = []
    for what, workload, price in (
        ("reading and writing, one process", CHAT, million_turns),
        ("reading and writing, a new process every turn", NEW_PROCESS, million_turns),
        ("what they have stored, a month", CHAT, stored_month),
    ):
        ours, other = price(runs[OURS, workload]), price(runs[cheapest, workload])
        shown = f"US$ {other:.2f} ({other / ours:,.0f}×)"
        rows.append([what, f"**US$ {ours:.2f}**", shown])
    return ["a million turns of the chat", "this project", f"the cheapest other: {title}"], rows


def _rows(runs: dict[tuple[str, str], Run]) -> Iterator[list[str]]:
    yield ["**this project**", *(f"**{cell}**" for cell in _cells(runs, OURS))]
    for name, title in RIVALS.items():
        version = runs[name, CHAT]["versions"][SAVERS[name].distribution]
        yield [title if title.startswith("the same") else f"{title} {version}", *_cells(runs, name)]


def _cells(runs: dict[tuple[str, str], Run], saver: str) -> Iterator[str]:
    measures = runs[saver, CHAT]["measures"]
    for name in ("write_units", "read_units", "requests"):
        yield count(measures[name])
    yield size(measures["stored_bytes"])
    yield count(measures["load_read_units"])
    units = at_turn(300).value(runs[saver, LONG])
    yield _failed(runs[saver, LONG]) if units is None else count(units)
    history = runs[saver, HISTORY]
    yield history["wrong"] or count(history["measures"]["history_requests"])
    large = runs[saver, LARGE]
    yield _failed(large) if large["error"] or large["wrong"] else "stored"


def _failed(run: Run) -> str:
    """The turn and the reason, for an item that is larger than DynamoDB allows."""
    turn = max(map(len, run["series"].values()), default=0) + 1
    over = "400 KB" if is_too_large(run["error"] or "") else ""
    when = f"turn {turn}" if turn > 1 else ""
    return f"fails ({', '.join(filter(None, (when, over)))})" if over or when else "fails"


def with_figures(text: str, results: dict[str, Any]) -> str:
    """The README's text with these tables, which their first cells identify."""
    for block in tables(results):
        first = re.escape(block.split("|", 2)[1])
        pattern = rf"^\|{first}\|.*\n(?:\|.*\n)*"
        text, found = re.subn(pattern, lambda _, new=block: new, text, flags=re.MULTILINE)
        assert found == 1, f"README.md has no table of{first}"
    return text


def main() -> int:
    text = README.read_text()
    current = with_figures(text, json.loads(RESULTS.read_text()))
    if "--write" in sys.argv:
        README.write_text(current)
    elif current != text:
        print("README.md has other figures: run it with --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
