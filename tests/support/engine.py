"""DynamoDB Local, AWS's own engine, as a child process of the tests.

Only this engine counts capacity as DynamoDB does and holds its limits (400 KB
an item, 1 MB a page, 25 items a batch), so nothing here runs on a mock.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CACHED_JAR = Path(__file__).parents[2] / ".cache" / "dynamodb-local" / "DynamoDBLocal.jar"
_START_SECONDS = 60
_PORT_TRIES = 3


class EngineMissingError(Exception):
    """DynamoDB Local cannot be started; the message says what to install."""


@contextmanager
def run_engine() -> Iterator[str]:
    """Yield the URL of an engine: DYNAMODB_ENDPOINT's, or a fresh one that ends with the block."""
    if running := os.environ.get("DYNAMODB_ENDPOINT"):
        yield running
        return
    java, jar = _find_java(), _find_jar()
    process, url = _start(java, jar)
    try:
        yield url
    finally:
        process.terminate()
        process.wait(timeout=_START_SECONDS)


def _find_java() -> str:
    java = shutil.which("java")
    if java is None:
        raise EngineMissingError(
            "Java is missing, and DynamoDB Local runs on it: "
            "apt-get install default-jre-headless (or point DYNAMODB_ENDPOINT at an engine)"
        )
    return java


def _find_jar() -> Path:
    jar = Path(os.environ.get("DYNAMODB_LOCAL_JAR", _CACHED_JAR))
    if not jar.is_file():
        raise EngineMissingError(
            f"{jar} is missing: `make engine` fetches DynamoDB Local "
            "(or point DYNAMODB_LOCAL_JAR at its jar, DYNAMODB_ENDPOINT at an engine)"
        )
    return jar


def _start(java: str, jar: Path) -> tuple[subprocess.Popen[bytes], str]:
    # Another process may take the free port before the engine does.
    for _ in range(_PORT_TRIES):
        port = free_port()
        process = subprocess.Popen(
            [
                java,
                "-Xmx1g",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Djava.library.path=DynamoDBLocal_lib",
                "-jar",
                jar.name,
                "-inMemory",
                "-sharedDb",
                "-disableTelemetry",
                "-port",
                str(port),
            ],
            cwd=jar.resolve().parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        url = f"http://127.0.0.1:{port}"
        if _answers(process, url):
            return process, url
        process.kill()
        process.wait()
    raise EngineMissingError(
        f"DynamoDB Local did not start on {_PORT_TRIES} ports; it needs Java 11 or newer: "
        f"try `cd {jar.parent} && java -jar {jar.name} -inMemory`"
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return True  # It refuses an unsigned request, so it is up.
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False
