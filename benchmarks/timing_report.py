"""The timed workloads as Markdown: figures, and beside each what it is compared with.

python benchmarks/timing_report.py benchmarks/results/compare.json docs/performance.md

puts them into the document, between its two marks.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cells import end_of_chat, table
from savers import SAVERS
from workloads import TIMING, WORKLOADS, Workload

OURS = "ours"
NULL = "null"
NONE = "-"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"

Run = Mapping[str, Any]
Table = tuple[list[str], list[list[str]]]


def sections(runs: Sequence[Run]) -> list[str]:
    found = []
    for name, workload in WORKLOADS.items():
        own = [run for run in runs if run["workload"] == name]
        if workload.kind == TIMING and own:
            found.append("\n\n".join([f"### {workload.title}", *SECTIONS[name](workload, own)]))
    return found


def latency(workload: Workload, runs: Sequence[Run]) -> Iterator[str]:
    arguments = workload.arguments
    for delay in sorted(arguments["delays"], reverse=True):
        names = {
            f"turn {turn:,}, {durability}": f"turn_{turn}_{durability}_{delay}ms"
            for turn in arguments["turns"]
            for durability in arguments["durabilities"]
        }
        yield f"At {delay} ms a request, milliseconds a turn (× the null saver's):"
        yield markdown(rows(runs, names, NULL))


def throughput(_: Workload, runs: Sequence[Run]) -> Iterator[str]:
    names = {"async": "async", "64 threads": "threads"}
    spent = {f"CPU ms a turn, {title}": f"{name}_cpu" for title, name in names.items()}
    yield "Turns a second, and the client's CPU time (× the null saver's):"
    yield markdown(rows(runs, names | spent, NULL))


def cpu(_: Workload, runs: Sequence[Run]) -> Iterator[str]:
    parts = {"in all": "ms", "put": "put_ms", "put_writes": "put_writes_ms"}
    parts |= {"get_tuple": "get_tuple_ms"}
    titles = {
        (OURS, "stub"): "this project, its own share",
        (OURS, "engine"): "this project, with botocore and the network",
        (NULL, "engine"): "null saver, with botocore and the network",
        ("sqlite", "file"): "SqliteSaver, a file",
        ("sqlite", "memory"): "SqliteSaver, `:memory:`",
    }
    measures = {run["saver"]: run["measures"] for run in runs}
    lines = [
        [title, *(shown(measures[saver].get(f"{source}_{part}")) for part in parts.values())]
        for (saver, source), title in titles.items()
        if saver in measures
    ]
    yield "CPU milliseconds a turn, in the saver's methods:"
    yield markdown((["", *parts], lines), text_last=False)
    for run in runs:
        for title, found in run["notes"].items():
            if found:
                yield f"Where this project's own share goes, {title}, by cProfile:"
                yield profiled(found)


def loop(_: Workload, runs: Sequence[Run]) -> Iterator[str]:
    for run in runs:
        found, samples = run["measures"], run["samples"]
        calls = [
            name.removesuffix("_seconds")
            for name in found
            if name.endswith("_seconds") and not name.startswith("own_")
        ]
        lines = [
            [
                call.replace("_", ", ", 1),
                shown(found.get(f"own_{call}_ms")),
                shown(max(samples.get(f"own_{call}_ms", [0]))),
                shown(found[f"{call}_ms"]),
                shown(found[f"{call}_seconds"]),
                "; ".join(name for name, _ in run["notes"].get(f"own_{call}", [])) or NONE,
            ]
            for call in calls
        ]
        header = [
            "state and call",
            "longest gap, ms",
            "of all rounds",
            "with the garbage collector",
            "the call, s",
            "who ran in gaps over 5 ms",
        ]
        idle = shown(found.get("own_idle_ms"))
        yield f"The longest time the loop stood still (with nothing to do: {idle} ms):"
        yield markdown((header, lines))
        if run["error"]:
            yield f"failed: {run['error']}"


def memory(_: Workload, runs: Sequence[Run]) -> Iterator[str]:
    for run in runs:
        found = run["measures"]
        if not found:
            yield f"failed: {run['error']}"
            continue
        before, grown, limit = (
            f"{found[name] / 1e6:,.0f} MB"
            for name in ("before_bytes", "grown_bytes", "cache_limit_bytes")
        )
        yield (
            f"{found['threads']:,.0f} threads: the process grew by {grown} from {before}; "
            f"the cache's limit is {limit}."
        )


SECTIONS: dict[str, Callable[[Workload, Sequence[Run]], Iterator[str]]] = {
    "latency": latency,
    "throughput": throughput,
    "cpu": cpu,
    "loop": loop,
    "memory": memory,
}


def rows(runs: Sequence[Run], names: Mapping[str, str], baseline: str) -> Table:
    """A row for each saver, a column for each name; the baseline's first."""
    base = next((run["measures"] for run in runs if run["saver"] == baseline), {})
    lines = []
    for run in runs:
        cells = []
        for name in names.values():
            value, other = run["measures"].get(name), base.get(name)
            compared = value and other and run["saver"] != baseline
            cells.append(shown(value) + (f" ({value / other:.2f}×)" if compared else ""))
        lines.append([SAVERS[run["saver"]].title, *cells, end_of_chat(run["error"])])
    return ["", *names, "outcome"], lines


def shown(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:,.1f}" if value >= 1 else f"{value:,.2f}"


def markdown(content: Table, text_last: bool = True) -> str:
    return "\n".join(table(*content, text_last=text_last))


def profiled(found: Mapping[str, float]) -> str:
    """Shares alone, because the profiler's own time is in all rows; those under 1 % are one row."""
    total = sum(found.values())
    shown = {group: spent for group, spent in found.items() if spent >= total / 100}
    shown["what takes under 1%"] = total - sum(shown.values())
    lines = [[group, f"{spent / total:.0%}"] for group, spent in shown.items()]
    return markdown((["where", "share"], lines), text_last=False)


def filled(document: str, results: Mapping[str, Any]) -> str:
    """The document with the figures of these results in place of those between the marks."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    told = "\n\n".join(sections(results["runs"]))
    return f"{before}{BEGIN}\n\nMeasured on {results['date']}.\n\n{told}\n\n{END}{after}"


if __name__ == "__main__":
    place = Path(sys.argv[2])
    place.write_text(filled(place.read_text(), json.loads(Path(sys.argv[1]).read_text())))
