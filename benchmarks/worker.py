"""Runs one workload with one saver, in that saver's environment, and prints JSON lines.

    python benchmarks/worker.py SAVER WORKLOAD SECONDS

One process for each run: no cache, connection or failure of one run reaches another.
The driver, `compare.py`, starts it and sets the endpoint, region and credentials. Every
line but the last says how far it is (`{"done": 3, "of": 100}`), the last one is the run.
"""

import importlib
import json
import sqlite3
import sys
import tempfile
import traceback
import uuid
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "support"))

import calls
from capacity import Meter
from measuring import Bench, Result
from savers import SAVERS, Saver
from workloads import WORKLOADS, Workload

PACKAGES = ("langgraph", "langgraph-checkpoint", "boto3")
OF_DYNAMODB = ("requests", "units", "errors")

Progress = Callable[[int, int], None]


def run(
    saver: Saver,
    workload: Workload,
    meter: Meter,
    seconds: float = float("inf"),
    progress: Progress = lambda _done, _total: None,
    **arguments: Any,
) -> dict[str, Any]:
    """The figures of one run; `arguments` replace those of the workload."""
    result = Result()
    error = None
    recorder = calls.Recorder(seconds)
    table = Table() if saver.on_dynamodb else File()
    bench = Bench(
        lambda: recorder.record(saver.open(table.name)),
        meter,
        recorder,
        result,
        table.stored,
        progress,
    )
    try:
        saver.create_table(table.name)
        scenario = getattr(importlib.import_module(workload.module), workload.scenario)
        scenario(bench, **workload.arguments | arguments)
    except Exception as failure:
        traceback.print_exc()
        error = causes(failure)
    finally:
        table.drop()
    if not saver.on_dynamodb:
        forget_requests(result)
    return {
        "saver": saver.name,
        "workload": workload.name,
        "measures": result.measures,
        "rounds": result.rounds,
        "series": result.series,
        "wrong": result.wrong,
        "cold_error": result.cold_error,
        "error": error,
    }


class Table:
    """A DynamoDB table."""

    def __init__(self) -> None:
        self.name = f"benchmark-{uuid.uuid4()}"
        self._client = boto3.client("dynamodb")

    def stored(self) -> tuple[int, int]:
        # Of DynamoDB Local both are of this moment; DynamoDB's own are up to six hours old.
        found = self._client.describe_table(TableName=self.name)["Table"]
        return found["TableSizeBytes"], found["ItemCount"]

    def drop(self) -> None:
        # Missing when the saver could not even create it.
        with suppress(self._client.exceptions.ResourceNotFoundException):
            self._client.delete_table(TableName=self.name)


class File:
    """A SQLite database."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self.name = str(Path(self._directory.name) / "benchmark.sqlite")

    def stored(self) -> tuple[int, int]:
        with sqlite3.connect(self.name) as connection:
            one = connection.execute
            (pages,) = one("PRAGMA page_count").fetchone()
            (page,) = one("PRAGMA page_size").fetchone()
            (items,) = one(
                "SELECT (SELECT count(*) FROM checkpoints) + (SELECT count(*) FROM writes)"
            ).fetchone()
        connection.close()
        return pages * page, items

    def drop(self) -> None:
        self._directory.cleanup()


def forget_requests(result: Result) -> None:
    """A file answers no requests: none is not a figure that compares."""
    result.rounds.clear()
    for figures in (result.measures, result.series):
        for name in list(figures):
            if name.endswith((*OF_DYNAMODB, "rounds")) and not name.startswith("floor_"):
                del figures[name]


def causes(failure: BaseException | None) -> str:
    """An error with what it was raised from, outermost first: savers wrap DynamoDB's."""
    told = []
    while failure is not None:
        if isinstance(failure, calls.OverdueError):
            return str(failure)
        told.append(f"{type(failure).__name__}: {failure}")
        failure = failure.__cause__ or failure.__context__
    return " <- ".join(told)


def main() -> None:
    saver, workload, seconds = sys.argv[1:]
    meter = Meter(calls.count_request)
    meter.watch()
    calls.watch_pools()
    answers = sys.stdout

    def say(line: dict[str, Any]) -> None:
        print(json.dumps(line), file=answers, flush=True)

    with redirect_stdout(sys.stderr):  # a saver may print, too
        report = run(
            SAVERS[saver],
            WORKLOADS[workload],
            meter,
            float(seconds),
            lambda done, total: say({"done": done, "of": total}),
        )
    packages = (SAVERS[saver].distribution, *PACKAGES)
    say(report | {"versions": {name: version(name) for name in packages}})


if __name__ == "__main__":
    main()
