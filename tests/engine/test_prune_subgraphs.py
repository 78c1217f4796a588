"""What a prune leaves of subgraphs: nothing of past calls, and all that what stays goes on from."""

from __future__ import annotations

import operator
from datetime import timedelta
from typing import Annotated, Any

import pytest
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from clock import later
from either import Either
from langgraph_checkpoint_dynamodb.format import items
from langgraph_checkpoint_dynamodb.maintenance import delete
from play import Play, thread
from threads import config_of, put


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    said: Annotated[list[str], operator.add]


class Said(TypedDict, total=False):
    said: list[str]


class Inner(Said, total=False):
    log: list[str]
    notes: Annotated[list[str], operator.add]


def inner(*, asks: bool = False, memory: bool = False, within: Any = None) -> Any:
    """A subgraph: it notes how many notes there are, may ask, and may have one of its own."""

    def note(state: Inner) -> Inner:
        return {"notes": [f"note {len(state.get('notes', []))}"]}

    def tell(state: Inner) -> Inner:
        answer = interrupt("go on?") if asks and len(state["log"]) % 2 else "unasked"
        return {"said": [f"{state['notes'][-1]}, {answer}"]}

    builder = StateGraph(Inner, output_schema=Said).add_node("note", note).add_node("tell", tell)
    builder.add_edge(START, "note")
    if within is not None:
        builder.add_node("within", within).add_edge("note", "within").add_edge("within", "tell")
    else:
        builder.add_edge("note", "tell")
    return builder.add_edge("tell", END).compile(checkpointer=True if memory else None)


def outer(**subgraphs: Any) -> Any:
    """A graph that runs its subgraphs one after another."""
    builder: Any = StateGraph(State)
    last = START
    for name, subgraph in subgraphs.items():
        builder.add_node(name, subgraph).add_edge(last, name)
        last = name
    return builder.add_edge(last, END)


GRAPHS: dict[str, Any] = {
    "a call": lambda: outer(sub=inner()),
    "two calls": lambda: outer(one=inner(), two=inner()),
    "nested": lambda: outer(sub=inner(within=inner())),
    "memory": lambda: outer(sub=inner(memory=True)),
    "memory within a call": lambda: outer(sub=inner(within=inner(memory=True))),
    "a call within memory": lambda: outer(sub=inner(memory=True, within=inner())),
    "asks": lambda: outer(sub=inner(asks=True)),
    "asks within": lambda: outer(sub=inner(within=inner(asks=True))),
    "asks with memory": lambda: outer(sub=inner(asks=True, memory=True)),
    "asks within memory": lambda: outer(sub=inner(memory=True, within=inner(asks=True))),
    "asks beside memory": lambda: outer(memory=inner(memory=True), sub=inner(asks=True)),
}


@pytest.fixture(params=["sync", pytest.param("async", marks=pytest.mark.aio)])
def mode(request: pytest.FixtureRequest) -> str:
    """Without the async methods in threads: `test_maintenance.py` prunes so too."""
    return str(request.param)


def graph_of(client: Either, builder: Any) -> Either:
    return Play(lambda: client.target, use_async=client.use_async).graph(builder)


async def run(graph: Either, name: str, turns: int) -> Any:
    """Some turns; a question that is open then is answered by the next one."""
    result = None
    for turn in range(turns):
        state = await graph.get_state(thread(name))
        step = Command(resume=f"answer {turn}") if state.next else {"log": [f"turn {turn}"]}
        result = await graph.invoke(step, thread(name))
    return result


async def namespaces(client: Either, name: str) -> list[str]:
    """The namespaces of what is listed, with task ids left out."""
    listed = await client.list({"configurable": {"thread_id": name}})
    found = {one.config["configurable"]["checkpoint_ns"] for one in listed}
    parts = [[part.split(":")[0] for part in ns.split("|")] for ns in sorted(found)]
    return ["|".join(part) for part in parts]


def plain(values: Any) -> Any:
    """A result without the ids of interrupts, which differ from fork to fork."""
    return {name: value for name, value in values.items() if name != "__interrupt__"}


@pytest.mark.parametrize("name", GRAPHS)
async def test_a_thread_goes_on_as_if_it_had_not_been_pruned(client: Either, name: str) -> None:
    graph = graph_of(client, GRAPHS[name]())
    await run(graph, "t", 4)
    await client.copy_thread("t", "whole")
    later(client)
    await client.prune(["t"])
    assert (await client.verify("t")).ok
    for _ in range(2):
        states = [await graph.get_state(thread(one), subgraphs=True) for one in ("t", "whole")]
        assert states[0].values == states[1].values
        assert states[0].next == states[1].next
        results = [plain(await run(graph, one, 3)) for one in ("t", "whole")]
        assert results[0] == results[1]
        later(client)
        await client.prune(["t"])


@pytest.mark.parametrize("name", GRAPHS)
async def test_what_a_prune_spares_replays_and_resumes_as_before(client: Either, name: str) -> None:
    """Also a checkpoint that is no longer the newest, and a fork."""
    graph = graph_of(client, GRAPHS[name]())
    await run(graph, "t", 3)
    history = await graph.get_state_history(thread("t"))
    await graph.invoke(None, history[2].config)  # a fork
    await run(graph, "t", 1)
    await client.copy_thread("t", "pruned")
    later(client)
    await client.prune(["pruned"], keep_last=5)
    assert (await client.verify("pruned")).ok
    kept = await graph.get_state_history(thread("pruned"))
    assert len(kept) == 5
    for index, state in enumerate(kept):
        checkpoint_id = state.config["configurable"]["checkpoint_id"]
        for step in (None, Command(resume="now")) if state.interrupts else (None,):
            results = []
            for source in ("t", "pruned"):
                copy = f"{source} {index} {step}"
                await client.copy_thread(source, copy)
                at = thread(copy, checkpoint_id=checkpoint_id)
                results.append(plain(await graph.invoke(step, at)))
                results[-1]["then"] = plain(await run(graph, copy, 1))
            assert results[0] == results[1], (checkpoint_id, step)


LEFT = {
    "a call": [""],
    "two calls": [""],
    "nested": [""],
    "memory": ["", "sub"],
    "memory within a call": ["", "sub|within"],
    "a call within memory": ["", "sub"],
}


@pytest.mark.parametrize("name", LEFT)
async def test_nothing_is_left_of_past_calls(client: Either, name: str, scan: Any) -> None:
    graph = graph_of(client, GRAPHS[name]())
    for _ in range(2):
        await run(graph, "t", 6)
        later(client)
        await client.prune(["t"])
        assert await namespaces(client, "t") == LEFT[name]
        assert len(await client.list({"configurable": {"thread_id": "t"}})) == len(LEFT[name])
        stored = scan(client.target.config.table_config.table_name)
        left = [item for item in stored if not item["SK"]["S"].startswith(("S#", "D#"))]
        assert len(left) == len(LEFT[name])
        assert (await client.verify()).ok


async def test_a_call_under_way_stays_and_the_calls_before_it_go(client: Either) -> None:
    graph = graph_of(client, outer(sub=inner(asks=True, within=inner())))
    await run(graph, "t", 4)
    await client.prune(["t"])
    # The nested call has ended: its enclosing checkpoint is not the newest any more.
    assert await namespaces(client, "t") == ["", "sub"]


async def test_calls_go_beside_delta_channels(client: Either) -> None:
    class Delta(TypedDict, total=False):
        log: Annotated[
            list[str], DeltaChannel(lambda old, new: old + [one for step in new for one in step])
        ]

    builder: Any = StateGraph(Delta).add_node("sub", inner())
    graph = graph_of(client, builder.add_edge(START, "sub").add_edge("sub", END))
    await run(graph, "t", 5)
    before = await graph.get_state(thread("t"))
    later(client)
    await client.prune(["t"])
    assert (await client.verify("t")).ok
    assert (await graph.get_state(thread("t"))).values == before.values
    assert await namespaces(client, "t") == [""]


async def test_older_than_spares_what_is_young_of_a_past_call(client: Either) -> None:
    graph = graph_of(client, outer(sub=inner()))
    await run(graph, "t", 3)
    before = await client.list({"configurable": {"thread_id": "t"}})
    await client.prune(["t"], older_than=timedelta(hours=1))
    assert await client.list({"configurable": {"thread_id": "t"}}) == before
    later(client)
    await client.prune(["t"], older_than=timedelta(hours=1))
    assert await namespaces(client, "t") == [""]


async def call(client: Either, ns: str, parents: Any, **more: Any) -> Any:
    return await put(
        client, config_of("t", checkpoint_ns=ns), {"a": 1}, {"parents": parents}, **more
    )


async def test_a_call_stays_while_its_enclosing_checkpoint_may_still_be_put(client: Either) -> None:
    root = await put(client, config_of("t"), {"a": 1})
    to_come = empty_checkpoint()["id"]
    await call(client, "sub:1", {"": to_come})
    await client.prune(["t"])
    assert await namespaces(client, "t") == ["", "sub"]
    await put(client, root, {"a": 2})  # of another run
    await client.prune(["t"])
    assert await namespaces(client, "t") == ["", "sub"]
    later(client)
    await client.prune(["t"])
    assert await namespaces(client, "t") == [""]


PARENTS: dict[str, Any] = {
    "none": None,
    "empty": {},
    "a list": ["", "1"],
    "no string": {"": 1, 2: "1"},
    "of another graph": {"other:1": "1"},
    "of itself": {"sub:1": "1"},
    "not stored at all": {"gone:1": "1"},
}


@pytest.mark.parametrize("case", PARENTS)
async def test_a_call_of_which_nothing_is_known_stays(client: Either, case: str) -> None:
    await put(client, config_of("t"), {"a": 1})
    await call(client, "sub:1", PARENTS[case])
    await put(client, config_of("t"), {"a": 2})
    later(client)
    await client.prune(["t"])
    assert await namespaces(client, "t") == ["", "sub"]


async def test_a_call_goes_with_its_checkpoint_though_its_namespace_is_keyed_by_a_hash(
    client: Either,
) -> None:
    root = await put(client, config_of("t"), {"a": 1})
    root_id = root["configurable"]["checkpoint_id"]
    long = "n" * 500
    await call(client, f"{long}:1", {"": root_id})
    await call(client, f"{long}:1|{long}:2", {"": root_id, f"{long}:1": root_id})
    await call(client, long, {"": root_id})
    await put(client, root, {"a": 2})
    later(client)
    await client.prune(["t"])
    assert await namespaces(client, "t") == ["", long]


async def test_a_deletion_that_broke_off_is_finished_by_the_next_prune(
    client: Either, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = graph_of(client, GRAPHS["nested"]())
    await run(graph, "t", 4)
    real = delete.batches.delete_all
    for share in (0.9, 0.5, 0.1):

        def part(around: Any, doomed: Any, share: float = share) -> Any:
            found = list(doomed)
            yield from real(around, found[: int(len(found) * share)])
            raise ConnectionError

        with monkeypatch.context() as patch:
            patch.setattr(delete.batches, "delete_all", part)
            with pytest.raises(ConnectionError):
                await client.prune(["t"])
    later(client)
    await client.prune(["t"])
    assert await namespaces(client, "t") == [""]
    assert len(await client.list({"configurable": {"thread_id": "t"}})) == 1


@pytest.fixture
def fenced(make_saver: Any, mode: str) -> Either:
    return Either(make_saver(mode=mode, fence=True), use_async=mode != "sync")


async def test_heads_go_with_the_calls_they_are_of(fenced: Either, scan: Any) -> None:
    graph = graph_of(fenced, outer(sub=inner(), memory=inner(memory=True)))
    await run(graph, "t", 4)
    await fenced.prune(["t"])
    table = fenced.target.config.table_config.table_name
    heads = {item["SK"]["S"] for item in scan(table) if item["SK"]["S"].startswith("H#")}
    assert heads == {"H#", "H#memory"}
    await run(graph, "t", 2)


async def test_a_head_whose_checkpoint_may_still_come_stays(
    fenced: Either, scan: Any, dynamodb: Any
) -> None:
    root = await put(fenced, config_of("t"), {"a": 1})
    parents = {"": root["configurable"]["checkpoint_id"]}
    await call(fenced, "sub:1", parents)
    await put(fenced, root, {"a": 2})
    table = fenced.target.config.table_config.table_name
    claimed = items.head(fenced.target._context(), "t", "sub:1", empty_checkpoint()["id"])
    dynamodb.put_item(TableName=table, Item=claimed)
    await fenced.prune(["t"])
    assert claimed in scan(table)
