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


@pytest.mark.parametrize(
    "unneeded",
    ["yaml", "tenacity", "ctypes", "aiobotocore", "aioboto3", "aws_cdk", "opentelemetry"],
)
def test_a_run_imports_no_part_that_it_does_not_need(unneeded: str) -> None:
    script = (
        "import sys, langgraph_checkpoint_dynamodb as p; p.DynamoDBSaver(); "
        f"found = [name for name in sys.modules if name.split('.')[0] == {unneeded!r}]; "
        "found += [name for name in sys.modules if '.infra.' in name and p.__name__ in name]; "
        "sys.exit(str(found) if found else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_classes_of_a_plan_are_public_all_the_same() -> None:
    from langgraph_checkpoint_dynamodb import Drift, Plan

    assert (Drift.__name__, Plan.__name__) == ("Drift", "Plan")
