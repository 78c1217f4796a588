"""Runs one workload with one saver, in that saver's environment, and prints JSON.

One process for each run: no cache, connection or failure of one run reaches another.
The driver, `compare.py`, starts it and sets the endpoint, region and credentials.
"""

import json
import sys
import traceback
import uuid
from contextlib import redirect_stdout, suppress
from importlib.metadata import version
from typing import Any

import boto3
import scenarios
from capacity import Meter
from savers import SAVERS, Saver
from scenarios import Bench, Result
from stored import table_bytes
from workloads import WORKLOADS

PACKAGES = ("langgraph", "langgraph-checkpoint", "boto3")


def run(saver: Saver, workload: str) -> dict[str, Any]:
    result = Result()
    error = None
    meter = Meter()
    meter.watch()
    table = f"benchmark-{uuid.uuid4()}"
    client = boto3.client("dynamodb")
    try:
        saver.create_table(table)
        plan = WORKLOADS[workload]
        scenario = getattr(scenarios, plan.scenario)
        scenario(Bench(lambda: saver.open(table), meter, result), **plan.arguments)
        size, count = table_bytes(client, table)
        result.measures |= {"stored_bytes": size, "stored_items": count}
    except Exception as failure:
        traceback.print_exc()
        error = causes(failure)
    finally:
        # Missing when the saver could not even create it.
        with suppress(client.exceptions.ResourceNotFoundException):
            client.delete_table(TableName=table)
    return {
        "saver": saver.name,
        "workload": workload,
        "versions": {name: version(name) for name in (saver.distribution, *PACKAGES)},
        "measures": result.measures,
        "series": result.series,
        "wrong": result.wrong,
        "error": error,
    }


def causes(failure: BaseException | None) -> str:
    """An error with what it was raised from, outermost first: savers wrap DynamoDB's."""
    told = []
    while failure is not None:
        told.append(f"{type(failure).__name__}: {failure}")
        failure = failure.__cause__ or failure.__context__
    return " <- ".join(told)


def main() -> None:
    saver, workload = sys.argv[1:]
    with redirect_stdout(sys.stderr):  # a saver may print, too
        report = run(SAVERS[saver], workload)
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
