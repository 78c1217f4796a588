"""The timed part of the benchmark: its parts work, and each workload runs. No time is judged."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from xml.etree import ElementTree as ET

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))

import cells  # noqa: E402 - the path comes first
import compare as driver  # noqa: E402
import pictures  # noqa: E402
import report  # noqa: E402
import timing_report  # noqa: E402
import timing_rounds  # noqa: E402
from loopback_proxy import run_delaying_proxy  # noqa: E402
from workloads import TIMING, WORKLOADS  # noqa: E402


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize("delay", [0, 3])
def test_the_proxy_passes_on_every_byte(delay: int) -> None:
    body = bytes(range(256)) * 4000
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with run_delaying_proxy(f"http://127.0.0.1:{server.server_port}") as proxy:
            proxy.delay(delay)
            with urlopen(Request(proxy.url, body)) as reply:
                assert reply.read() == body
        server.shutdown()


def run_of(saver: str, workload: str, **figures: Any) -> dict[str, Any]:
    empty = {"versions": {}, "rounds": {}, "series": {}, "samples": {}, "notes": {}}
    return {"saver": saver, "workload": workload, "measures": {}, "error": None, **empty, **figures}


def test_the_report_compares_with_the_null_saver() -> None:
    name = "turn_10_sync_10ms"
    runs = [
        run_of("ours", "latency", measures={name: 66.0}),
        run_of("aws", "latency", error="too | slow"),
        run_of("null", "latency", measures={name: 60.0}),
    ]
    told = report.markdown({"runs": runs})
    assert "66.0 (1.10×)" in told
    assert r"too \| slow" in told
    document = f"before\n{timing_report.BEGIN}\nold\n{timing_report.END}\nafter"
    filled = timing_report.filled(document, {"date": "2026-01-01", "runs": runs})
    assert "66.0" in filled
    assert "old" not in filled
    assert timing_report.filled(filled, {"date": "2026-01-01", "runs": runs}) == filled


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, "done"),
        ("no end in 120 s, after 1800 turns", "stopped after 1,800 turns: no end in 120 s"),
        ("after 292 turns: Ours <- Item size has", "fails after 292 turns: item over 400 KB"),
        ("An error occurred (413) when", "fails: item over 400 KB"),
        ("after 413 turns: Ours <- Timeout: 9", "fails after 413 turns: Timeout: 9"),
    ],
)
def test_the_end_of_a_timed_chat(error: str | None, told: str) -> None:
    assert cells.end_of_chat(error) == told


def test_latency_is_drawn_by_turn() -> None:
    figures = {f"turn_{turn}_sync_10ms": 60.0 + turn for turn in (10, 100, 1000)}
    runs = [
        run_of("ours", "latency", measures=figures),
        run_of("aws", "latency", measures={"turn_10_sync_10ms": 99.0}, error="no end in 9 s"),
        run_of("null", "latency", measures=dict.fromkeys(figures, 50.0)),
    ]
    picture = pictures.of_results({"runs": runs})["latency"]
    drawn = ET.fromstring(picture)
    assert len([each for each in drawn.iter() if each.tag.endswith("polyline")]) == 3
    assert "1.40 to 21.20 times" in picture


@pytest.mark.parametrize(
    "workload", [name for name, each in WORKLOADS.items() if each.kind == TIMING]
)
def test_every_timed_workload_runs(workload: str, endpoint_url: str) -> None:
    chosen = WORKLOADS[workload]
    savers = [name for name in ("ours", "null") if name in chosen.savers]
    environment = driver.worker_environment(endpoint_url) | {"PYTHONPATH": ":".join(sys.path)}
    told: list[tuple[int, int]] = []
    runs = timing_rounds.measure(
        chosen,
        dict.fromkeys(savers, Path(sys.executable)),
        environment,
        lambda done, of: told.append((done, of)),
        **chosen.short,
    )
    assert {run["saver"]: run["error"] for run in runs} == dict.fromkeys(savers)
    assert all(run["measures"] for run in runs)
    assert told[-1][0] == told[-1][1]
    assert WORKLOADS[workload].title in report.markdown({"runs": runs})
    json.dumps(runs)
