"""The thread directory: who has which threads, in which order, and what it costs to ask."""

from __future__ import annotations

import itertools
import json
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from conftest import MakeSaver
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from capacity import Costs
from either import Either
from langgraph_checkpoint_dynamodb import (
    ConfigurationError,
    DynamoDBConfig,
    DynamoDBSaver,
    InvalidInputError,
    ProblemKind,
    RequestRejectedError,
    ThreadStatus,
)
from langgraph_checkpoint_dynamodb.format import keys
from threads import config_of, put

Scan = Callable[[str], list[dict[str, Any]]]
Stored = Callable[..., dict[str, Any]]

HOUR = 3600
OWNED = {"thread_owner": "user_id"}


@pytest.fixture(params=["sync", pytest.param("async", marks=pytest.mark.aio)])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def saver(make_saver: MakeSaver, mode: str) -> DynamoDBSaver:
    return make_saver(mode=mode, **OWNED)


def of(owner: str | None, thread_id: str, **more: Any) -> Any:
    named = {} if owner is None else {"user_id": owner}
    return config_of(thread_id, **named, **more)


def ids(page: Any) -> list[str]:
    return [one.thread_id for one in page.threads]


def tick(saver: DynamoDBSaver, step: float = 1) -> None:
    """A clock that moves at each call; the ids of checkpoints have the real time."""
    start = time.time()
    times = itertools.count(1)
    saver.clock = lambda: start + step * next(times)


async def all_pages(client: Either, owner: str | None = None, **more: Any) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = await client.list_threads(owner, cursor=cursor, **more)
        assert len(page.threads) <= more["limit"]
        found += ids(page)
        cursor = page.cursor
        if cursor is None:
            return found


async def test_threads_are_listed_by_owner_and_last_activity(client: Either) -> None:
    first = None
    for owner, thread_id in (("ada", "a"), ("bob", "b"), ("ada", "c"), (None, "d"), ("ada", "e")):
        config = await put(client, of(owner, thread_id), {"n": 1})
        first = first or config
    await put(client, first, {"n": 2})  # of no owner by itself: the thread keeps its first one
    page = await client.list_threads("ada")
    assert (ids(page), page.cursor) == (["a", "e", "c"], None)
    assert ids(await client.list_threads("ada", newest_first=False)) == ["c", "e", "a"]
    assert ids(await client.list_threads("bob")) == ["b"]
    assert ids(await client.list_threads()) == ["d"]
    assert ids(await client.list_threads("nobody")) == []
    a, *_ = page.threads
    assert (a.owner, a.title, a.metadata, a.status) == ("ada", None, {}, ThreadStatus.IDLE)
    assert a.created is not None
    assert a.created <= a.last_activity


async def test_pages_have_every_thread_once(client: Either) -> None:
    tick(client.target, step=HOUR)
    names = [f"thread {n}" for n in range(14)]
    owners = ("ada", None)
    for n, name in enumerate(names):
        await put(client, of(owners[n % 2], name), {})
    for limit, (n, owner) in itertools.product((1, 2, 3, 7, 100), enumerate(owners)):
        assert await all_pages(client, owner, limit=limit) == names[n::2][::-1]
        assert await all_pages(client, owner, limit=limit, newest_first=False) == names[n::2]
    for limit in (1, 5, 14, 100):
        assert sorted(await all_pages(client, all_owners=True, limit=limit)) == sorted(names)


async def test_the_threads_of_all_owners_cost_what_those_of_one_cost(
    make_saver: MakeSaver, mode: str, costs: Costs
) -> None:
    client = Either(make_saver(mode=mode, costs=costs, **OWNED), use_async=mode == "async")
    for n in range(20):
        await put(client, of((None, "ada", "bob")[n % 3], str(n)), {})
    costs.reset()
    page = await client.list_threads(all_owners=True, limit=10)
    assert len(page.threads) == 10
    assert (costs.requests, costs.read_units) == (11, 5.5), costs
    rest = await client.list_threads(all_owners=True, cursor=page.cursor)
    assert sorted(ids(page) + ids(rest), key=int) == [str(n) for n in range(20)]
    assert {one.owner for one in page.threads + rest.threads} == {None, "ada", "bob"}
    costs.reset()
    assert len((await client.list_threads()).threads) == 7
    assert (costs.requests, costs.read_units) == (4 + 7, 2 + 3.5), costs


async def test_a_cursor_reaches_no_other_owner(client: Either) -> None:
    for owner, n in itertools.product(("ada", "bob", None), range(5)):
        await put(client, of(owner, f"{owner} {n}"), {})
    pages: list[dict[str, Any]] = [{"owner": "ada"}, {"owner": None}, {"all_owners": True}]
    for one, other in itertools.permutations(pages, 2):
        cursor = (await client.list_threads(**one, limit=1)).cursor
        if one == {"owner": "ada"} and other == {"all_owners": True}:
            continue  # where all of them are read, it is a place like any other
        with pytest.raises(InvalidInputError, match=r"cursor of a page .* the same owner"):
            await client.list_threads(**other, cursor=cursor)
    cursor = (await client.list_threads("ada", limit=1)).cursor
    with pytest.raises(InvalidInputError, match=r"cursor of a page .* the same owner"):
        await client.list_threads("bob", cursor=cursor)


def waiting_graph(saver: DynamoDBSaver, *, parallel: bool = False) -> Any:
    def node(state: MessagesState) -> dict[str, Any]:
        said = state["messages"][-1].content
        if said == "ask":
            return {"messages": [("ai", interrupt("why?"))]}
        if said == "fail":
            raise ValueError(said)
        return {"messages": [("ai", "done")]}

    def other(state: MessagesState) -> dict[str, Any]:
        return {}

    builder = StateGraph(MessagesState).add_node("node", node).add_edge(START, "node")
    for name in ("b", "c", "d", "e") if parallel else ():
        builder.add_node(name, other).add_edge(START, name)
    return builder.compile(checkpointer=saver)


@pytest.mark.parametrize("parallel", [False, True], ids=["alone", "beside finished tasks"])
async def test_the_status_is_that_of_the_newest_checkpoint(client: Either, parallel: bool) -> None:
    graph = Either(waiting_graph(client.target, parallel=parallel), use_async=client.use_async)

    async def say(thread_id: str, given: Any) -> None:
        given = given if isinstance(given, Command) else {"messages": [("user", given)]}
        await graph.invoke(given, of("ada", thread_id), durability="sync")

    async def statuses() -> dict[str, str]:
        page = await client.list_threads("ada")
        return {one.thread_id: one.status.value for one in page.threads}

    await say("idle", "hello")
    await say("asks", "ask")
    with pytest.raises(ValueError, match="fail"):
        await say("fails", "fail")
    assert await statuses() == {"idle": "idle", "asks": "interrupted", "fails": "error"}
    await say("asks", Command(resume="because"))
    await say("fails", "again")
    assert set((await statuses()).values()) == {"idle"}


async def test_a_stop_at_a_static_breakpoint_is_idle_and_get_state_tells_it(
    client: Either,
) -> None:
    graph = waiting_graph(client.target)
    graph.interrupt_before_nodes = ["node"]
    compiled = Either(graph, use_async=client.use_async)
    await compiled.invoke({"messages": [("user", "hello")]}, of("ada", "a"))
    (one,) = (await client.list_threads("ada")).threads
    assert one.status is ThreadStatus.IDLE
    assert (await compiled.get_state(of("ada", "a"))).next == ("node",)
    await compiled.invoke(None, of("ada", "a"))
    assert (await compiled.get_state(of("ada", "a"))).next == ()


async def test_titles_and_metadata(client: Either, stored: Stored) -> None:
    await put(client, of("ada", "a"), {})
    await client.set_thread("a", title="Trip to Rome", metadata={"starred": True})
    (one,) = (await client.list_threads("ada")).threads
    assert (one.title, one.metadata) == ("Trip to Rome", {"starred": True})
    await client.set_thread("a", metadata={})
    await client.set_thread("a", title="Paris")
    client.target.clock = lambda: time.time() + 2 * HOUR
    await put(client, of("ada", "a"), {})  # activity leaves them alone
    (one,) = (await client.list_threads("ada")).threads
    assert (one.title, one.metadata) == ("Paris", {})
    await client.delete_thread("a")
    with pytest.raises(InvalidInputError, match=r"thread_id='a' is not listed.*index_threads"):
        await client.set_thread("a", title="late")
    assert stored("a") == {}


async def test_titles_are_encrypted_as_values_are(make_saver: MakeSaver, scan: Scan) -> None:
    serde = EncryptedSerializer.from_pycryptodome_aes(key=b"0123456789abcdef")
    saver = make_saver(serde=serde, **OWNED)
    client = Either(saver, use_async=False)
    await put(client, of("ada", "a"), {})
    saver.set_thread("a", title="a secret title")
    assert not any(b"secret" in bytes(one["B"]["B"]) for one in scan(_table(saver)) if "B" in one)
    assert saver.list_threads("ada").threads[0].title == "a secret title"


def _table(saver: DynamoDBSaver) -> str:
    return saver.config.table_config.table_name


@pytest.mark.parametrize(
    ("owner_of", "owner"),
    [
        ("user_id", "7"),
        (lambda metadata: metadata.get("team"), "red"),
        ("missing", None),
    ],
)
async def test_the_owner_is_found_in_configurable_or_metadata(
    make_saver: MakeSaver, owner_of: Any, owner: str | None
) -> None:
    saver = make_saver(thread_owner=owner_of)
    config = {"configurable": {"thread_id": "a", "user_id": 7}, "metadata": {"team": "red"}}
    waiting_graph(saver).invoke({"messages": [("user", "hello")]}, config)
    assert [one.owner for one in saver.list_threads(owner).threads] == [owner]


@pytest.mark.parametrize("owner_of", ["user_id", lambda metadata: metadata.get("user_id")])
@pytest.mark.parametrize("place", ["configurable", "metadata"])
async def test_an_owner_may_be_a_uuid(make_saver: MakeSaver, owner_of: Any, place: str) -> None:
    """LangGraph leaves a UUID out of a checkpoint's metadata."""
    saver = make_saver(thread_owner=owner_of)
    user = uuid.uuid4()
    config: dict[str, Any] = {"configurable": {"thread_id": "a"}, "metadata": {}}
    config[place]["user_id"] = user
    waiting_graph(saver).invoke({"messages": [("user", "hello")]}, config)
    assert [one.owner for one in saver.list_threads(user).threads] == [str(user)]


async def test_a_function_that_names_owners_changes_nothing_and_its_errors_are_ours(
    make_saver: MakeSaver,
) -> None:
    def change(metadata: Any) -> str:
        metadata["added"] = metadata["nested"]["added"] = 1
        return "ada"

    saver = make_saver(thread_owner=change)
    await put(Either(saver, use_async=False), config_of("a"), {}, {"nested": {}})
    found = saver.get_tuple(config_of("a"))
    assert found is not None
    assert found.metadata == {"nested": {}}

    async def unawaited(metadata: Any) -> str:
        return "ada"

    with pytest.raises(ConfigurationError, match="thread_owner is a coroutine function"):
        DynamoDBConfig(thread_owner=unawaited)  # type: ignore[arg-type]
    failing = make_saver(thread_owner=lambda metadata: metadata["missing"])
    with pytest.raises(InvalidInputError, match=r"thread_owner.*raised KeyError") as caught:
        await put(Either(failing, use_async=False), config_of("a"), {})
    assert isinstance(caught.value.__cause__, KeyError)


async def test_an_owner_that_cannot_be_one_is_refused_before_anything_is_sent(
    make_saver: MakeSaver, costs: Costs
) -> None:
    saver = make_saver(mode="sync", costs=costs, **OWNED)
    client = Either(saver, use_async=False)
    costs.reset()
    for owner in ("", "(none)", True, "x" * 2049, 1.5, ["ada"], "a\0b", "\ud800"):
        with pytest.raises(InvalidInputError, match="thread_owner 'user_id'"):
            await put(client, of(owner, "a"), {})
    assert costs.requests == 0


@pytest.fixture
def costs() -> Costs:
    return Costs()


async def test_an_entry_is_written_once_an_hour_by_whatever_process(
    make_saver: MakeSaver, mode: str, costs: Costs
) -> None:
    table = _table(make_saver(mode=mode, **OWNED))
    now = time.time()
    parent = of("ada", "a")
    updates = []
    for minutes in (0, 20, 59, 61, 100, 125, 300):
        cold = make_saver(mode=mode, costs=costs, table_name=table, deploy=False, **OWNED)
        cold.clock = lambda minutes=minutes: now + 60 * minutes
        costs.reset()
        parent = await put(Either(cold, use_async=mode != "sync"), parent, {"n": minutes})
        updates.append((costs.calls["UpdateItem"], costs.calls["PutItem"]))
    # The first one creates the entry; each puts its checkpoint.
    assert updates == [(0, 2), (0, 1), (0, 1), (1, 1), (0, 1), (1, 1), (1, 1)]


async def test_a_subgraph_writes_no_entry_of_its_own(
    make_saver: MakeSaver, mode: str, costs: Costs
) -> None:
    saver = make_saver(mode=mode, costs=costs, **OWNED)
    inner = waiting_graph(None)  # type: ignore[arg-type]
    builder = StateGraph(MessagesState).add_node("inner", inner).add_edge(START, "inner")
    graph = Either(builder.compile(checkpointer=saver), use_async=mode != "sync")
    costs.reset()
    for _ in range(3):
        await graph.invoke({"messages": [("user", "ask")]}, of("ada", "a"), durability="sync")
    assert costs.calls["UpdateItem"] == 0, costs
    client = Either(saver, use_async=mode != "sync")
    assert (await client.list_threads("ada")).threads[0].status is ThreadStatus.INTERRUPTED


async def test_without_the_index_nothing_is_written_and_nothing_is_listed(
    make_saver: MakeSaver, costs: Costs, scan: Scan
) -> None:
    saver = make_saver(mode="sync", costs=costs, enable_thread_index=False)
    client = Either(saver, use_async=False)
    costs.reset()
    await put(client, config_of("a"), {})
    assert dict(costs.calls) == {"PutItem": 1}
    assert [one["SK"]["S"][:2] for one in scan(_table(saver))] == ["C#"]
    for call in (saver.list_threads, lambda: saver.set_thread("a", title="x"), saver.index_threads):
        with pytest.raises(ConfigurationError, match="enable_thread_index=True"):
            call()


async def test_a_table_without_the_index_is_named(make_saver: MakeSaver, mode: str) -> None:
    table = _table(make_saver(enable_thread_index=False))
    saver = make_saver(mode=mode, table_name=table, deploy=False, **OWNED)
    client = Either(saver, use_async=mode != "sync")
    await put(client, of("ada", "a"), {})  # runs go on
    with pytest.raises(RequestRejectedError, match=r"no index 'threads'.*then call index_threads"):
        await client.list_threads("ada")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"owner": ""}, "owner="),
        ({"owner": 1.5}, r"owner=1\.5"),
        ({"owner": "(none)1"}, "does not begin with"),
        ({"limit": 0}, "limit=0: use a whole number from 1 to 100"),
        ({"limit": 101}, "and the cursor for more"),
        ({"limit": True}, "limit=True"),
        ({"cursor": "x"}, "cursor='x': pass the cursor of a page"),
        ({"cursor": ""}, "cursor=''"),
        ({"cursor": "WzEsMl0"}, "cursor='WzEsMl0'"),
        ({"cursor": 1}, "cursor=1: use a string"),
        *(
            (
                {
                    "cursor": urlsafe_b64encode(json.dumps([key]).encode()).decode(),
                    "all_owners": True,
                },
                "pass the cursor",
            )
            for key in (
                *(["", "1", "a"], ["x" * 2049, "1", "a"], ["\ud800", "1", "a"], ["t", "1"], "t"),
                *(["t", "1", ""], ["t", "1", "x" * 2049], ["t", "1", "\ud800"], ["t", "1", 1]),
                *(
                    ["t", n, "a"]
                    for n in ("1e400", "nan", " 1_0", "-1", "", "1" * 60, "1e5", "\u0661")
                ),
            )
        ),
        ({"owner": "ada", "all_owners": True}, "owner='ada' with all_owners=True: pass one"),
        ({"all_owners": 1}, "all_owners=1: use True or False"),
        ({"all_owners": True, "newest_first": False}, "the threads of all owners are in no order"),
        ({"owner": "a\0b"}, "contains NUL"),
        ({"newest_first": None}, "newest_first=None: use True or False"),
    ],
)
async def test_bad_arguments_of_list_threads(
    make_saver: MakeSaver, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        make_saver(deploy=False, endpoint_url="http://localhost:1", **OWNED).list_threads(
            **arguments
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "title and metadata are both None"),
        ({"title": 1}, "title=1: use a string"),
        ({"metadata": [1]}, r"metadata=\[1\]"),
        ({"metadata": {1: 2}}, "metadata: key=1"),
    ],
)
async def test_bad_arguments_of_set_thread(
    make_saver: MakeSaver, arguments: dict[str, Any], message: str
) -> None:
    saver = make_saver(deploy=False, endpoint_url="http://localhost:1", **OWNED)
    with pytest.raises(InvalidInputError, match=message):
        saver.set_thread("a", **arguments)


async def test_a_large_description_is_refused(client: Either) -> None:
    await put(client, of("ada", "a"), {})
    with pytest.raises(InvalidInputError, match="use at most 2048"):
        await client.set_thread("a", title="x" * 3000)


async def test_a_deleted_thread_is_not_listed(client: Either, stored: Stored) -> None:
    for name in ("a", "b", "c"):
        await put(client, of("ada", name), {}, {"run_id": f"run {name}"})
    await client.delete_thread("a")
    await client.delete_for_runs(["run b"])
    assert ids(await client.list_threads("ada")) == ["c"]
    assert stored("a") == stored("b") == {}
    await client.prune(["c"], strategy="delete")
    assert ids(await client.list_threads("ada")) == []


async def test_an_entry_without_checkpoints_is_not_listed_but_found_by_verify(
    client: Either, dynamodb: Any
) -> None:
    """What a request that was given up leaves when it arrives after its thread's deletion."""
    await put(client, of("ada", "a"), {})
    await put(client, of("ada", "b"), {})
    table = _table(client.target)
    (entry,) = dynamodb.query(
        TableName=table,
        KeyConditionExpression="PK = :pk AND SK = :sk",
        ExpressionAttributeValues={":pk": {"S": "a"}, ":sk": {"S": keys.THREAD_ENTRY}},
    )["Items"]
    await client.delete_thread("a")
    dynamodb.put_item(TableName=table, Item=entry)
    assert ids(await client.list_threads("ada")) == ["b"]
    assert await all_pages(client, "ada", limit=1) == ["b"]
    assert (await client.verify()).ok  # it may be of a put that is under way
    client.target.clock = lambda: time.time() + 2 * HOUR
    assert [one.kind for one in (await client.verify()).problems] == [ProblemKind.EMPTY_THREAD]
    await client.delete_thread("a")
    assert (await client.verify()).ok


async def test_verify_finds_a_thread_that_lost_its_entry(client: Either, dynamodb: Any) -> None:
    await put(client, of("ada", "a"), {})
    entry = {"PK": {"S": "a"}, "SK": {"S": keys.THREAD_ENTRY}}
    dynamodb.delete_item(TableName=_table(client.target), Key=entry)
    (problem,) = (await client.verify()).problems
    assert problem.kind is ProblemKind.UNLISTED_THREAD
    assert await client.index_threads() == 1
    assert (await client.verify()).ok
    assert ids(await client.list_threads("ada")) == ["a"]


async def test_threads_from_before_the_index_are_listed_by_index_threads(
    make_saver: MakeSaver, mode: str
) -> None:
    listing = make_saver(mode=mode, **OWNED)
    client = Either(listing, use_async=mode != "sync")
    before = make_saver(
        mode=mode, table_name=_table(listing), deploy=False, enable_thread_index=False
    )
    for owner, name in (("ada", "a"), ("ada", "b"), (None, "c")):
        config = await put(Either(before, use_async=mode != "sync"), of(owner, name), {})
        newest = await put(Either(before, use_async=mode != "sync"), config, {}, {"user_id": owner})
    assert ids(await client.list_threads("ada")) == []
    assert (await client.verify()).ok
    assert await client.index_threads() == 3
    assert await client.index_threads() == 0
    page = await client.list_threads("ada")
    assert sorted(ids(page)) == ["a", "b"]
    for one in page.threads:
        assert one.created is not None
        assert one.created < one.last_activity
    assert ids(await client.list_threads()) == ["c"]
    # An owner that is known later is named later.
    named = make_saver(
        mode=mode,
        table_name=_table(listing),
        deploy=False,
        thread_owner=lambda metadata: metadata.get("user_id") or "eve",
    )
    assert await Either(named, use_async=mode != "sync").index_threads() == 1
    assert ids(await client.list_threads("eve")) == ["c"]
    assert (await client.get_tuple(newest)) is not None


async def test_a_copy_is_listed_too(client: Either) -> None:
    tick(client.target)
    config = await put(client, of("ada", "a"), {"n": 1})
    await client.set_thread("a", title="original")
    await put(client, of("ada", "b"), {})
    await client.copy_thread("a", "copy")
    found = (await client.list_threads("ada")).threads
    assert [(one.thread_id, one.title) for one in found] == [
        ("copy", "original"),
        ("b", None),
        ("a", "original"),
    ]
    assert found[0].created > found[2].created
    await client.copy_thread("a", "copy")  # again
    await put(client, config_of("copy", checkpoint_id=config["configurable"]["checkpoint_id"]), {})
    assert (await client.verify()).ok


TTL = 10 * 24 * HOUR
EXPIRING = {**OWNED, "enable_ttl": True, "ttl_seconds": TTL}


async def test_a_thread_is_listed_as_long_as_it_is_returned(
    make_saver: MakeSaver, mode: str
) -> None:
    saver = make_saver(mode=mode, **EXPIRING)
    client = Either(saver, use_async=mode != "sync")
    start = time.time()
    parent = of("ada", "a")
    for minutes in (0, 59):
        saver.clock = lambda minutes=minutes: start + 60 * minutes
        parent = await put(client, parent, {})
    assert (await client.verify()).ok
    last = start + 59 * 60 + TTL
    for now, listed in ((last - 1, ["a"]), (last + 2, [])):
        saver.clock = lambda now=now: now
        assert bool(await client.get_tuple(config_of("a"))) == bool(listed)
        assert ids(await client.list_threads("ada")) == listed
    report = await client.verify()
    assert (report.ok, report.checkpoints) == (True, 0)


@pytest.mark.parametrize("later", [TTL + 2, TTL + 2 * HOUR], ids=["within the hour", "after it"])
async def test_a_new_thread_inherits_nothing_from_an_expired_one(
    make_saver: MakeSaver, mode: str, later: int
) -> None:
    saver = make_saver(mode=mode, **EXPIRING)
    client = Either(saver, use_async=mode != "sync")
    start = time.time()
    saver.clock = lambda: start
    await put(client, of("ada", "a"), {})
    await client.set_thread("a", title="a diagnosis", metadata={"private": True})
    saver.clock = lambda: start + later
    with pytest.raises(InvalidInputError, match=r"thread_id='a' is not listed.*has expired"):
        await client.set_thread("a", title="late")
    parent = await put(client, of("bob", "a"), {})
    (one,) = (await client.list_threads("bob")).threads
    assert (one.owner, one.title, one.metadata) == ("bob", None, {})
    assert one.created is not None
    assert one.created.timestamp() == pytest.approx(start + later, abs=0.01)
    assert ids(await client.list_threads("ada")) == []
    await client.set_thread("a", title="of bob")
    await put(client, parent, {"n": 2})
    await put(client, of("eve", "a"), {"n": 3})  # a second beginning of a thread that exists
    (one,) = (await client.list_threads("bob")).threads
    assert (one.title, one.created is not None) == ("of bob", True)


async def test_a_new_thread_inherits_nothing_from_one_whose_checkpoints_another_saver_deleted(
    make_saver: MakeSaver, mode: str
) -> None:
    saver = make_saver(mode=mode, **OWNED)
    unaware = make_saver(
        mode=mode, table_name=_table(saver), deploy=False, enable_thread_index=False
    )
    client = Either(saver, use_async=mode != "sync")
    await put(client, of("ada", "a"), {}, {"run_id": "a run"})
    await client.set_thread("a", title="a diagnosis")
    await Either(unaware, use_async=mode != "sync").delete_for_runs(["a run"])
    with pytest.raises(InvalidInputError, match="it has no checkpoint"):
        await client.set_thread("a", title="late")
    await put(client, of("bob", "a"), {})
    (one,) = (await client.list_threads("bob")).threads
    assert (one.owner, one.title) == ("bob", None)
    assert ids(await client.list_threads("ada")) == []


async def test_switching_ttl_changes_the_entry_with_the_thread(
    make_saver: MakeSaver, mode: str, scan: Scan
) -> None:
    endless = make_saver(mode=mode, **{**EXPIRING, "ttl_seconds": None})
    table = _table(endless)
    expiring = make_saver(mode=mode, table_name=table, deploy=False, **EXPIRING)

    def entry_until() -> float | None:
        (entry,) = [one for one in scan(table) if one["SK"]["S"] == keys.THREAD_ENTRY]
        return float(entry["ttl"]["N"]) if "ttl" in entry else None

    async def use(saver: DynamoDBSaver, parent: Any) -> Any:
        return await put(Either(saver, use_async=mode != "sync"), parent, {})

    start = time.time()
    parent = await use(endless, of("ada", "a"))
    assert entry_until() is None
    await use(expiring, parent)  # the thread began without an expiry
    assert entry_until() is None
    client = Either(expiring, use_async=mode != "sync")
    assert await client.apply_ttl() >= 3
    assert await client.apply_ttl() == 0
    until = entry_until()
    assert until is not None
    assert until >= start + TTL
    assert (await client.verify()).ok
    assert ids(await client.list_threads("ada")) == ["a"]
