"""The module's command, as a user of pip runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TEMPLATE = (Path(__file__).parents[2] / "template.yaml").read_text(encoding="utf-8")
INSTALL = "pip install 'langgraph-checkpoint-amazon-dynamodb[cli]>=1.0'"
WITHOUT_EXTRA = """
import sys
sys.modules["typer"] = None
from langgraph_checkpoint_dynamodb.__main__ import main
for arguments in (["-h"], ["threads", "ls"], ["verify", "--table", "chats"]):
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
    assert [line for line in told.splitlines() if "exit" in line][-3:] == [
        *("exit 0", "exit 2", "exit 2"),
    ]
    assert INSTALL in " ".join(told.split())
    assert done.stderr.count(INSTALL) == 2
    assert "Traceback" not in done.stderr
