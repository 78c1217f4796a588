"""Does the steps of one timed workload with one saver, in that saver's environment.

    python benchmarks/timing_worker.py SAVER WORKLOAD

Each line on standard input is a request of a step as JSON, and is answered by a line with
the step's figures, or with the error that ended the run. The run ends with the input.
"""

import json
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import timing
from savers import SAVERS
from worker import PACKAGES, File, Table, causes
from workloads import WORKLOADS

Say = Callable[[dict[str, Any]], None]


def serve(name: str, workload: str, say: Say) -> None:
    saver = SAVERS[name]
    table = Table() if saver.on_dynamodb else File()
    with tempfile.TemporaryDirectory() as directory:
        try:
            saver.create_table(table.name)
            place = timing.Place(saver, table.name, Path(directory))
            steps = getattr(timing, WORKLOADS[workload].scenario)(place)
            next(steps)
            packages = (saver.distribution, *PACKAGES)
            say({"versions": {each: told for each in packages if (told := version_of(each))}})
            for line in sys.stdin:
                say({"figures": steps.send(json.loads(line))})
            steps.close()
        finally:
            table.drop()


def version_of(distribution: str) -> str | None:
    """`None` for what runs from a source tree without being installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def main() -> None:
    answers = sys.stdout

    def say(line: dict[str, Any]) -> None:
        print(json.dumps(line), file=answers, flush=True)

    with redirect_stdout(sys.stderr):  # a saver may print, too
        try:
            serve(*sys.argv[1:], say)
        except Exception as failure:
            traceback.print_exc()
            say({"error": causes(failure)})


if __name__ == "__main__":
    main()
