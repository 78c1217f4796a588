"""Levels of the package: who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import langgraph_checkpoint_dynamodb

PACKAGE = Path(langgraph_checkpoint_dynamodb.__file__).parent

# Each level imports modules of earlier levels, or of its own.
LEVELS = [
    {"errors", "operation", "processes", "cache", "garbage", "in_flight"},
    {
        "table_config",
        "elements",
        "leaves",
        "reuse",
        "chunking",
        "codec",
        "keys",
        "message_prototypes",
        "requests",
        "snapshots",
        "trees",
        "versions",
    },
    {
        "config",
        "context",
        "lifetimes",
        "serializers",
        "message_memo",
        "memory",
        "bodies",
        "items",
        "intrinsics",
        "report",
    },
    {"batches", "chains", "chunk_writer", "chunks", "overwriting", "shared_puts", "template"},
    {
        "opening",
        "recall",
        "read",
        "parent",
        "discovery",
        "listing",
        "history",
        "table_requests",
        "describe",
    },
    {
        "apply_ttl",
        "fence",
        "pending",
        "write",
        "maintain",
        "deploy",
        "destroy",
        "plan",
        "renaming",
        "selection",
        "stack",
        "subgraphs",
        "survey",
        "suspects",
        "verify",
    },
    {"service", "sharing", "sync_driver", "loop_clients", "async_driver", "arguments"},
    {"maintenance", "provisioning", "saver"},
    {"__init__"},
    {"infra"},
]
DRIVERS = {"service", "sync_driver", "loop_clients", "async_driver"}
CLIENT_LIBRARIES = {"boto3", "botocore", "aiobotocore", "aioboto3", "asyncio", "tenacity"}
IMPURE = {"time", "random", "secrets", "socket", "threading"}
MAY_BE_IMPURE = {
    **dict.fromkeys(DRIVERS, IMPURE),
    "saver": {"time"},
    "versions": {"secrets"},
    "cache": {"threading"},
    "in_flight": {"threading"},
    "sharing": {"threading"},
}


def imports_of(module: str) -> tuple[set[str], set[str]]:
    """What a module imports at run time: of this package, and top-level names of others."""
    own: set[str] = set()
    others: set[str] = set()
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    typing_only = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.level:
            own |= {node.module} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            others.add(str(node.module).split(".")[0])
        elif isinstance(node, ast.Import):
            others |= {alias.name.split(".")[0] for alias in node.names}
    return own, others


MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))


def test_every_module_has_a_level() -> None:
    assert sorted(name for level in LEVELS for name in level) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    level = next(index for index, names in enumerate(LEVELS) if module in names)
    allowed = set().union(*LEVELS[: level + 1])
    assert imports_of(module)[0] <= allowed


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {module: imports_of(module)[0] for module in MODULES}
    assert sorted(TopologicalSorter(graph).static_order()) == MODULES


@pytest.mark.parametrize("module", sorted(set(MODULES) - DRIVERS))
def test_only_drivers_import_client_libraries(module: str) -> None:
    assert not imports_of(module)[1] & CLIENT_LIBRARIES


@pytest.mark.parametrize("module", MODULES)
def test_the_core_reads_no_clock_and_draws_no_random_number(module: str) -> None:
    assert imports_of(module)[1] & IMPURE <= MAY_BE_IMPURE.get(module, set())


@pytest.mark.parametrize("absent", ["aiobotocore", "aioboto3"])
def test_importing_the_package_needs_no_async_library(absent: str) -> None:
    script = (
        f"import sys; sys.modules[{absent!r}] = None; "
        "import langgraph_checkpoint_dynamodb as p; p.DynamoDBSaver()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
