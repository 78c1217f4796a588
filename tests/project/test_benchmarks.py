"""The benchmark: its sums are right, and each of its workloads runs."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))

import calls  # noqa: E402 - the path comes first
import chart  # noqa: E402
import compare as driver  # noqa: E402
import floor  # noqa: E402
import pictures  # noqa: E402
import prices  # noqa: E402
import report  # noqa: E402
import terminal_report  # noqa: E402
import timing_report  # noqa: E402
from savers import SAVERS  # noqa: E402
from words import Text  # noqa: E402
from workloads import COST, WORKLOADS  # noqa: E402

# The description of AWS's endpoints is parsed once, and not for each client.
SHORT_RUNS = """
import functools, json, sys
import botocore.loaders
import calls, worker
from capacity import Meter
from savers import SAVERS
from workloads import WORKLOADS

botocore.loaders.create_loader = functools.cache(botocore.loaders.create_loader)
meter = Meter(calls.count_request)
meter.watch()
calls.watch_pools()
for name in sys.argv[1:]:
    workload = WORKLOADS[name]
    print(json.dumps(worker.run(SAVERS["ours"], workload, meter, **workload.short)))
"""


def run_of(saver: str, workload: str = "chat-100", **figures: Any) -> dict[str, Any]:
    empty = {"error": None, "wrong": None, "cold_error": None, "versions": {}}
    return {
        "saver": saver,
        "workload": workload,
        "measures": {},
        "rounds": {},
        "series": {},
        **empty,
        **figures,
    }


@pytest.fixture
def watched_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ThreadPoolExecutor, "submit", ThreadPoolExecutor.submit)
    monkeypatch.setattr(Future, "result", Future.result)
    calls.watch_pools()


@pytest.mark.usefixtures("watched_pools")
def test_round_trips_are_requests_that_wait_for_one_another() -> None:
    recorder = calls.Recorder()

    def requests(count: int) -> None:
        for _ in range(count):
            calls.count_request()

    with ThreadPoolExecutor(2) as pool:
        with recorder.call("put"):
            # However late a thread takes one up, none of them waits for another's reply.
            for future in [pool.submit(requests, 1) for _ in range(20)]:
                future.result()
            requests(1)
        with recorder.call("put"):
            pool.submit(requests, 3).result()
            pool.submit(requests, 1).result()
            with recorder.call("get_tuple"):  # a call of its own saver
                requests(1)
        pool.submit(requests, 1).result()  # outside of all calls
    assert recorder.take() == [calls.Call("put", 21, 2), calls.Call("put", 5, 5)]
    assert recorder.take() == []


def test_round_trips_by_method() -> None:
    made = [calls.Call("put", 1, 1), calls.Call("put", 9, 2)]
    assert calls.by_method(made) == {"put": {"calls": 2, "mean": 1.5, "max": 2}}


def test_a_run_that_takes_too_long_ends_at_its_next_call() -> None:
    recorder = calls.Recorder(seconds=-1)
    with pytest.raises(calls.OverdueError), recorder.call("put"):
        pass


def test_the_floor_is_a_unit_a_call_and_what_is_new_compressed() -> None:
    text = Text(1).say(100_000)
    once = floor.compressed([text])
    assert 0.3 < once / len(text) < 0.5
    assert floor.compressed([text[:50_000], text[50_000:].encode()]) == pytest.approx(once, abs=64)
    assert floor.compressed([text, text]) < 1.01 * once
    assert floor.write_units(5, 2048) == 7


def test_prices() -> None:
    assert prices.ON_DEMAND.units(1_000_000, 1_000_000) == pytest.approx(0.75)
    assert prices.per_1000_turns(800, 80, turns=100) == pytest.approx(0.0051)
    assert prices.ON_DEMAND.storage_month(1024**3 - 100, 1) == pytest.approx(0.25)


def test_the_report_puts_ratios_beside_figures_and_shows_failures() -> None:
    units = {"write_units": 100.0, "read_units": 10.0, "turns": 10, "floor_write_units": 80.0}
    runs = [
        run_of("ours", measures=units, series={"write_units": [10.0] * 10}),
        run_of("aws", measures=units | {"write_units": 2500.0}),
        run_of(
            "aws-gzip",
            series={"write_units": [30.0] * 12, "durable_calls": [5] * 12},
            error="PutError: no <- ClientError: size has exceeded | the maximum",
        ),
        run_of("sqlite", measures={"turns": 10, "stored_bytes": 12_345}),
    ]
    told = report.markdown({"runs": runs})
    assert "| 1.25 |" in told
    assert "2,500 (25.0×)" in told
    assert "30 (3.0×)" in told  # of the turns before it failed
    assert r"**failed** in turn 13: ClientError: size has exceeded \| the maximum" in told
    assert "12 kB" in told
    rows = [line for line in told.splitlines() if line.startswith("|")]
    assert len({re.sub(r"\\\|", "", row).count("|") for row in rows[3:]}) == 1


def chat_runs() -> list[dict[str, Any]]:
    series = {"write_units": [6.0] * 40, "durable_calls": [5] * 40, "new_bytes": [1000] * 40}
    measures = {"floor_write_units": 220.0, "new_compressed": 20_480, "new_bytes": 40_000}
    stopped, failed = "no end in 60 s", "ClientError: Item size has exceeded"
    return [
        run_of("ours", "chat-1000", series=series, measures=measures),
        run_of("aws", "chat-1000", series={"write_units": [50.0] * 9}, error=failed),
        run_of("sqlite", "chat-1000", series={"write_units": [9.0] * 12}, error=stopped),
    ]


def test_a_picture_tells_a_failure_from_the_benchmark_s_time_limit() -> None:
    found = pictures.of_results({"runs": chat_runs()})
    assert list(found) == ["write-units"]
    drawn = ET.fromstring(found["write-units"])
    told = [element.text for element in drawn.iter() if element.tag.endswith("text")]
    assert {
        "this project",
        "floor: the least",
        "aws: fails at turn 10",
        "SQLite (a file): stopped at turn 13",
        "turn of the chat",
        "write units a turn (logarithmic)",
        "This project takes 6.0 write units for turn 10, 6.0 for turn 40, 6.0 on average",
        "✕ an error of the saver: its item is larger than DynamoDB's 400 KB.",
        "◯ the benchmark's time limit of 60 s, the same for all: not a failure.",
    } <= set(told)
    tags = [element.tag.rpartition("}")[2] for element in drawn.iter()]
    assert tags.count("polyline") == 4


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG21/#dfn-relative-luminance"""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("palette", [chart.LIGHT, chart.DARK])
def test_every_line_and_text_has_contrast(palette: dict[str, str]) -> None:
    for name, colour in palette.items():
        low, high = sorted((luminance(colour), luminance(palette["page"])))
        if name not in {"page", "grid"}:
            assert (high + 0.05) / (low + 0.05) >= 4.5, name


def test_labels_do_not_lie_on_one_another() -> None:
    lines = [
        chart.Line(name, f"the line of {name}", [(1, 5.0), (turn, 50.0)])
        for name, turn in (("ours", 100), ("aws", 100), ("amazon-0.1.3", 100), ("sqlite", 90))
    ]
    drawn = ET.fromstring(chart.draw(chart.Chart("t", "a", "x", "y", lines)))
    labels = [
        (float(element.attrib["x"]), float(element.attrib["y"]))
        for element in drawn.iter()
        if (element.text or "").startswith("the line") and "halo" not in element.attrib["class"]
    ]
    assert len(labels) == 4
    heights = sorted(y for _, y in labels)
    assert all(b - a >= chart.LINE_HEIGHT for a, b in itertools.pairwise(heights))


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """The published results."""
    found: dict[str, Any] = json.loads((BENCHMARKS / "results" / "compare.json").read_text())
    return found


def test_the_pictures_tables_and_documents_are_those_of_the_results(
    results: dict[str, Any],
) -> None:
    for name, picture in pictures.of_results(results).items():
        assert (BENCHMARKS / "results" / f"{name}.svg").read_text() == picture, name
    assert (BENCHMARKS / "results" / "compare.md").read_text() == report.markdown(results) + "\n"
    page = (BENCHMARKS.parent / "docs" / "performance.md").read_text()
    assert timing_report.filled(page, results) == page


def test_the_results_have_every_workload_and_the_same_limits(results: dict[str, Any]) -> None:
    expected = {
        (workload.name, saver.name)
        for workload, saver in driver.pairs(list(SAVERS), list(WORKLOADS))
    }
    assert {(run["workload"], run["saver"]) for run in results["runs"]} == expected
    limits = defaultdict(set)
    for run in results["runs"]:
        limits[run["workload"]].add(run.get("limit"))
    assert {name: found for name, found in limits.items() if len(found) > 1} == {}


def test_the_terminal_has_100_columns(results: dict[str, Any]) -> None:
    shown = io.StringIO()
    console = Console(width=terminal_report.WIDTH, file=shown)
    console.print(terminal_report.tables(results))
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert "…" not in shown.getvalue()
    assert any("amazon-0.1.3" in line and "returns 8 of 300" in line for line in lines)
    assert [saver for saver in SAVERS if f" {saver} " not in shown.getvalue()] == []


def test_series_stand_on_one_line_of_the_json() -> None:
    results = {"runs": [{"series": {"write_units": [1.0, 2.5, 3.0]}}]}
    text = driver.as_json(results)
    assert "[ 1.0, 2.5, 3.0 ]" in text
    assert json.loads(text) == results


def test_a_worker_that_dies_is_a_failed_run() -> None:
    run = driver.run_worker(
        Path(sys.executable), "nobody", "chat-10", os.environ, 30, lambda _done, _of: None
    )
    assert run["saver"] == "nobody"
    assert run["error"]


def test_every_saver_and_workload_is_described() -> None:
    readme = (BENCHMARKS / "README.md").read_text()
    assert [name for name in (*SAVERS, *WORKLOADS) if f"`{name}`" not in readme] == []


def short_workloads() -> list[str]:
    """The workloads of costs, less those that differ in their length only."""
    found = {
        (each.scenario, str(each.arguments | each.short)): name
        for name, each in WORKLOADS.items()
        if each.kind == COST
    }
    return list(found.values())


def test_every_workload_of_costs_runs(endpoint_url: str) -> None:
    names = short_workloads()
    done = subprocess.run(
        [sys.executable, "-c", SHORT_RUNS, *names],
        env=driver.worker_environment(endpoint_url)
        | {"PYTHONPATH": os.pathsep.join([str(BENCHMARKS), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    runs = {run["workload"]: run for run in map(json.loads, done.stdout.splitlines())}
    assert list(runs) == names
    failures = {
        name: run["error"] or run["wrong"] or run["cold_error"] for name, run in runs.items()
    }
    assert {name: failure for name, failure in failures.items() if failure} == {}
    for name, run in runs.items():
        measures = run["measures"]
        if WORKLOADS[name].scenario == "history":
            assert measures["list10_rounds"] <= 2, name
            continue
        # The floor compresses at level 3; the saver's may be a little better.
        assert measures["floor_write_units"] <= 1.05 * measures["write_units"], name
        assert measures["warm_load_requests"] == 1, name
        assert run["rounds"]["put"]["calls"] <= measures["durable_calls"], name
        assert sum(run["series"]["write_units"]) == measures["write_units"], name
