"""`docs/hosts.md`: every block runs, with the stand-ins that the page itself shows."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeSaver

from clients import KEYS, REGION
from engine import free_port
from langgraph_checkpoint_dynamodb import server
from tools import tool

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="the hosts need Python 3.11")

PAGE = (Path(__file__).parents[2] / "docs" / "hosts.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL)
FILES = {
    found[1]: text
    for language, text in BLOCKS
    if language == "python" and (found := re.match(r"# (\w+\.py)\n", text))
}
TRIED = [text for language, text in BLOCKS if language == "python" and text not in FILES.values()]


class Project:
    """The page's files in a directory, and how to run things there."""

    def __init__(self, directory: Path, endpoint_url: str) -> None:
        self.directory = directory
        self.environment = {
            **os.environ,
            **{name.upper(): value for name, value in KEYS.items()},
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL_DYNAMODB": endpoint_url,
            "LANGSMITH_TRACING": "false",
        }
        for name, text in FILES.items():
            (directory / name).write_text(text, encoding="utf-8")

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tool("hosts", "python"), *arguments],
            cwd=self.directory,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def project(tmp_path: Path, endpoint_url: str, make_saver: MakeSaver) -> Project:
    make_saver(mode="sync", table_name="chats")
    return Project(tmp_path, endpoint_url)


def test_every_block_is_a_file_or_tried_or_a_command() -> None:
    assert sorted(FILES) == sorted(
        ["agent.py", "app.py", "chat.py", "checkpoints.py", "handler.py", "move.py", "test_chat.py"]
    )
    others = [language for language, text in BLOCKS if language != "python"]
    assert (len(TRIED), others) == (4, ["json", "sh"])


@pytest.mark.parametrize("number", range(len(TRIED)))
def test_a_recipe_prints_what_is_shown(project: Project, number: int) -> None:
    again = TRIED[number] * 2  # a recipe can be run again on the same table
    done = project.run("-W", "error::ResourceWarning", "-c", again)
    assert done.returncode == 0, done.stderr
    shown = re.findall(r"^ *print\(.*\)  # (.*)$", TRIED[number], flags=re.MULTILINE)
    assert len(shown) == 1
    assert done.stdout.splitlines() == shown * 2


def test_the_tests_with_moto_leave_the_endpoint_of_the_shell_alone(project: Project) -> None:
    done = project.run("-m", "pytest", "-p", "no:cacheprovider", "test_chat.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_a_container_is_stopped_and_its_successor_continues(project: Project) -> None:
    (command,) = (text for language, text in BLOCKS if language == "sh")
    replies = []
    for _ in range(2):
        port = free_port()
        path = f"{tool('hosts', 'uvicorn').parent}:{os.environ['PATH']}"
        process = subprocess.Popen(
            ["sh", "-c", command],
            cwd=project.directory,
            env={**project.environment, "PORT": str(port), "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            replies.append(ask(f"http://127.0.0.1:{port}/chats/tess?text=hi"))
        finally:
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=20)
        assert "Application shutdown complete" in output
    assert replies == [{"reply": f"I know {count} messages of ours."} for count in (1, 3)]


def ask(url: str) -> Any:
    deadline = time.monotonic() + 30
    while True:
        try:
            request = urllib.request.Request(url, method="POST")
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            raise
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_the_variables_of_a_server_are_all_described() -> None:
    assert re.findall(r"^\| `(LANGGRAPH_DYNAMODB_\w+)` \|", PAGE, flags=re.MULTILINE) == list(
        server.VARIABLES
    )
