"""The module's command, as a user of pip runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import version
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from langgraph_checkpoint_dynamodb.__main__ import main

DISTRIBUTION = "langgraph-checkpoint-amazon-dynamodb"
TEMPLATE = (Path(__file__).parents[2] / "template.yaml").read_text(encoding="utf-8")
VERSION = f"{DISTRIBUTION} {version(DISTRIBUTION)}"
INSTALL = (
    "pip install 'langgraph-checkpoint-amazon-dynamodb[cli]>=1.0', "
    "or in a clone pip install '.[cli]'"
)
WITHOUT_EXTRA = """
import sys
sys.modules["typer"] = None
from langgraph_checkpoint_dynamodb.__main__ import main
for arguments in (["--version"], ["-h"], ["threads", "ls"], ["verify", "--table", "chats"]):
    try:
        main(arguments)
    except SystemExit as stopped:
        print("exit", stopped.code)
print("template:")
main(["template"])
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def test_it_prints_the_packaged_template() -> None:
    done = run("-m", "langgraph_checkpoint_dynamodb", "template")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == TEMPLATE


def test_without_the_extra_it_prints_the_template_and_says_what_to_install() -> None:
    done = run("-c", WITHOUT_EXTRA)
    told, _, template = done.stdout.partition("template:\n")
    assert template == TEMPLATE
    assert [line for line in told.splitlines() if line.startswith("exit")] == [
        *("exit 0", "exit 0", "exit 2", "exit 2"),
    ]
    assert told.splitlines()[0] == VERSION
    assert INSTALL in " ".join(told.split())
    assert done.stderr.count(INSTALL) == 2
    assert "Traceback" not in done.stderr


def outcome(*arguments: str) -> int | str | None:
    """The exit code in this process, or what Python prints for exit code 1."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return stopped.value.code


def test_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome("--version") == 0
    assert capsys.readouterr().out == f"{VERSION}\n"


def test_text_is_utf_8_whatever_the_encoding_of_the_environment() -> None:
    content = BytesIO()
    with TextIOWrapper(content, encoding="ascii") as narrow, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", narrow)
        assert outcome("--version") == 0
        print("é 漢 \ud800", flush=True)
        assert content.getvalue().decode("utf-8") == f"{VERSION}\né 漢 \\ud800\n"


@pytest.mark.parametrize("command", ["template", "--version", "--help"])
def test_output_that_cannot_be_written_is_a_line_and_exit_code_1(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert outcome(command) == 1
    assert capsys.readouterr().err == "Error: the output: No space left on device\n"
    reading, writing = os.pipe()
    os.close(reading)
    with suppress(BrokenPipeError), os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert outcome(command) == 1
    assert capsys.readouterr().err == ""  # `| head` has seen enough
    monkeypatch.setattr(sys, "stdout", None)
    assert outcome(command) == "Error: the output is closed"
