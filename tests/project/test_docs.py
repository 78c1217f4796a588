"""What the pages of docs say: their code runs, and the start page leads to each of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["costs", "threads"])
def test_the_blocks_of_a_page_run_one_after_another(
    page: str, endpoint_url: str, dynamodb: Any, tmp_path: Path
) -> None:
    text = (DOCS / f"{page}.md").read_text()
    code = "".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    said = re.findall(r"^\s*print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    environment = os.environ | {
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint_url,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-c", code * 2],  # a page can be run again
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            check=False,
        )
    finally:
        dynamodb.delete_table(TableName="langgraph-checkpoint")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [line for each in said * 2 for line in each.split(", then ")]


def test_every_install_line_asks_for_this_release() -> None:
    """The name's 0.1.3 on PyPI is another author's package."""
    pages = [DOCS.parent / "README.md", *DOCS.glob("*.md"), *DOCS.parent.glob("examples/**/*.md")]
    named = [
        line
        for page in pages
        for line in page.read_text().splitlines()
        if re.search(r"install.*langgraph-checkpoint-amazon-dynamodb", line)
    ]
    assert len(named) >= 3
    assert [line for line in named if ">=1.0" not in line and "==0.1.3" not in line] == []


def test_the_start_page_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\(([a-z-]+\.md)", (DOCS / "README.md").read_text()))
    assert {page.name for page in DOCS.glob("*.md")} - linked == {"README.md"}


def test_the_readme_leads_to_the_start_page() -> None:
    assert "](docs/README.md)" in (DOCS.parent / "README.md").read_text()
