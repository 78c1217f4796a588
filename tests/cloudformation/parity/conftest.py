"""Fixtures: the oracle, and a template that is parsed but once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from langgraph_checkpoint_dynamodb.infra import api_calls
from parity.oracle import Oracle, run_oracle
from stacks import TEMPLATE


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    with run_oracle() as running:
        yield running


@pytest.fixture(autouse=True, scope="module")
def parsed_template() -> Iterator[None]:
    """Spare each configuration the fifth of a second that parsing takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api_calls, "load_template", lambda: TEMPLATE)
        yield
