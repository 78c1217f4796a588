"""A call that stores chunks and fails: what it has stored counts when it is made again."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from either import Either
from fake_table import TABLE, FakeTable
from langgraph_checkpoint_dynamodb import AccessDeniedError, DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.format.items import sort_key
from langgraph_checkpoint_dynamodb.runtime.effects import Call, ConditionFailed
from sessions import MODES, Scripted, refusal
from threads import config_of, put

VALUE = random.Random(3).randbytes(600_000)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("writes", [False, True], ids=["put", "put_writes"])
async def test_a_call_that_failed_writes_no_acknowledged_chunk_again(
    mode: str, writes: bool
) -> None:
    table, stored, batches = FakeTable(), Counter[str](), Counter[str]()

    def answer(call: Call) -> Any:
        if call.method == "batch_write_item":
            batches[call.method] += 1
            if batches[call.method] == 3:
                return refusal("AccessDeniedException")
            stored.update(
                sort_key(one["PutRequest"]["Item"]) for one in call.params["RequestItems"][TABLE]
            )
        reply = table.answer(call)
        return refusal("ConditionalCheckFailed") if isinstance(reply, ConditionFailed) else reply

    saver = Scripted(mode).saver(answer, table_config=DynamoDBTableConfig(table_name=TABLE))
    client = Either(saver, use_async=mode != "sync")
    parent = await put(client, config_of("thread"), {"a": "small"})

    async def store() -> Any:
        if writes:
            return await client.put_writes(parent, [("a", VALUE)], "task")
        return await put(client, parent, {"a": VALUE})

    with pytest.raises(AccessDeniedError):
        await store()
    before = sum(stored.values())
    assert before
    await store()
    assert sum(stored.values()) > before
    assert set(stored.values()) == {1}
    await saver.aclose()
