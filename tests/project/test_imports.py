"""What importing the package needs; the levels of its modules are import-linter's (`make lint`)."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("absent", ["aiobotocore", "aioboto3", "opentelemetry"])
def test_importing_the_package_needs_no_library_of_an_extra(absent: str) -> None:
    script = (
        f"import sys; sys.modules[{absent!r}] = None; "
        "import langgraph_checkpoint_dynamodb as p; p.DynamoDBSaver()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
