"""Compare this project's saver with others from PyPI, on DynamoDB Local.

    make bench
    make bench ARGS="--workloads chat-100 agent-15 --savers ours aws"

Each saver runs in a virtual environment of its own, made at the first run. Prints the main
figures, and writes all of them as Markdown and JSON, with pictures: a run of everything to
`results/`, another to `.cache/bench`.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import pictures
import prices
import terminal_report
import timing_rounds
from environments import ROOT, python_of
from report import Run, markdown
from savers import SAVERS, Saver
from workloads import COST, TIMING, WORKLOADS, Workload

sys.path.append(str(ROOT / "tests" / "support"))
from engine import EngineMissingError, run_engine

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PART = ROOT / ".cache" / "bench"
GRACE = 30
"""Seconds that a worker has to stop by itself before it is killed."""


def main() -> None:
    chosen = arguments()
    try:
        with run_engine() as endpoint:
            runs = run_all(chosen, endpoint)
    except EngineMissingError as error:
        sys.exit(str(error))
    results = {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "python": platform.python_version(),
        "prices": prices.as_json(),
        "runs": runs,
    }
    write(results, chosen.output)
    Console(width=terminal_report.WIDTH).print(terminal_report.tables(results))
    print(f"All columns: {chosen.output / 'compare.md'}, figures: {chosen.output / 'compare.json'}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--savers", nargs="+", choices=SAVERS, default=list(SAVERS))
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=[])
    parser.add_argument("--kind", choices=(COST, TIMING), help="all workloads of one kind")
    parser.add_argument(
        "--seconds", type=float, help="time of each saver for a workload (default: its own)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help=f"directory to write (default: {PART}; of a full run: {RESULTS})",
    )
    chosen = parser.parse_args()
    full = chosen.savers == list(SAVERS) and not chosen.workloads and not chosen.kind
    chosen.workloads = chosen.workloads or [
        name for name, each in WORKLOADS.items() if chosen.kind in (None, each.kind)
    ]
    chosen.output = chosen.output or (RESULTS if full else PART)
    return chosen


def pairs(savers: list[str], workloads: list[str]) -> list[tuple[Workload, Saver]]:
    """What is to be run: not every saver can run every workload."""
    return [
        (workload, saver)
        for workload in map(WORKLOADS.__getitem__, workloads)
        for saver in map(SAVERS.__getitem__, savers)
        if workload.kind in saver.kinds
        and saver.name in (workload.savers or SAVERS)
        # A file's listing has no cost to show.
        and (saver.on_dynamodb or workload.scenario != "history")
    ]


def run_all(chosen: argparse.Namespace, endpoint: str) -> list[Run]:
    environment = worker_environment(endpoint)
    pythons = {name: python_of(SAVERS[name]) for name in chosen.savers}
    todo = [pair for pair in pairs(chosen.savers, chosen.workloads) if pair[0].kind == COST]
    runs = []
    with bars() as progress:
        overall = progress.add_task("all", total=len(todo))
        for workload, saver in todo:
            task = progress.add_task(f"{workload.name}, {saver.name}", total=None)
            started = time.monotonic()
            seconds = chosen.seconds or workload.seconds
            run = run_worker(
                pythons[saver.name],
                saver.name,
                workload.name,
                environment,
                seconds,
                lambda done, of, task=task: progress.update(task, completed=done, total=of),
            ) | {"limit": seconds}
            took = time.monotonic() - started
            progress.remove_task(task)
            progress.advance(overall)
            outcome = run["error"] or run["wrong"] or "done"
            progress.console.print(
                f"{workload.name}, {saver.name}: {outcome[:200]} ({took:.0f} s)",
                markup=False,
                highlight=False,
            )
            runs.append(run)
        for name in chosen.workloads:
            if WORKLOADS[name].kind == TIMING:
                runs += run_timed(name, pythons, environment, progress)
    return runs


def run_timed(
    name: str, pythons: Mapping[str, Path], environment: Mapping[str, str], progress: Progress
) -> list[Run]:
    """One timed workload with all of its savers, which take turns."""
    task = progress.add_task(name, total=None)
    started = time.monotonic()
    runs = timing_rounds.measure(
        WORKLOADS[name],
        {saver.name: pythons[saver.name] for _, saver in pairs(list(pythons), [name])},
        environment,
        lambda done, of: progress.update(task, completed=done, total=of),
    )
    progress.remove_task(task)
    told = "; ".join(f"{run['saver']}: {(run['error'] or 'done')[:100]}" for run in runs)
    progress.console.print(
        f"{name}: {told} ({time.monotonic() - started:.0f} s)", markup=False, highlight=False
    )
    return runs


def bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def worker_environment(endpoint: str) -> dict[str, str]:
    """The caller's environment, less what would reach AWS or another saver's package."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "PYTHON", "LANGSMITH_", "LANGCHAIN_"))
    }
    return kept | {
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def run_worker(
    python: Path,
    saver: str,
    workload: str,
    environment: Mapping[str, str],
    seconds: float,
    progress: Callable[[int, int], None],
) -> Run:
    """One workload with one saver. A process that gives no answer is a failed run."""
    command = [python, HERE / "worker.py", saver, workload, str(seconds)]
    last: dict[str, Any] = {}
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=told, text=True
        )
        overdue = threading.Event()

        def stop() -> None:
            overdue.set()
            process.kill()

        killer = threading.Timer(seconds + GRACE, stop)
        killer.start()
        try:
            assert process.stdout
            for line in process.stdout:
                last = json.loads(line)
                if "done" in last:
                    progress(last["done"], last["of"])
            process.wait()
        finally:
            killer.cancel()
            if process.poll() is None:
                process.kill()
                process.wait()
        if "saver" in last:
            return last
        told.seek(0)
        error = (told.read().strip().splitlines() or [f"exit {process.returncode}"])[-1]
    return {
        "saver": saver,
        "workload": workload,
        "versions": {},
        "measures": {},
        "rounds": {},
        "series": {},
        "wrong": None,
        "cold_error": None,
        "error": f"no end in {seconds:.0f} s" if overdue.is_set() else error,
    }


def write(results: dict[str, Any], directory: Path) -> None:
    """Figures, tables and pictures of a run."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "compare.json").write_text(as_json(results))
    (directory / "compare.md").write_text(markdown(results) + "\n")
    for name, picture in pictures.of_results(results).items():
        (directory / f"{name}.svg").write_text(picture)


def as_json(results: dict[str, Any]) -> str:
    """Indented, but each series on one line: hundreds of turns would be hundreds of lines."""
    text = json.dumps(results, indent=1)
    return re.sub(r"\[[\d\s.,]+\]", lambda found: " ".join(found[0].split()), text) + "\n"


if __name__ == "__main__":
    main()
