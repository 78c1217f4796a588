"""Retention, export and erasure of the threads that the directory lists."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeSaver
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from either import Either
from langgraph_checkpoint_dynamodb import (
    ConfigurationError,
    ConflictError,
    DynamoDBSaver,
    InvalidInputError,
    PruneReport,
    UnavailableError,
)
from langgraph_checkpoint_dynamodb.checkpoints.listing import Listing
from langgraph_checkpoint_dynamodb.format import thread_entries
from langgraph_checkpoint_dynamodb.maintenance import erase
from langgraph_checkpoint_dynamodb.runtime.context import Context
from langgraph_checkpoint_dynamodb.runtime.effects import Call, Operation
from langgraph_checkpoint_dynamodb.storage import batches
from sizes import item_bytes
from threads import LARGE, config_of, put

Scan = Callable[[str], list[dict[str, Any]]]

DAY = 24 * 3600
A_DAY = timedelta(days=1)
OWNED = {"thread_owner": "user_id"}


@pytest.fixture(params=["sync", pytest.param("async", marks=pytest.mark.aio)])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def saver(make_saver: MakeSaver, mode: str) -> DynamoDBSaver:
    return make_saver(mode=mode, **OWNED)


def at(client: Either, seconds: float) -> None:
    now = time.time() + seconds
    client.target.clock = lambda: now


def table_of(client: Either) -> str:
    return str(client.target.config.table_config.table_name)


async def talk(client: Either, thread_id: str, owner: str | None, turns: int = 3) -> None:
    named = {} if owner is None else {"user_id": owner}
    config = config_of(thread_id, **named)
    for turn in range(turns):
        config = await put(client, config, {"document": LARGE, "turn": turn})
        await client.put_writes(config, [("turn", turn)], "task")


async def some_threads(client: Either) -> None:
    """Two of Ada and one of Bob that are ten days old, and a younger one of Ada."""
    for thread_id, owner in (("a1", "ada"), ("a2", "ada"), ("b", "bob")):
        await talk(client, thread_id, owner)
    at(client, 8 * DAY)
    await talk(client, "young", "ada")
    at(client, 10 * DAY)


@pytest.mark.parametrize("strategy", ["delete", "keep_latest"])
@pytest.mark.parametrize("owner", [None, "ada"])
async def test_a_dry_run_says_what_the_run_then_deletes(
    client: Either, scan: Scan, strategy: str, owner: str | None
) -> None:
    await some_threads(client)
    whose = {"all_owners": True} if owner is None else {"owner": owner}
    week = {**whose, "inactive_for": timedelta(days=7), "strategy": strategy}
    before = scan(table_of(client))
    expected = await client.prune_threads(**week, dry_run=True)
    assert scan(table_of(client)) == before
    assert await client.prune_threads(**week) == expected
    after = scan(table_of(client))
    gone = sum(map(item_bytes, before)) - sum(map(item_bytes, after))
    threads = 3 if owner is None else 2
    kept = 0 if strategy == "delete" else 1
    assert expected == PruneReport(threads, threads * (3 - kept), gone)
    assert gone > 0
    assert await client.prune_threads(**week) == PruneReport()
    left = {"young"} | ({"b"} if owner else set()) | ({"a1", "a2", "b"} if kept else set())
    assert {item["PK"]["S"] for item in after} == left
    assert (await client.verify()).ok


async def test_a_thread_that_was_active_meanwhile_is_kept(client: Either) -> None:
    await talk(client, "a", "ada", turns=1)
    for hours, deleted in ((23, 0), (24.5, 0), (25.1, 1)):  # its last activity is known to the hour
        at(client, hours * 3600)
        report = await client.prune_threads(all_owners=True, inactive_for=A_DAY, dry_run=True)
        assert report.threads == deleted
    await talk(client, "a", "ada", turns=1)
    assert await client.prune_threads(all_owners=True, inactive_for=A_DAY) == PruneReport()


async def test_the_index_may_lag_behind(client: Either, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it still says of a thread is checked with the thread itself."""
    await talk(client, "a", "ada", turns=1)
    at(client, 10 * DAY)
    await talk(client, "a", "ada", turns=1)
    older = thread_entries.scan
    monkeypatch.setattr(thread_entries, "scan", lambda table, before: older(table))
    assert await client.prune_threads(all_owners=True, inactive_for=A_DAY) == PruneReport()
    assert await client.get_tuple(config_of("a"))


async def test_an_interrupted_run_continues(
    client: Either, monkeypatch: pytest.MonkeyPatch
) -> None:
    await some_threads(client)
    from langgraph_checkpoint_dynamodb.maintenance import prune_threads

    whole, calls = prune_threads.delete_thread, []

    def fails_once(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 2:
            raise ConfigurationError("cut off")
        return whole(*args)

    monkeypatch.setattr(prune_threads, "delete_thread", fails_once)
    with pytest.raises(ConfigurationError, match="cut off"):
        await client.prune_threads(all_owners=True, inactive_for=timedelta(days=7))
    assert (
        await client.prune_threads(all_owners=True, inactive_for=timedelta(days=7))
    ).threads == 2
    assert [one.thread_id for one in (await client.list_threads("ada")).threads] == ["young"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inactive_for": 30}, r"inactive_for=30: use a datetime.timedelta.*timedelta\(days=30\)"),
        ({"inactive_for": "30d"}, "inactive_for='30d': use a datetime.timedelta"),
        ({"inactive_for": timedelta(-1)}, r"inactive_for=datetime.timedelta\(days=-1\): use"),
        ({"inactive_for": A_DAY, "strategy": "keep"}, "strategy='keep': use one of"),
        ({"inactive_for": A_DAY, "dry_run": 1}, "dry_run=1: use True or False"),
        ({"inactive_for": A_DAY, "owner": ""}, "owner="),
        ({"inactive_for": A_DAY, "owner": None}, "or all_owners=True for every listed thread"),
        ({"inactive_for": A_DAY, "all_owners": True}, "owner='ada' with all_owners=True"),
        ({"inactive_for": A_DAY, "owner": None, "all_owners": "no"}, "all_owners='no': use True"),
    ],
)
async def test_bad_arguments_of_prune_threads(
    make_saver: MakeSaver, mode: str, arguments: dict[str, Any], message: str
) -> None:
    saver = make_saver(mode=mode, deploy=False, endpoint_url="http://localhost:1", **OWNED)
    client = Either(saver, use_async=mode != "sync")
    with pytest.raises(InvalidInputError, match=message):
        await client.prune_threads(**{"owner": "ada", **arguments})


async def test_an_owner_is_erased(client: Either, scan: Scan) -> None:
    await some_threads(client)
    await client.copy_thread("a1", "copy")
    before = scan(table_of(client))
    report = await client.erase_owner("ada")
    after = scan(table_of(client))
    assert {item["PK"]["S"] for item in after} == {"b"}
    assert {item["O"]["S"] for item in after if "O" in item} == {"bob"}
    gone = sum(map(item_bytes, before)) - sum(map(item_bytes, after))
    assert report.deleted == PruneReport(4, 12, gone)
    recovery, *others = report.beyond_reach
    assert "point-in-time recovery" in recovery  # DynamoDB Local does not describe it
    assert "on-demand backups" in others[0]
    again = await client.erase_owner("ada")
    assert again.deleted == PruneReport()
    assert [one.thread_id for one in (await client.list_threads("bob")).threads] == ["b"]


@pytest.mark.parametrize("times", [1, 99])
async def test_what_a_run_puts_while_its_owner_is_erased_is_erased_too(
    client: Either,
    make_saver: MakeSaver,
    scan: Scan,
    monkeypatch: pytest.MonkeyPatch,
    times: int,
) -> None:
    """A run does not write the entry again within the hour, so the index does not list it."""
    run = Either(
        make_saver(mode="sync", table_name=table_of(client), deploy=False, **OWNED), use_async=False
    )
    newest = {}
    for name in ("a1", "a2"):
        newest[name] = await put(run, config_of(name, user_id="ada"), {"n": 1}, {"user_id": "ada"})
    whole, left = erase.prune_thread, [times]

    def put_after(context: Context, thread_id: str, *args: Any, **more: Any) -> Operation[Any]:
        report = yield from whole(context, thread_id, *args, **more)
        if left[0]:
            left[0] -= 1
            run.target.put(newest[thread_id], empty_checkpoint(), {"user_id": "ada"}, {})
        return report

    monkeypatch.setattr(erase, "prune_thread", put_after)
    if times == 99:
        with pytest.raises(ConflictError, match="stop the owner's runs, then call"):
            await client.erase_owner("ada")
        left[0] = 0
        await client.index_threads()
    report = await client.erase_owner("ada")
    assert scan(table_of(client)) == []
    assert (report.deleted.threads, report.deleted.checkpoints) == (2, 3 if times == 1 else 2)


async def test_an_export_has_a_thread_once_that_is_continued_during_it(
    client: Either, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a", "b", "c"]
    for n, name in enumerate(names):
        at(client, n * 3600)
        await put(client, config_of(name, user_id="ada"), {"n": 1})
    at(client, 9 * 3600)
    later = DynamoDBSaver(client.target.config)
    later.clock = client.target.clock
    query, moved = thread_entries.query, []
    monkeypatch.setattr(thread_entries, "query", partial(query, limit=1))
    next_page = batches.next_page

    def and_moves(call: Call, reply: Any) -> Call | None:
        if "IndexName" in call.params and not moved:
            for name in ("a", "b"):  # to the end of the list: one was written, one was not
                moved.append(name)
                later.put(config_of(name, user_id="ada"), empty_checkpoint(), {}, {})
        return next_page(call, reply)

    monkeypatch.setattr(batches, "next_page", and_moves)
    file = io.StringIO()
    assert await client.export_threads("ada", file) == 3
    threads = [one["thread_id"] for one in lines_of(file.getvalue()) if one["kind"] == "thread"]
    assert sorted(threads) == names
    later.close()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"PointInTimeRecoveryStatus": "DISABLED"}, ()),
        (
            {"PointInTimeRecoveryStatus": "ENABLED", "RecoveryPeriodInDays": 7},
            ("point-in-time recovery: for 7 days from now",),
        ),
    ],
)
def test_the_recovery_period_is_named(found: dict[str, Any], said: tuple[str, ...]) -> None:
    class Context:
        table = "chats"

    operation = erase._recovery(Context())  # type: ignore[arg-type]
    next(operation)
    with pytest.raises(StopIteration) as stop:
        description = {"PointInTimeRecoveryDescription": found}
        operation.send([{"ContinuousBackupsDescription": description}])
    assert len(stop.value.value) == len(said)
    assert all(one.startswith(start) for one, start in zip(stop.value.value, said, strict=True))


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("encrypted", [False, True])
async def test_an_export_has_every_message_once_and_everything_else_as_data(
    make_saver: MakeSaver, mode: str, tmp_path: Path, encrypted: bool
) -> None:
    key = b"0123456789abcdef"
    serde = EncryptedSerializer.from_pycryptodome_aes(key=key) if encrypted else None
    client = Either(make_saver(mode=mode, serde=serde, **OWNED), use_async=mode != "sync")
    said = [
        HumanMessage("Hello, Jürgen", id="1"),
        AIMessage("Hi", id="2"),
        HumanMessage("?", id="3"),
    ]
    config = config_of("a", user_id="ada")
    for count in (1, 2, 3):
        values = {"messages": said[:count], "raw": b"\x00\xff", "when": timedelta(1)}
        config = await put(client, config, values)
    await client.put_writes(config, [("note", {"n": 1})], "task")
    await put(client, config_of("b", user_id="bob"), {"messages": said})
    await client.set_thread("a", title="Greetings", metadata={"starred": True})

    path = tmp_path / "ada.jsonl"
    assert await client.export_threads("ada", path) == 1
    found = lines_of(path.read_text(encoding="utf-8"))
    assert "Jürgen" in path.read_text(encoding="utf-8")
    assert {one["thread_id"] for one in found} == {"a"}
    thread, *rest = found
    assert (thread["kind"], thread["title"], thread["owner"]) == ("thread", "Greetings", "ada")
    messages = [one["message"] for one in rest if one["kind"] == "message"]
    assert messages == [
        {"content": "Hello, Jürgen", "type": "human", "id": "1"},
        {"content": "Hi", "type": "ai", "id": "2"},
        {"content": "?", "type": "human", "id": "3"},
    ]
    checkpoints = [one for one in rest if one["kind"] == "checkpoint"]
    assert len(checkpoints) == 3
    assert checkpoints[0]["checkpoint_id"] == config["configurable"]["checkpoint_id"]
    assert checkpoints[0]["values"]["raw"] == {"$type": "bytes", "$data": "AP8="}
    assert checkpoints[0]["values"]["when"]["$type"] == "datetime.timedelta"
    (write,) = [one for one in rest if one["kind"] == "write"]
    assert (write["channel"], write["value"]) == ("note", {"n": 1})

    for taken in (path, "\ud800", "a\x00b"):
        with pytest.raises(InvalidInputError, match="name a new file"):
            await client.export_threads("ada", taken)
    file = io.StringIO()
    assert await client.export_threads("nobody", file) == 0
    assert file.getvalue() == ""
    empty = tmp_path / "nobody.jsonl"
    assert await client.export_threads("nobody", empty) == 0
    assert not empty.exists()


async def test_an_export_that_fails_leaves_no_file(
    saver: DynamoDBSaver, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Either(saver, use_async=mode != "sync")
    await put(client, config_of("a", user_id="ada"), {"value": 1})
    path = tmp_path / "ada.jsonl"

    def failing(self: Listing, context: Context) -> Operation[Any]:
        assert path.exists()
        raise UnavailableError("no answer")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(Listing, "page", failing)
        with pytest.raises(UnavailableError):
            await client.export_threads("ada", path)
    assert not path.exists()
    assert await client.export_threads("ada", path) == 1


async def test_an_export_goes_on_after_a_page_whose_checkpoints_were_deleted(
    saver: DynamoDBSaver, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Either(saver, use_async=mode != "sync")
    for thread_id in ("a", "b"):
        await put(client, config_of(thread_id, user_id="ada"), {"value": thread_id})
    page = Listing.page
    empty = [True]

    def first_empty(self: Listing, context: Context) -> Operation[Any]:
        return [] if empty and empty.pop() else (yield from page(self, context))

    monkeypatch.setattr(Listing, "page", first_empty)
    file = io.StringIO()
    assert await client.export_threads("ada", file) == 2
    kinds = [(one["thread_id"], one["kind"]) for one in lines_of(file.getvalue())]
    assert sorted(kinds) == [(name, kind) for name in "ab" for kind in ("checkpoint", "thread")]


async def test_these_methods_need_the_index_and_a_named_owner(make_saver: MakeSaver) -> None:
    without = make_saver(deploy=False, endpoint_url="http://localhost:1", enable_thread_index=False)
    for call in (
        lambda: without.prune_threads(owner="ada", inactive_for=A_DAY),
        lambda: without.export_threads("ada", io.StringIO()),
        lambda: without.erase_owner("ada"),
    ):
        with pytest.raises(ConfigurationError, match="enable_thread_index=True"):
            call()
    saver = make_saver(deploy=False, endpoint_url="http://localhost:1", **OWNED)
    for nobody in (None, ""):
        with pytest.raises(InvalidInputError, match="owner="):
            saver.erase_owner(nobody)  # type: ignore[arg-type]
        with pytest.raises(InvalidInputError, match="owner="):
            saver.export_threads(nobody, io.StringIO())  # type: ignore[arg-type]
