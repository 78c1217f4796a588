"""What the events of operations say, compared with what was sent, in every mode."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from conftest import MakeSaver
from langgraph.graph import MessagesState

from capacity import Costs
from either import Either
from langgraph_checkpoint_dynamodb import OperationEvent
from threads import LARGE, chain, config_of, put

TTL = 24 * 3600
LOGGER = "langgraph_checkpoint_dynamodb"


class Observed:
    """A saver, the events of its operations, and what botocore says that it sent."""

    def __init__(self, make_saver: MakeSaver, mode: str, **settings: Any) -> None:
        self.events: list[OperationEvent] = []
        self.costs = Costs()
        self._make = lambda **more: Either(
            make_saver(
                mode=mode, costs=self.costs, observer=self.events.append, **{**settings, **more}
            ),
            use_async=mode != "sync",
        )
        self.client = self._make()

    def reset(self) -> None:
        self.events.clear()
        self.costs.reset()

    def another(self, **settings: Any) -> Either:
        """A saver on the same table that has nothing in its memory."""
        table_name = self.client.target.config.table_config.table_name
        return self._make(table_name=table_name, deploy=False, **settings)

    def take(self) -> OperationEvent:
        """The one event since the last one was taken, which agrees with botocore."""
        (event,) = self.events
        assert event.requests == self.costs.requests, (event, self.costs)
        assert event.read_units == self.costs.read_units, (event, self.costs)
        assert event.write_units == self.costs.write_units, (event, self.costs)
        assert event.table == self.client.target.config.table_config.table_name
        assert event.duration > 0
        assert event.error is None
        self.reset()
        return event


@pytest.fixture
def observed(make_saver: MakeSaver, mode: str) -> Observed:
    return Observed(make_saver, mode, enable_ttl=True, ttl_seconds=TTL)


async def test_every_operation_has_one_event_that_says_what_it_sent(observed: Observed) -> None:
    client = observed.client
    assert observed.take().name == "deploy"
    first = await put(client, config_of("t"), {"document": LARGE}, {"run_id": "run"})
    event = observed.take()
    assert event.name == "put"
    assert event.chunks_written > 1
    assert event.write_units > 40
    await client.put_writes(first, [("document", LARGE)], "task")
    event = observed.take()
    assert (event.name, event.chunks_written) == ("put_writes", 0)
    assert event.chunks_reused > 1
    await client.get_tuple(first)
    event = observed.take()
    assert (event.name, event.cache_misses) == ("get_tuple", 0)
    assert event.cache_hits > 1
    assert len(await client.list(config_of("t"))) == 1
    assert observed.take().name == "list"
    await client.get_delta_channel_history(config=first, channels=["document"])
    assert observed.take().name == "get_delta_channel_history"
    await client.copy_thread("t", "copy")
    event = observed.take()
    assert event.name == "copy_thread"
    assert event.chunks_written > 1
    assert (await client.verify()).threads == 2
    assert observed.take().name == "verify"
    await client.apply_ttl()
    assert observed.take().name == "apply_ttl"
    await client.prune(["t", "copy"])
    assert observed.take().name == "prune"
    await client.delete_for_runs(["run"])
    assert observed.take().name == "delete_for_runs"
    await client.delete_thread("copy")
    assert observed.take().name == "delete_thread"
    await client.plan()
    assert observed.take().name == "plan"
    await client.destroy()
    assert observed.take().name == "destroy"


async def test_chunks_of_an_unchanged_value_are_reused(observed: Observed) -> None:
    observed.reset()
    parent = await put(observed.client, config_of("t"), {"document": LARGE})
    written = observed.take().chunks_written
    await put(observed.client, parent, {"document": LARGE, "more": 1})
    event = observed.take()
    assert (event.chunks_written, event.chunks_reused) == (0, written)


async def test_a_process_without_memory_has_cache_misses(observed: Observed) -> None:
    *_, newest = await chain(observed.client, "t", 2)
    observed.reset()
    another = observed.another()
    await another.get_tuple(newest)
    event = observed.take()
    assert event.cache_hits == 0
    assert event.cache_misses > 1
    await another.get_tuple(newest)
    event = observed.take()
    assert event.cache_misses == 0
    assert event.cache_hits > 1


async def test_a_put_whose_key_is_taken_counts_every_request(observed: Observed) -> None:
    newest = await put(observed.client, config_of("t"), {"document": LARGE})
    for value in ("one", "another"):
        observed.reset()
        await observed.client.put_writes(newest, [("said", value), ("__error__", value)], "task")
        assert observed.take().requests in {2, 3}


async def test_events_of_a_list_that_is_left_early(make_saver: MakeSaver) -> None:
    observed = Observed(make_saver, "sync")
    await chain(observed.client, "t", 3)
    observed.reset()
    with closing(observed.client.target.list(config_of("t"), limit=2)) as listing:
        next(listing)
    assert observed.take().name == "list"


async def test_operations_that_run_at_once_are_told_apart(make_saver: MakeSaver, mode: str) -> None:
    """Also where their puts share requests: a request counts for one of them."""
    observed = Observed(make_saver, mode, share_puts=True)
    observed.reset()
    if mode == "sync":
        loop = asyncio.get_running_loop()
        calls = [
            loop.run_in_executor(
                None, lambda n=n: asyncio.run(put(observed.client, config_of(f"t{n}"), {"n": n}))
            )
            for n in range(8)
        ]
    else:
        calls = [
            asyncio.ensure_future(put(observed.client, config_of(f"t{n}"), {"n": n}))
            for n in range(8)
        ]
    await asyncio.gather(*calls)
    assert [event.name for event in observed.events] == ["put"] * 8
    assert sum(event.requests for event in observed.events) == observed.costs.requests
    assert sum(event.write_units for event in observed.events) == observed.costs.write_units


async def test_a_graphs_turn_logs_no_content_above_debug_and_none_at_debug(
    make_saver: MakeSaver, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    from langgraph.graph import END, START, StateGraph

    builder = StateGraph(MessagesState)
    builder.add_node("reply", lambda state: {"messages": [("ai", "the reply's words")]})
    builder.add_edge(START, "reply").add_edge("reply", END)
    saver = make_saver(mode=mode)
    graph = Either(builder.compile(checkpointer=saver), use_async=mode != "sync")
    with caplog.at_level(logging.DEBUG, LOGGER):
        await graph.invoke({"messages": [("user", "the user's words")]}, config_of("thread-7"))
    records = [record for record in caplog.records if record.name == LOGGER]
    texts = [record.getMessage() for record in records]
    assert any("write unit" in text and "thread-7" in text for text in texts)
    assert {record.levelno for record in records} == {logging.DEBUG}
    assert not any("words" in text or "test" in text.split("table")[0] for text in texts)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"enable_deletion_protection": True}, "enable_deletion_protection: configured True, "),
        ({"enable_run_index": True}, "enable_run_index: configured True, found False"),
        ({}, None),
    ],
)
def test_deploying_on_a_table_that_differs_warns_once(
    make_saver: MakeSaver,
    caplog: pytest.LogCaptureFixture,
    settings: dict[str, Any],
    told: str | None,
) -> None:
    name = make_saver().config.table_config.table_name
    caplog.clear()
    make_saver(table_name=name, **settings)
    warnings = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert len(warnings) == (told is not None)
    assert all(told is not None and told in warning for warning in warnings)


def test_deploying_and_destroying_log_their_steps(
    make_saver: MakeSaver, caplog: pytest.LogCaptureFixture
) -> None:
    take: Callable[[], list[str]] = lambda: [  # noqa: E731
        record.getMessage().replace(name, "chats")
        for record in caplog.records
        if record.name == LOGGER
    ]
    with caplog.at_level(logging.INFO, LOGGER):
        saver = make_saver(enable_ttl=True)
        name = saver.config.table_config.table_name
        assert take() == [
            "table 'chats' is missing; creating it",
            "table 'chats': sent update_time_to_live",
            "table 'chats' is deployed",
        ]
        caplog.clear()
        make_saver(table_name=name, enable_ttl=True)
        assert take() == ["table 'chats' exists; nothing to do"]
        caplog.clear()
        saver.destroy()
        assert take() == ["deleting table 'chats'", "table 'chats' is deleted"]
