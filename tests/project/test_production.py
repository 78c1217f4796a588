"""`docs/production.md`: a shell runs its commands from top to bottom, on ministack."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from clouds import run_ministack
from samconfig import ROOT
from tools import tool

PAGE = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def test_its_commands_run_from_top_to_bottom(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    command = f'#!/bin/sh\nexec {sys.executable} -m langgraph_checkpoint_dynamodb "$@"\n'
    (programs / "langgraph-dynamodb").write_text(command)
    (programs / "langgraph-dynamodb").chmod(0o755)
    script = ""
    for number, (language, text) in enumerate(BLOCKS):
        if language == "sh":
            script += text
            continue
        (tmp_path / f"block_{number}.py").write_text(text)
        script += f"{sys.executable} block_{number}.py\n"
    with run_ministack(tmp_path) as cloud:
        path = (programs, tool("awscli", "aws").parent, cloud.environment["PATH"])
        done = subprocess.run(
            ["bash", "-euxc", script],
            cwd=tmp_path,
            env=cloud.environment
            | {
                "PATH": os.pathsep.join(map(str, path)),
                "PYTHONPATH": os.pathsep.join(sys.path),
                "AWS_PAGER": "",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        attached = cloud.client("iam").list_attached_role_policies(RoleName="chats-task")
        assert cloud.client("dynamodb").list_tables()["TableNames"] == []
    (policy,) = attached["AttachedPolicies"]
    assert "RuntimePolicy" in policy["PolicyArn"]
    assert "chats\n" in done.stdout  # the block of Python
    assert "ada idle\n" in done.stdout
    verified = re.findall(r"^.*no problems.*$", done.stdout, re.MULTILINE)
    assert len(verified) == 2
    assert verified[0] == verified[1]  # as many threads and items as in the old table
    restored = done.stdout.rpartition(verified[1])[2]
    assert "I am Ada" in restored
    assert "Hello Ada" in restored
    lost = re.findall(r"(\w+): configured True, found False", restored)
    assert {"EnableTtl", "EnablePointInTimeRecovery"} <= set(lost)
    assert re.search(r"may PutItem +ok", done.stdout)
