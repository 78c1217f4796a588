"""Compare this project's saver with the others on PyPI, on DynamoDB Local.

    python benchmarks/compare.py --endpoint http://localhost:8000

Each saver runs in a virtual environment of its own, made at the first run. Prints the
comparison as Markdown and writes its figures as JSON; a run of parts only prints.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from environments import python_of
from report import Run, markdown
from savers import SAVERS
from workloads import WORKLOADS

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "compare.json"


def main() -> None:
    chosen = arguments()
    environment = worker_environment(chosen.endpoint)
    pythons = {name: python_of(SAVERS[name]) for name in chosen.savers}
    runs = []
    for workload in chosen.workloads:
        for saver, python in pythons.items():
            started = time.monotonic()
            run = run_worker(python, saver, workload, environment, chosen.timeout)
            seconds = time.monotonic() - started
            outcome = run["error"] or run["wrong"] or "done"
            print(f"{workload}, {saver}: {outcome} ({seconds:.0f} s)", file=sys.stderr)
            runs.append(run)
    date = datetime.now(timezone.utc).date().isoformat()
    results = {"date": date, "python": platform.python_version(), "runs": runs}
    if chosen.output:
        chosen.output.parent.mkdir(parents=True, exist_ok=True)
        chosen.output.write_text(as_json(results))
    print(markdown(results))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--endpoint",
        default=os.environ.get("DYNAMODB_ENDPOINT"),
        help="where DynamoDB Local listens (default: $DYNAMODB_ENDPOINT)",
    )
    parser.add_argument("--savers", nargs="+", choices=SAVERS, default=list(SAVERS))
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for one workload")
    parser.add_argument(
        "--output", type=Path, help="JSON to write (default, of a full run: results/compare.json)"
    )
    chosen = parser.parse_args()
    if not chosen.endpoint or not answers(chosen.endpoint):
        # Else every saver would be shown as failed.
        parser.error("no DynamoDB at the endpoint: start DynamoDB Local and pass its --endpoint")
    if chosen.savers == list(SAVERS) and chosen.workloads == list(WORKLOADS):
        chosen.output = chosen.output or RESULTS
    return chosen


def answers(endpoint: str) -> bool:
    try:
        urlopen(endpoint, timeout=10).close()
    except HTTPError:
        return True  # an unsigned request is refused, which is an answer
    except (OSError, ValueError):
        return False
    return True


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
    python: Path, saver: str, workload: str, environment: Mapping[str, str], timeout: float
) -> Run:
    """One workload with one saver. A process that gives no answer is a failed run."""
    command = [python, HERE / "worker.py", saver, workload]
    try:
        done = subprocess.run(
            command, env=environment, timeout=timeout, check=True, capture_output=True, text=True
        )
        return json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        error = f"no end after {timeout:.0f} s"
    except subprocess.CalledProcessError as failure:
        error = (failure.stderr.strip().splitlines() or [str(failure)])[-1]
    return {
        "saver": saver,
        "workload": workload,
        "versions": {},
        "measures": {},
        "series": {},
        "wrong": None,
        "error": error,
    }


def as_json(results: dict[str, Any]) -> str:
    """Indented, but each series on one line: hundreds of turns would be hundreds of lines."""
    text = json.dumps(results, indent=1)
    return re.sub(r"\[[\d\s.,]+\]", lambda found: " ".join(found[0].split()), text) + "\n"


if __name__ == "__main__":
    main()
