"""The functional API: entrypoints that remember, tasks that are not run twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from graph_scenarios.functional import SCENARIOS
from play import Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_functional(
    scenario: Scenario, compare: Callable[[Scenario], Awaitable[None]]
) -> None:
    await compare(scenario)
