"""Where tests stand, as `docs/contributing.md` says."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import langgraph_checkpoint_dynamodb

TESTS = Path(__file__).parents[1]
PACKAGE = Path(langgraph_checkpoint_dynamodb.__file__).parent
_IMPORT = re.compile(r"^\s*(?:from|import) (test_\w+)", re.MULTILINE)


def test_unit_tests_stand_in_a_directory_named_as_the_package_they_test() -> None:
    directories = {path.parent.name for path in (TESTS / "unit").glob("*/test_*.py")}
    assert directories <= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def test_no_test_module_imports_another() -> None:
    found = {path.name: _IMPORT.findall(path.read_text()) for path in TESTS.rglob("*.py")}
    assert {name: modules for name, modules in found.items() if modules} == {}


def test_names_of_test_files_are_unique() -> None:
    names = Counter(path.name for path in TESTS.rglob("test_*.py") if "cdk" not in path.parts)
    assert [name for name, count in names.items() if count > 1] == []
