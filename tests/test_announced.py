"""Chunks sent in the same round as the checkpoint that names them: nothing needs them yet."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from fake_table import TABLE, FakeTable, context
from langgraph_checkpoint_dynamodb import UnavailableError, items, maintain, opening, read, write
from langgraph_checkpoint_dynamodb.codec import Body, unpack_body
from langgraph_checkpoint_dynamodb.context import Place
from langgraph_checkpoint_dynamodb.operation import Call
from langgraph_checkpoint_dynamodb.selection import Keep

PLACE = Place("thread", "")


class Thread:
    """A list that grows by one message of about 1 KB a checkpoint."""

    def __init__(self, table: FakeTable) -> None:
        self.table = table
        self.around = context()
        self.state: list[str] = []
        self.steps = 0

    def put(self, *, grow: bool = True, around: Any = None) -> None:
        before, self.steps = self.steps, self.steps + 1
        if grow:
            self.state = [*self.state, f"{self.steps:04}" * 300]
        made = empty_checkpoint()
        made["id"] = f"{self.steps:08}"
        made["channel_values"] = {"messages": self.state}
        made["channel_versions"] = {"messages": f"a{len(self.state)}"}
        changed = dict(made["channel_versions"]) if grow else {}
        parent = f"{before:08}" if before else None
        self.table.run(write.put(around or self.around, PLACE, made, {}, parent, changed))

    def newest(self) -> Any:
        found = self.table.run(read.get_tuple(context(), PLACE, None))
        return found.checkpoint["channel_values"]["messages"]

    def body(self) -> Body:
        key = max(key for key in self.table.items if key[1].startswith("C#"))
        body = unpack_body(items.packed_body(self.table.items[key]))
        assert isinstance(body, Body)
        return body

    def chunks(self) -> set[str]:
        return {key for _, key in self.table.items if key.startswith("S#")}


def chunks_written(calls: list[Call]) -> list[str]:
    return [
        request["PutRequest"]["Item"]["SK"]["S"]
        for call in calls
        if call.method == "batch_write_item"
        for request in call.params["RequestItems"][TABLE]
    ]


def test_a_growing_list_takes_one_round_a_checkpoint_and_sends_each_chunk_once() -> None:
    thread = Thread(FakeTable())
    for steps in range(1, 101):
        thread.put()
        assert thread.table.rounds == steps
        thread.table.run(read.get_tuple(thread.around, PLACE, None))  # as LangGraph does each turn
        thread.table.rounds = steps
    written = chunks_written(thread.table.calls)
    assert len(written) == len(set(written)) > 50
    assert thread.newest() == thread.state


def test_what_is_announced_is_referred_to_by_the_next_checkpoint() -> None:
    thread = Thread(FakeTable())
    for _ in range(5):
        thread.put()
    announced = thread.body().announced
    assert announced
    thread.put(grow=False)
    (record,) = thread.body().records
    assert record.levels[0][-len(announced) :] == announced
    assert thread.body().announced == ()
    assert thread.newest() == thread.state


def leave_unprocessed(call: Call) -> Any:
    if call.method == "batch_write_item":
        return {"UnprocessedItems": call.params["RequestItems"]}
    return None


def test_what_did_not_arrive_is_not_referred_to() -> None:
    thread = Thread(FakeTable(leave_unprocessed))
    thread.put()
    assert thread.body().announced
    assert not thread.chunks()
    assert thread.newest() == thread.state
    thread.put(grow=False)
    assert not thread.body().records[0].levels
    assert thread.newest() == thread.state
    thread.table.fault = lambda call: None
    for _ in range(5):
        thread.put()
        assert thread.newest() == thread.state


def test_a_round_that_failed_is_not_built_upon() -> None:
    failing = True

    def fail(call: Call) -> None:
        if failing and call.method == "batch_write_item":
            raise UnavailableError("no answer")

    thread = Thread(FakeTable(fail))
    with pytest.raises(UnavailableError):
        thread.put()
    failing = False
    for _ in range(5):
        thread.put()
        assert thread.newest() == thread.state


def test_another_process_trusts_no_announcement() -> None:
    thread = Thread(FakeTable(leave_unprocessed))
    thread.put()
    thread.table.fault = lambda call: None
    other = context()
    thread.table.run(read.get_tuple(other, PLACE, None))
    for _ in range(3):
        thread.put(around=other)
        assert thread.newest() == thread.state


def test_prune_spares_what_the_newest_checkpoint_announces() -> None:
    thread = Thread(FakeTable())
    for _ in range(10):
        thread.put()
    much_later = context(now=context().now + 10 * maintain.GRACE_SECONDS)
    thread.table.run(maintain.prune(much_later, "thread", Keep(last=1)))
    thread.put()
    assert thread.newest() == thread.state


def test_a_new_generation_sends_everything_again() -> None:
    period = 3_600
    start = context().now
    thread = Thread(FakeTable())
    for step in range(20):
        around = context(
            cache=thread.around.cache,
            ttl_attribute="ttl",
            ttl_seconds=period,
            now=start + step * period / 3,
        )
        thread.put(around=around)
        body = thread.body()
        there = thread.chunks()
        wanted = thread.table.run(
            opening.refs_of(
                around,
                "thread",
                [
                    max(
                        (
                            item
                            for (_, key), item in thread.table.items.items()
                            if key.startswith("C#")
                        ),
                        key=items.sort_key,
                    )
                ],
                "here",
            )
        )
        assert body.generation >= around.expiry
        assert {generation for generation, _ in wanted} <= {body.generation}
        assert len(wanted) <= len(there)
        assert thread.newest() == thread.state
