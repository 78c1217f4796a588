"""Fan-out, subgraphs with and without their own memory, messages, joins, parents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from graph_scenarios.shapes import SCENARIOS
from play import Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_shapes(scenario: Scenario, compare: Callable[[Scenario], Awaitable[None]]) -> None:
    await compare(scenario)
