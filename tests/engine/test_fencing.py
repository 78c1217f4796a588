"""Fencing: a checkpoint that continues one which is no longer the newest is refused."""

from __future__ import annotations

import operator
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any

import pytest
from conftest import MakeSaver
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.graph import START, StateGraph
from langgraph.types import Command, StateUpdate, interrupt
from typing_extensions import TypedDict

import play
from capacity import Costs
from chat import chat, converse
from either import Either
from graph_scenarios import functional, interrupts, shapes, time_travel
from langgraph_checkpoint_dynamodb import (
    ConflictError,
    StaleParentError,
)
from langgraph_checkpoint_dynamodb.checkpoints import fencing
from langgraph_checkpoint_dynamodb.format import items, keys
from langgraph_checkpoint_dynamodb.maintenance.retention import GRACE_SECONDS
from langgraph_checkpoint_dynamodb.storage import conditional_puts
from threads import LARGE, chain, config_of, load_all, put

Opener = Callable[..., Either]


@pytest.fixture
def opener(make_saver: MakeSaver, mode: str) -> Opener:
    """Opens savers on one table, each as a process of its own would; fenced unless told else."""
    table = make_saver(mode=mode).config.table_config.table_name

    def open_one(**settings: Any) -> Either:
        settings = {"fence": True, "initial_retry_delay": 0.001, **settings}
        saver = make_saver(mode=mode, table_name=table, deploy=False, **settings)
        return Either(saver, use_async=mode != "sync")

    return open_one


def id_of(config: Any) -> str:
    return str(config["configurable"]["checkpoint_id"])


async def newest(client: Either, thread_id: str = "t") -> str:
    return id_of((await client.get_tuple(config_of(thread_id))).config)


async def test_the_second_writer_of_a_step_is_refused(opener: Opener) -> None:
    first, second = opener(), opener()
    start = await put(first, config_of("t"), {"a": 0})
    found = await second.get_tuple(config_of("t"))
    winner = await put(first, start, {"a": 1})
    with pytest.raises(StaleParentError) as raised:
        await put(second, found.config, {"a": LARGE})
    told = ("'t'", "namespace ''", id_of(start), f"newest is {id_of(winner)!r}", "checkpoint_id=")
    assert [part for part in told if part not in str(raised.value)] == []
    assert not raised.value.retryable
    assert [id_of(one.config) for one in await load_all(first, "t")] == [
        id_of(winner),
        id_of(start),
    ]
    # The way out.
    found = await second.get_tuple(config_of("t"))
    await put(second, found.config, {"a": 2})


async def test_the_second_that_starts_a_thread_is_refused(opener: Opener) -> None:
    first, second = opener(), opener()
    start = await put(first, config_of("t"), {"a": 1})
    with pytest.raises(
        StaleParentError, match=f"has no parent, but the newest is '{id_of(start)}'"
    ):
        await put(second, config_of("t"), {"a": 2})
    assert await newest(second) == id_of(start)


async def test_namespaces_are_fenced_by_themselves(opener: Opener) -> None:
    client = opener()
    root = await chain(client, "t", 2)
    for ns in ("child", "child#2", "n" * 500):
        own = await chain(client, "t", 2, ns=ns)
        with pytest.raises(StaleParentError, match=re.escape(ns)):
            await put(client, own[0], {"a": 1})
    await put(client, root[-1], {"a": 1})


@pytest.mark.parametrize("source", ["fork", "update"])
async def test_what_says_that_it_forks_may(opener: Opener, source: str) -> None:
    client = opener()
    start, old = await chain(client, "t", 2)
    fork = await put(client, start, {"a": 1}, {"source": source})
    assert await newest(client) == id_of(fork)
    # The head has moved: who goes on from the old newest is told.
    with pytest.raises(StaleParentError, match=f"newest is {id_of(fork)!r}"):
        await put(opener(), old, {"a": 2})
    await put(opener(), fork, {"a": 2})


async def test_a_fork_of_an_older_checkpoint_that_was_asked_for_may(opener: Opener) -> None:
    client, other = opener(), opener()
    start, _ = await chain(client, "t", 2)
    await other.get_tuple(start)
    fork = await put(other, start, {"a": 1})
    assert await newest(client) == id_of(fork)
    with pytest.raises(StaleParentError):
        await put(client, start, {"a": 2})


async def test_to_look_at_the_newest_by_its_id_is_no_wish_to_fork(opener: Opener) -> None:
    client, other = opener(), opener()
    start = await put(client, config_of("t"), {"a": 0})
    await client.get_tuple(start)
    await put(other, start, {"a": 1})
    with pytest.raises(StaleParentError):
        await put(client, start, {"a": 2})


async def test_a_thread_from_before_is_fenced_from_its_next_step(opener: Opener) -> None:
    *_, last = await chain(opener(fence=False), "t", 2)
    client, other = opener(), opener()
    step = await put(client, last, {"a": 1})
    with pytest.raises(StaleParentError):
        await put(other, last, {"a": 2})
    assert await newest(other) == id_of(step)


async def test_a_stale_reader_of_a_thread_from_before_is_refused(opener: Opener) -> None:
    start, _ = await chain(opener(fence=False), "t", 2)
    with pytest.raises(StaleParentError):
        await put(opener(), start, {"a": 2})


async def test_steps_without_fencing_in_between_do_no_harm(opener: Opener) -> None:
    client = opener()
    *_, last = await chain(client, "t", 2)
    between = await put(opener(fence=False), last, {"a": 1})
    step = await put(client, between, {"a": 3})
    assert await newest(client) == id_of(step)
    with pytest.raises(StaleParentError):
        await put(client, between, {"a": 2})


async def taken_over(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """Two checkpoints, the second by who took over from a writer that stopped before its put."""
    client = opener()
    start = await put(client, config_of("t"), {"a": 0}, {"run_id": "first"})
    with monkeypatch.context() as patch:
        patch.setattr(conditional_puts, "put_new", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await put(client, start, {"a": 1})
    return start, await put(opener(), start, {"a": 2}, {"run_id": "second"})


def tombstones(client: Either, scan: Any) -> list[Any]:
    stored = scan(client.target.config.table_config.table_name)
    return [item for item in stored if items.is_tombstone(item)]


async def put_late(
    client: Either, start: Any, tombstone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The put of the writer that stopped: it claimed the head before."""
    late = {**empty_checkpoint(), "id": keys.parse(tombstone["SK"]["S"]).checkpoint_id}
    with monkeypatch.context() as patch:
        patch.setattr(fencing, "claim", lambda *_: iter(()))
        await client.put(start, late, {}, {})


async def test_a_writer_that_dies_between_claim_and_checkpoint_keeps_nobody_out(
    opener: Opener, scan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, step = await taken_over(opener, monkeypatch)
    client = opener()
    assert await newest(client) == id_of(step)
    (dead,) = tombstones(client, scan)
    with pytest.raises(StaleParentError):  # it was only slow
        await put_late(client, start, dead, monkeypatch)
    assert len(await load_all(client, "t")) == 2


DELETIONS: dict[str, Callable[[Either], Any]] = {
    "prune": lambda client: client.prune(["t"]),
    "prune to the last 10": lambda client: client.prune(["t"], keep_last=10),
    "prune of what is old": lambda client: client.prune(["t"], older_than=timedelta(0)),
    "delete of the first run": lambda client: client.delete_for_runs(["first"]),
    "delete of the second run": lambda client: client.delete_for_runs(["second"]),
    "delete of both runs": lambda client: client.delete_for_runs(["first", "second"]),
}


@pytest.mark.parametrize("deletion", DELETIONS)
async def test_a_slow_writer_is_told_also_after_a_deletion(
    opener: Opener, scan: Any, monkeypatch: pytest.MonkeyPatch, deletion: str
) -> None:
    start, _ = await taken_over(opener, monkeypatch)
    client = opener()
    (dead,) = tombstones(client, scan)
    for _ in range(2):
        await DELETIONS[deletion](client)
        assert tombstones(client, scan) == [dead]
    before = await load_all(client, "t")
    with pytest.raises(StaleParentError):
        await put_late(client, start, dead, monkeypatch)
    assert await load_all(client, "t") == before
    # Readers pass over it, also where it is the newest key of all.
    found = await client.get_tuple(config_of("t"))
    assert (found and found.config) == (before[0].config if before else None)


@pytest.mark.parametrize("tells", [True, False])
async def test_a_tombstone_goes_once_its_writer_has_had_its_time(
    opener: Opener, scan: Any, dynamodb: Any, monkeypatch: pytest.MonkeyPatch, tells: bool
) -> None:
    await taken_over(opener, monkeypatch)
    client = opener()
    (tombstone,) = tombstones(client, scan)
    if not tells:  # as earlier versions wrote them
        del tombstone["T"]
        dynamodb.put_item(TableName=client.target.config.table_config.table_name, Item=tombstone)
    now = client.target.clock()
    client.target.clock = lambda: now + GRACE_SECONDS - 60
    await client.prune(["t"])
    assert tombstones(client, scan)
    client.target.clock = lambda: now + GRACE_SECONDS + 60
    await client.prune(["t"])
    assert not tombstones(client, scan)


async def test_who_goes_on_in_a_deleted_thread_is_refused(opener: Opener, scan: Any) -> None:
    client, other = opener(), opener()
    *_, last = await chain(client, "t", 2)
    await other.delete_thread("t")
    assert scan(client.target.config.table_config.table_name) == []
    with pytest.raises(StaleParentError, match=r"there is no checkpoint.*deleted or has expired"):
        await put(client, last, {"a": 1})
    await put(client, config_of("t"), {"a": 2})
    with pytest.raises(StaleParentError):
        await put(client, last, {"a": 1})


async def test_a_copy_goes_on_by_itself(opener: Opener) -> None:
    client = opener()
    start, last = await chain(client, "t", 2)
    await client.copy_thread("t", "copy")
    await client.copy_thread("t", "copy")
    with pytest.raises(StaleParentError):
        await put(client, config_of("copy", checkpoint_id=id_of(start)), {"a": 1})
    await put(client, config_of("copy", checkpoint_id=id_of(last)), {"a": 1})
    await put(client, last, {"a": 1})


async def test_a_pruned_thread_goes_on(opener: Opener) -> None:
    client = opener()
    start, last = await chain(client, "t", 2)
    await client.prune(["t"])
    with pytest.raises(StaleParentError):
        await put(client, start, {"a": 1})
    await put(client, last, {"a": 1})


async def test_a_thread_whose_newest_was_deleted_by_its_run_goes_on(opener: Opener) -> None:
    client = opener()
    start = await put(client, config_of("t"), {"a": 0}, {"run_id": "first"})
    gone = await put(client, start, {"a": 1}, {"run_id": "second"})
    await client.delete_for_runs(["second"])
    with pytest.raises(StaleParentError):
        await put(opener(), gone, {"a": 2})
    step = await put(opener(), start, {"a": 2})
    assert await newest(client) == id_of(step)


async def test_an_expired_thread_starts_anew(opener: Opener) -> None:
    client = opener(enable_ttl=True, ttl_seconds=60)
    *_, last = await chain(client, "t", 2)
    now = client.target.clock()
    client.target.clock = lambda: now + 120
    start = await put(client, config_of("t"), {"a": 2})
    assert await newest(client) == id_of(start)
    with pytest.raises(StaleParentError):
        await put(client, last, {"a": 1})


async def test_heads_expire_with_their_checkpoints(opener: Opener, scan: Any) -> None:
    client = opener(enable_ttl=True, ttl_seconds=60)
    await chain(client, "t", 1)
    stored = scan(client.target.config.table_config.table_name)
    (head,) = [item for item in stored if item["SK"]["S"].startswith("H#")]
    (checkpoint,) = [item for item in stored if re.fullmatch("C#[^#]*#[^#]*", item["SK"]["S"])]
    assert head["ttl"] == checkpoint["ttl"]


async def test_no_method_takes_a_head_for_a_checkpoint(opener: Opener) -> None:
    client = opener()
    configs = [*await chain(client, "t", 2), *await chain(client, "t", 1, ns="child")]
    await chain(client, "u", 1)
    assert len(await client.list(None)) == 4
    assert {id_of(one.config) for one in await load_all(client, "t")} == set(map(id_of, configs))


async def test_an_id_that_sorts_before_its_parent_is_refused(opener: Opener) -> None:
    client = opener()
    start = await put(client, config_of("t"), {"a": 0})
    late = {**empty_checkpoint(), "id": "0" + str(uuid6())[1:]}
    with pytest.raises(ConflictError, match=r"sorts before.*clocks"):
        await client.put(start, late, {}, {})
    with pytest.raises(ConflictError, match=r"sorts before.*clocks"):
        await client.put(start, {**empty_checkpoint(), "id": id_of(start)}, {}, {})


async def test_what_a_fenced_put_costs(make_saver: MakeSaver, mode: str) -> None:
    costs = Costs()
    client = Either(make_saver(mode=mode, fence=True, costs=costs), use_async=mode != "sync")
    parent = await put(client, config_of("t"), {"a": 0})
    costs.reset()
    await put(client, parent, {"a": 1})
    assert (costs.calls, costs.write_units, costs.read_units) == ({"PutItem": 2}, 2, 0)


# Graphs


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


def steps() -> StateGraph[State]:
    def ask(state: State) -> State:
        return {"log": [interrupt("go on?")]}

    builder = StateGraph(State)
    builder.add_node("a", lambda state: {"log": ["a"]})
    builder.add_node("ask", ask)
    builder.add_node("b", lambda state: {"log": ["b"]})
    builder.add_edge(START, "a").add_edge("a", "ask").add_edge("ask", "b")
    return builder


def graph_of(client: Either) -> Either:
    compiled = steps().compile(checkpointer=client.target)
    return Either(compiled, use_async=client._prefix == "a")


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_a_run_that_another_has_overtaken_ends_with_the_error(
    opener: Opener, durability: str
) -> None:
    first, second = opener(), opener()
    overtaking: list[Awaitable[Any]] = []

    class Overtaken(type(second.target)):  # type: ignore[misc]
        """Another process runs whenever this one has read where it goes on from."""

        def put(self, *arguments: Any) -> Any:
            self.overtake()
            return super().put(*arguments)

        async def aput(self, *arguments: Any) -> Any:
            self.overtake()
            return await super().aput(*arguments)

        def overtake(self) -> None:
            if overtaking:
                overtaking.pop()
                steps().compile(checkpointer=first.target).invoke(
                    {"log": ["faster"]}, play.thread(), durability="sync"
                )

    await graph_of(first).invoke({"log": ["begin"]}, play.thread())
    second.target.__class__ = Overtaken
    overtaking.append(None)  # type: ignore[arg-type]
    with pytest.raises(StaleParentError):
        await graph_of(second).invoke({"log": ["slower"]}, play.thread(), durability=durability)
    state = await graph_of(first).get_state(play.thread())
    assert state.values["log"] == ["begin", "a", "faster", "a"]
    # It can be run again.
    result = await graph_of(second).invoke(Command(resume="yes"), play.thread())
    assert result["log"] == ["begin", "a", "faster", "a", "yes", "b"]


async def test_every_fork_on_purpose_of_a_graph_may(opener: Opener) -> None:
    graph = graph_of(opener())
    await graph.invoke({"log": ["begin"]}, play.thread())
    await graph.invoke(Command(resume="yes"), play.thread())
    history = await graph.get_state_history(play.thread())
    asking, begun = history[2].config, history[3].config
    assert history[2].next == ("ask",)

    async def forked(run: Awaitable[Any]) -> None:
        before = await graph.get_state(play.thread())
        await run
        after = await graph.get_state(play.thread())
        assert id_of(after.config) > id_of(before.config)

    for durability in ("sync", "async", "exit"):
        how = {"durability": durability}
        await forked(graph_of(opener()).invoke(None, begun, **how))
        await forked(graph_of(opener()).invoke({"log": ["new"]}, begun, **how))
        await forked(graph_of(opener()).invoke(Command(resume="no"), asking, **how))
    await forked(graph_of(opener()).update_state(begun, {"log": ["edit"]}))
    await forked(graph_of(opener()).update_state(play.thread(), {"log": ["edit"]}))
    await forked(graph_of(opener()).update_state(play.thread(), None, as_node="__copy__"))
    updates = [
        [StateUpdate({"log": ["input"]}, "__input__")],
        [StateUpdate({"log": ["as a"]}, "a")],
    ]
    await forked(graph_of(opener()).bulk_update_state(begun, updates))
    await forked(graph_of(opener()).bulk_update_state(play.thread(), updates))
    # And a run that was told nothing of it goes on from the newest.
    await forked(graph_of(opener()).invoke({"log": ["go on"]}, play.thread()))


SCENARIOS = {
    f"{module.__name__.removeprefix('graph_scenarios.')}: {name}": scenario
    for module in (functional, interrupts, shapes, time_travel)
    for name, scenario in vars(module).items()
    if getattr(scenario, "__module__", None) == module.__name__
    and getattr(scenario, "__annotations__", {}).get("play") == "Play"
}


@pytest.mark.parametrize("name", SCENARIOS)
async def test_fencing_is_not_seen_by_one_writer(make_saver: MakeSaver, name: str) -> None:
    """Whatever else is tested of graphs: the same states and histories with it."""
    table = make_saver().config.table_config.table_name
    settings = {"table_name": table, "deploy": False, "fence": True}
    await play.compare(SCENARIOS[name], lambda: make_saver(**settings), use_async=False)


async def test_a_chat_of_100_turns_takes_a_request_and_a_unit_more_for_each_checkpoint(
    make_saver: MakeSaver,
) -> None:
    totals = []
    for fenced_too in (False, True):
        costs = Costs()
        saver = make_saver(mode="sync", fence=fenced_too, costs=costs)
        costs.reset()
        await converse(Either(chat(saver), use_async=False), 100)
        totals.append((costs.requests, costs.write_units, costs.read_units))
    plain, fenced = totals
    requests, write_units, read_units = (
        more - less for more, less in zip(fenced, plain, strict=True)
    )
    assert (requests, read_units) == (300, 0)
    # Ids differ from run to run, and with them what compresses.
    assert 290 <= write_units <= 310
