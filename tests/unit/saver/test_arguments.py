"""Arguments that are checked before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from langgraph_checkpoint_dynamodb import (
    DynamoDBSaver,
    InvalidInputError,
)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, c, p: s.put(c, p, None, {}), "metadata=None"),
        (lambda s, c, p: s.put(c, p, {}, None), "new_versions=None"),
        (lambda s, c, p: s.put_writes(c, None, "t"), "writes=None"),
        (lambda s, c, p: s.put_writes(c, [("a",)], "t"), r"writes=\[\('a',\)\]"),
        (lambda s, c, p: s.put_writes(c, {"a": 1}, "t"), "writes={'a': 1}"),
        (lambda s, c, p: s.get_delta_channel_history(config=c, channels="ab"), "channels='ab'"),
    ],
)
def test_what_a_call_is_made_of_is_checked_before_anything_is_sent(call: Any, message: str) -> None:
    saver = DynamoDBSaver()
    saver._run = lambda operation: pytest.fail("sent")  # type: ignore[method-assign]
    config = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "1"}}
    checkpoint = {"id": "2", "channel_values": {}, "channel_versions": {}}
    with pytest.raises(InvalidInputError, match=message):
        call(saver, config, checkpoint)
