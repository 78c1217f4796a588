"""Special writes and checkpoints that are put again are replaced."""

from __future__ import annotations

from langgraph.checkpoint.serde.types import RESUME

from either import Either
from one_thread import checkpoint
from threads import config_of


async def test_special_writes_and_checkpoints_are_replaced_on_the_engine(client: Either) -> None:
    made = checkpoint(1, a="old")
    config = await client.put(config_of("thread"), made, {}, {"a": "a1"})
    for value in ("yes", "no", "yes"):
        await client.put_writes(config, [(RESUME, value)], "task")
        found = await client.get_tuple(config_of("thread"))
        assert found.pending_writes == [("task", RESUME, value)]
    for value in ("new", "old"):
        changed = checkpoint(1, a=value)
        await client.put(config_of("thread"), changed, {}, {"a": "a1"})
        found = await client.get_tuple(config_of("thread"))
        assert found.checkpoint["channel_values"] == {"a": value}
        assert found.pending_writes == [("task", RESUME, "yes")]
