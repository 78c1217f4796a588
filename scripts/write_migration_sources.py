"""Write the tables of other savers that the tests of `migrate` read: with these savers themselves.

    python scripts/write_migration_sources.py [name...]

Each saver runs in an environment of its own (`benchmarks/environments.py` makes it) on DynamoDB
Local and on moto's S3. `tests/migration_sources/<name>.json.gz` then has the items of its table,
the S3 objects, and what was put. Needs the environment of the tests, Java, and PyPI.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "tests" / "support"), str(ROOT / "benchmarks")]
from engine import run_engine  # noqa: E402
from environments import python_of  # noqa: E402
from savers import SAVERS  # noqa: E402

SOURCES = {
    "aws": "aws",
    "aws-gzip": "aws",
    "aws-s3": "aws",
    "dynamodb-checkpoint": "dynamodb-checkpoint",
    "0.1.3": "amazon-0.1.3",
}
"""The saver of `benchmarks/savers.py` that writes each table."""

BUCKET = "offloaded"
WORKER = ROOT / "tests" / "support" / "migration_worker.py"
TARGET = ROOT / "tests" / "migration_sources"


def write(name: str, dynamodb_url: str, s3_url: str) -> None:
    os.environ.update(
        AWS_ENDPOINT_URL_DYNAMODB=dynamodb_url,
        AWS_ENDPOINT_URL_S3=s3_url,
        AWS_DEFAULT_REGION="eu-central-1",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AGENTSTATE_QUIET="1",
        LANGSMITH_TRACING="false",
    )
    dynamodb, s3 = boto3.client("dynamodb"), boto3.client("s3")
    saver = SAVERS[SOURCES[name]]
    python = python_of(saver)
    table = f"source-{name}"
    if saver.name == "aws":
        saver.create_table(table)
    s3.create_bucket(
        Bucket=f"{BUCKET}-{name}",
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
    )
    with NamedTemporaryFile() as file:
        arguments = [name, table, f"{BUCKET}-{name}", file.name]
        # Without PYTHONPATH: it may name this package, and 0.1.3 has the same import name.
        environment = {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}
        subprocess.run([python, WORKER, *arguments], check=True, env=environment)
        put = json.loads(Path(file.name).read_text())
    pages = dynamodb.get_paginator("scan").paginate(TableName=table)
    objects = s3.list_objects_v2(Bucket=f"{BUCKET}-{name}").get("Contents", ())
    dump = {
        "written_at": int(time.time()),
        "items": [item for page in pages for item in page["Items"]],
        "objects": {
            one["Key"]: s3.get_object(Bucket=f"{BUCKET}-{name}", Key=one["Key"])["Body"].read()
            for one in objects
        },
        "put": put,
    }
    text = json.dumps(dump, default=encoded, indent=0, sort_keys=True)
    target = TARGET / f"{name}.json.gz"
    target.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{target.name}: {len(dump['items'])} items, {target.stat().st_size} bytes")


def encoded(value: Any) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}


if __name__ == "__main__":
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with run_engine() as url:
            for source in sys.argv[1:] or SOURCES:
                write(source, url, f"http://{host}:{port}")
    finally:
        server.stop()
