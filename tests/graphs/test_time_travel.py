"""Earlier states: edited, forked from, run again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from graph_scenarios.time_travel import SCENARIOS
from play import Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_time_travel(
    scenario: Scenario, compare: Callable[[Scenario], Awaitable[None]]
) -> None:
    await compare(scenario)
