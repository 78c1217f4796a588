"""A graph that asks a human, stops, and goes on in another process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from graph_scenarios.interrupts import SCENARIOS
from play import Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_interrupts(
    scenario: Scenario, compare: Callable[[Scenario], Awaitable[None]]
) -> None:
    await compare(scenario)
