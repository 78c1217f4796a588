"""`apply_ttl` that fails at any of its requests."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import pytest

from fake_table import TABLE, FakeTable
from langgraph_checkpoint_dynamodb import (
    DynamoDBConfig,
    DynamoDBSaver,
    DynamoDBTableConfig,
    UnavailableError,
)
from threads import config_of

DAY = 86_400
THREAD = config_of("thread")


class FakeSaver(DynamoDBSaver):
    table: FakeTable

    def _run(self, operation: Any, counters: Any = None) -> Any:
        return self.table.run(operation)


@pytest.mark.parametrize("seed", range(20))
def test_broken_off_anywhere_it_shows_no_older_state_and_can_be_repeated(seed: int) -> None:
    """Whatever was reached before a failure, the newest checkpoint is the last to expire."""
    chance = random.Random(seed)
    table = FakeTable()
    now = [1_800_000_000.0]

    def saver(ttl_seconds: int | None) -> FakeSaver:
        settings = DynamoDBTableConfig(table_name=TABLE, enable_ttl=True, ttl_seconds=ttl_seconds)
        made = FakeSaver(DynamoDBConfig(table_config=settings))
        made.table, made.clock = table, lambda: now[0]
        return made

    config: Any = THREAD
    for number in range(1, 8):
        checkpoint = {
            "v": 1,
            "id": f"{number}",
            "channel_values": {"x": chance.randbytes(3_000)},
            "channel_versions": {"x": str(number)},
        }
        config = saver(None).put(config, checkpoint, {}, {"x": str(number)})
    calls = [0]
    last = chance.randrange(1, 12)

    def fail(call: Any) -> None:
        calls[0] += 1
        if calls[0] > last:
            raise UnavailableError("gone")

    table.fault = fail
    with suppress(UnavailableError):
        saver(DAY).apply_ttl(["thread"])
    table.fault = lambda call: None
    start = now[0]
    for share in (0.5, 1.5, 2.5):
        now[0] = start + DAY * share
        found = saver(DAY).get_tuple(THREAD)
        assert found is None or found.checkpoint["id"] == "7"
        assert found is not None or share > 1
    now[0] = start + 60
    saver(DAY).apply_ttl(["thread"])
    now[0] = start + DAY + 61
    assert saver(DAY).get_tuple(THREAD) is None
