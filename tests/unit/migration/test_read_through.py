"""`read_through`: a thread that is not here is copied at its first use, and what that costs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver

from fake_table import TABLE
from golden_table import GoldenTable
from langgraph_checkpoint_dynamodb import (
    ConfigurationError,
    CorruptCheckpointError,
    DynamoDBSaver,
    InvalidInputError,
)
from langgraph_checkpoint_dynamodb.runtime.effects import Call
from migration_graph import THREADS, answer, ask, converse, make_graph
from migration_sources import Dump

ADA, GRACE = THREADS
THREAD = THREADS[ADA]
DUMP = Dump("0.1.3")
SOURCE = DUMP.source(TABLE)
NEWEST = max(one.id for one in DUMP.put if one.name[:2] == (ADA, ""))
AT_NEWEST: Any = {"configurable": {"thread_id": ADA, "checkpoint_ns": "", "checkpoint_id": NEWEST}}


@pytest.fixture(scope="module")
def memory() -> InMemorySaver:
    saver = InMemorySaver()
    converse(saver)
    return saver


def methods(table: GoldenTable, call: Callable[[], Any]) -> list[str]:
    """The requests of a call."""
    table.calls.clear()
    call()
    return [one.method for one in table.calls]


@pytest.mark.parametrize(
    "use",
    [
        lambda saver: saver.get_tuple(THREAD),
        lambda saver: saver.get_tuple(AT_NEWEST),
        lambda saver: next(saver.list(THREAD, limit=1)),
        lambda saver: next(saver.list(THREAD, before=AT_NEWEST)),
        lambda saver: saver.get_delta_channel_history(config=AT_NEWEST, channels=["log"]),
        lambda saver: saver.put_writes(AT_NEWEST, [("answer", "x")], "task"),
        lambda saver: saver.put(AT_NEWEST, {**empty_checkpoint(), "id": "2"}, {}, {}),
        lambda saver: saver.copy_thread(ADA, "copy"),
    ],
)
def test_every_first_use_copies_the_thread(use: Callable[[DynamoDBSaver], Any]) -> None:
    table = DUMP.in_memory()
    assert use(table.saver(read_through=SOURCE)) != []
    ids = {key[1] for key in table.items if key[0] == ADA and key[1].startswith("C#")}
    assert {
        f"C#{ns}#{one}" for _, ns, one in (put.name for put in DUMP.put if put.name[0] == ADA)
    } <= ids
    assert (ADA, "M#") in table.items


def test_a_first_prune_copies_the_thread(memory: InMemorySaver) -> None:
    table = GoldenTable()
    table.saver(read_through=memory).prune([ADA])
    copied = GoldenTable()
    copied.saver().migrate(memory, [ADA])
    assert (ADA, "M#") in table.items
    copied.saver().prune([ADA])
    assert table.items == copied.items
    assert table.saver(read_through=memory).get_tuple(THREAD)


def test_what_looks_at_the_table_only(memory: InMemorySaver) -> None:
    table = GoldenTable()
    saver = table.saver(read_through=memory)
    assert saver.storage(ADA).total.items == 0
    assert [one.kind for one in saver.verify(ADA).problems] == []
    assert saver.verify(ADA).missing
    assert not table.items


@pytest.mark.parametrize(
    "settings", [{}, {"fence": True}, {"ttl_seconds": 3600}, {"share_puts": True}], ids=str
)
def test_a_run_continues_a_thread_of_the_source(
    memory: InMemorySaver, settings: dict[str, Any]
) -> None:
    table = GoldenTable()
    graph = make_graph(table.saver(read_through=memory, **settings))
    assert graph.get_state(THREAD).next == ("child",)
    answer(graph, THREAD, "here")
    assert len(memory.storage[ADA][""]) < len(list(graph.get_state_history(THREAD)))
    assert "here to 3" in make_graph(table.saver()).get_state(THREAD).values["log"]


def test_threads_that_continue_here_cost_no_request() -> None:
    def turn(saver: DynamoDBSaver) -> None:
        config: Any = {"configurable": {"thread_id": "new", "checkpoint_ns": ""}}
        found = saver.get_tuple(config)
        checkpoint = {**empty_checkpoint(), "id": found.checkpoint["id"] + "1" if found else "1"}
        config = saver.put(found.config if found else config, checkpoint, {}, {})
        saver.put_writes(config, [("a", 1)], "task")
        saver.get_delta_channel_history(config=config, channels=["a"])
        list(saver.list(config))

    costs: list[Any] = []
    for settings in ({}, {"read_through": InMemorySaver()}):
        table = GoldenTable()
        turn(table.saver(**settings))
        new_process = partial(table.saver, **settings)
        costs.append([methods(table, lambda make=new_process: turn(make())) for _ in range(3)])
    assert costs[0] == costs[1]


def test_what_the_first_use_in_a_process_costs(memory: InMemorySaver) -> None:
    table = GoldenTable()
    table.saver(read_through=memory).get_tuple(THREAD)
    ask(make_graph(table.saver(read_through=memory)), THREADS[GRACE], 7)

    def first(use: Callable[[DynamoDBSaver], Any]) -> tuple[int, int]:
        """Requests without the setting, and how many more there are with it."""
        (plain, more) = (
            methods(table, lambda saver=saver: use(saver))
            for saver in (table.saver(), table.saver(read_through=memory))
        )
        assert set(more) == set(plain)
        return len(plain), len(more) - len(plain)

    def get(thread_id: str) -> tuple[int, int]:
        config = {"configurable": {"thread_id": thread_id}}
        return first(lambda saver: saver.get_tuple(config))

    def list_all(thread_id: str) -> int:
        config = {"configurable": {"thread_id": thread_id}}
        return first(lambda saver: list(saver.list(config)))[1]

    assert (get(GRACE)[1], list_all(GRACE)) == (0, 1)  # it continues here
    assert (get(ADA)[1], list_all(ADA)) == (1, 2)  # it was copied, and nothing was put since
    assert get("new") == (1, 2)  # it is in neither

    saver = table.saver(read_through=memory)
    saver.get_tuple(THREAD)
    assert methods(table, lambda: saver.get_tuple(THREAD)) == ["query", "query"]


def test_a_deleted_thread_is_not_copied_again(memory: InMemorySaver) -> None:
    table = GoldenTable()
    for used in (True, False):
        thread = THREADS[ADA if used else GRACE]
        saver = table.saver(read_through=memory)
        if used:
            assert saver.get_tuple(thread)
        saver.delete_thread(thread["configurable"]["thread_id"])
        for one in (saver, table.saver(read_through=memory)):
            assert one.get_tuple(thread) is None
            assert list(one.list(thread)) == []
    assert table.saver().migrate(memory).checkpoints == 0


def test_a_thread_whose_newest_run_was_deleted_is_not_copied_again(memory: InMemorySaver) -> None:
    table = GoldenTable()
    table.saver(read_through=memory).get_tuple(THREAD)
    for key in [key for key in table.items if key[1].startswith("C##")][-3:]:
        del table.items[key]
    before = dict(table.items)
    assert table.saver(read_through=memory).get_tuple(THREAD)
    assert table.items == before


def test_a_copy_that_was_cut_is_completed_at_the_next_first_use(memory: InMemorySaver) -> None:
    table = GoldenTable()
    whole = make_graph(memory).get_state(THREAD)
    for left in (1, 10, 10):
        writes = iter(range(left))

        def cut(call: Call, writes: Any = writes) -> None:
            if call.method == "put_item" and next(writes, None) is None:
                raise KeyboardInterrupt

        table.fault = cut
        with pytest.raises(KeyboardInterrupt):
            table.saver(read_through=memory).get_tuple(THREAD)
        table.fault = lambda call: None
        partial = dict(table.items)
        assert make_graph(table.saver(read_through=memory)).get_state(THREAD).values == whole.values
        table.items = partial


def test_first_uses_at_the_same_time(memory: InMemorySaver) -> None:
    """One process is in its copy when another has copied, continued and deleted a part."""
    for at in (1, 10, 40):
        table = GoldenTable()
        writes = iter(range(at))

        def interrupt(call: Call, table: Any = table, writes: Any = writes) -> None:
            if call.method == "put_item" and next(writes, None) is None:
                table.fault = lambda call: None
                answer(make_graph(table.saver(read_through=memory)), THREAD, "the other")

        table.fault = interrupt
        slow = table.saver(read_through=memory)
        slow.get_tuple(THREAD)
        for saver in (slow, table.saver(read_through=memory)):
            state = make_graph(saver).get_state(THREAD)
            assert state.values["messages"][-1].content == "the other to 3"
            assert state.next == ()
        assert table.saver().verify(ADA).ok


def test_a_source_that_cannot_be_read_is_an_error_and_not_an_older_state() -> None:
    table = DUMP.in_memory()
    key = (ADA, f"#checkpoint#{NEWEST}")
    table.items[key] = {
        name: value for name, value in table.items[key].items() if name != "metadata"
    }
    saver = table.saver(read_through=SOURCE)
    for _ in range(2):
        with pytest.raises(CorruptCheckpointError, match="'metadata'"):
            saver.get_tuple(THREAD)


def test_what_is_no_source() -> None:
    table = GoldenTable()
    with pytest.raises(
        ConfigurationError, match="read_through is a str: pass another checkpointer"
    ):
        table.saver(read_through="chats")
    saver = table.saver()
    with pytest.raises(InvalidInputError, match="source is this saver itself"):
        saver.migrate(saver)
    with pytest.raises(InvalidInputError, match="dry_run=1"):
        saver.migrate(InMemorySaver(), dry_run=1)
