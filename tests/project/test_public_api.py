"""What users import and call changes on purpose only."""

from __future__ import annotations

from public_api import PAGE, public_api


def test_public_names_and_signatures_are_those_committed() -> None:
    assert public_api().splitlines() == PAGE.read_text().splitlines(), (
        "the public API has changed; if that is meant, run `.venv/bin/python "
        "tests/support/public_api.py`, commit tests/project/public_api.txt and tell users in "
        "CHANGELOG.md"
    )
