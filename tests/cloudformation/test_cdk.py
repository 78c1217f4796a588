"""The extra `infra`: tests/cloudformation/cdk run in an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from cfnlint import api
from cfnlint.config import ManualArgs

from tools import tool

ROOT = Path(__file__).parents[2]
WITHOUT_CDK = "import sys; sys.modules['aws_cdk'] = None; "


def run(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_package_never_imports_cdk() -> None:
    package = "import langgraph_checkpoint_dynamodb as p; p.DynamoDBSaver()"
    done = run(sys.executable, "-c", WITHOUT_CDK + package)
    assert done.returncode == 0, done.stderr


def test_without_the_extra_the_error_says_how_to_get_it() -> None:
    done = run(
        sys.executable,
        "-c",
        WITHOUT_CDK + "from langgraph_checkpoint_dynamodb.infra import DynamoDBCheckpointStack",
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: langgraph_checkpoint_dynamodb.infra needs aws-cdk-lib")
    assert last.endswith('pip install "langgraph-checkpoint-amazon-dynamodb[infra]>=1.0"')


def test_the_stack() -> None:
    done = run(tool("cdk", "python"), "-m", "pytest", "tests/cloudformation/cdk")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example(tmp_path: Path) -> None:
    python = tool("cdk", "python")
    done = run(python, "examples/cdk_app.py", CDK_OUTDIR=str(tmp_path))  # as `cdk synth` runs it
    assert done.returncode == 0, done.stderr
    artifacts = json_of(tmp_path / "manifest.json")["artifacts"]
    assert artifacts["Checkpoints"]["properties"]["tags"] == {"team": "assistants"}
    assert "Checkpoints" in artifacts["Service"]["dependencies"]
    # Neither CDK's checks nor cfn-lint find anything.
    assert json_of(tmp_path / "validation-report.json")["pluginReports"] == []
    template = (tmp_path / "Checkpoints.template.json").read_text(encoding="utf-8")
    found = api.lint(template, config=ManualArgs(regions=["eu-central-1"]))
    assert [f"{match.rule.id} {match.message}" for match in found] == []


def json_of(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
