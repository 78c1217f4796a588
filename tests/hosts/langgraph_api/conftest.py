"""A real `langgraph dev`, on a table of DynamoDB Local."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_sync_client

from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig, server

HERE = Path(__file__).parent
ENDPOINT = os.environ["DYNAMODB_ENDPOINT"]
TABLE = "hosts-langgraph-api"
PAGE = (HERE.parents[2] / "docs" / "hosts.md").read_text(encoding="utf-8")
(SHOWN,) = (json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
(CHECKPOINTS,) = re.findall(r"```python\n(# checkpoints\.py\n.*?)```", PAGE, re.DOTALL)
MODULE = SHOWN["checkpointer"]["path"]
FILE = "./checkpoints.py:checkpointer"
GRAPHS = ("chat", "fan", "delta", "review", "nested", "slow", "blocking")
START_SECONDS = 60

os.environ.update(
    {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        # What the page's `checkpoints.py` goes by, and then the variables of `server`.
        "CHATS_TABLE": TABLE,
        "AWS_ENDPOINT_URL_DYNAMODB": ENDPOINT,
        server.TABLE: TABLE,
        server.ENDPOINT_URL: ENDPOINT,
        server.DEPLOY: "true",
        # Nothing goes out to the vendor.
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGGRAPH_NO_VERSION_CHECK": "true",
        "LANGSMITH_TRACING": "false",
        "LOG_JSON": "true",
    }
)


class LangGraphDev:
    """`langgraph dev` in a directory of its own; the check of blocking calls is on."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = directory / "server.log"
        self._log.touch()
        self._read = 0
        self._process: subprocess.Popen[bytes] | None = None
        shutil.copy(HERE / "agents.py", directory)
        (directory / "checkpoints.py").write_text(CHECKPOINTS, encoding="utf-8")

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def new_errors(self) -> list[dict[str, Any]]:
        """What the server has logged as an error since this was last called."""
        text = self.log
        lines, self._read = text[self._read :].splitlines(), len(text)
        logged = [json.loads(line) for line in lines if line.startswith("{")]
        return [one for one in logged if one.get("level") in {"error", "critical"}]

    def start(self, checkpointer: str) -> None:
        graphs = {name: f"./agents.py:{name}" for name in GRAPHS}
        config = {
            **SHOWN,
            "graphs": {**graphs, **SHOWN["graphs"]},
            "checkpointer": {"path": checkpointer},
        }
        (self._directory / "langgraph.json").write_text(json.dumps(config), encoding="utf-8")
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        command = Path(sys.executable).with_name("langgraph")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [command, "dev", "--port", str(port), "--no-browser", "--no-reload"],
                cwd=self._directory,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.url = f"http://127.0.0.1:{port}"
        self._wait_until_it_answers()
        self.client: Any = get_sync_client(url=self.url)

    def _wait_until_it_answers(self) -> None:
        assert self._process
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/ok", timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        self.stop()
        raise AssertionError(self.log)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LangGraphDev]:
    running = LangGraphDev(tmp_path_factory.mktemp("project"))
    running.start(MODULE)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(autouse=True)
def nothing_is_logged_as_an_error(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a server does after it has answered, or in its workers, may fail in its log alone."""
    yield
    if "dev" in request.fixturenames:
        assert request.getfixturevalue("dev").new_errors() == []


@pytest.fixture(scope="session")
def client(dev: LangGraphDev) -> Any:
    return dev.client


@pytest.fixture(scope="session", autouse=True)
def table() -> Iterator[DynamoDBConfig]:
    config = DynamoDBConfig(
        table_config=DynamoDBTableConfig(table_name=TABLE), endpoint_url=ENDPOINT
    )
    yield config
    with DynamoDBSaver(config) as opened:
        opened.destroy()


@pytest.fixture
def saver(table: DynamoDBConfig) -> Iterator[DynamoDBSaver]:
    """A saver of the test's own on the server's table."""
    with DynamoDBSaver(table) as opened:
        yield opened
