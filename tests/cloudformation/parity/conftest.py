"""Fixtures: the oracle."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parity.oracle import Oracle, run_oracle


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    with run_oracle() as running:
        yield running
