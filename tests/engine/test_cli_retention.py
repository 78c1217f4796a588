"""`prune`, `threads rm --owner` and `threads export`: what goes, and what is said of it before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeSaver
from langchain_core.messages import HumanMessage

from command_line import CommandLine
from either import Either
from langgraph_checkpoint_dynamodb import DynamoDBSaver
from threads import chain, config_of, load_all, put

HOUR = 3600


@pytest.fixture
def saver(make_saver: MakeSaver) -> DynamoDBSaver:
    return make_saver(mode="sync", thread_owner="user_id")


@pytest.fixture
def client(saver: DynamoDBSaver) -> Either:
    return Either(saver, use_async=False)


@pytest.fixture
def cli(saver: DynamoDBSaver, endpoint_url: str) -> CommandLine:
    return CommandLine(endpoint_url, saver.config.table_config.table_name)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let time pass, for commands and savers."""

    def pass_time(seconds: float) -> None:
        now = DynamoDBSaver.clock()
        monkeypatch.setattr(DynamoDBSaver, "clock", staticmethod(lambda: now + seconds))

    return pass_time


async def test_prune_keeps_the_newest_and_says_before_what_goes(
    client: Either, cli: CommandLine, scan: Any, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await chain(client, "ada", 4)
    await chain(client, "bob", 2)
    later(2 * HOUR)  # chunks that are younger than an hour stay
    table = client.target.config.table_config.table_name
    before = scan(table)
    (dry,) = cli.run("prune", "ada", "--keep-last", "2", "--dry-run", "--json").rows
    assert (dry["threads"], dry["checkpoints"], dry["deleted"]) == (1, 2, False)
    refused = cli.run("prune", "ada", "--keep-last", "2")
    assert (refused.code, "--yes" in refused.err) == (2, True)
    monkeypatch.setattr("langgraph_checkpoint_dynamodb.cli.connection.has_terminal", lambda: True)
    assert cli.run("prune", "ada", "--keep-last", "2", stdin="n\n").code == 1
    assert scan(table) == before
    (row,) = cli.run("prune", "ada", "--keep-last", "2", "--yes", "--json").rows
    assert row == {**dry, "deleted": True}
    assert (len(await load_all(client, "ada")), len(await load_all(client, "bob"))) == (2, 2)
    assert "would delete 0 checkpoints" in cli.run("prune", "ada", "--older-than", "9h").out
    assert cli.run("prune", "none", "--yes").code == 3


async def test_prune_of_inactive_threads(client: Either, cli: CommandLine, later: Any) -> None:
    for thread_id, owner in (("a", "ada"), ("b", "bob")):
        await chain(client, thread_id, 2, user_id=owner)
    idle = ("--inactive-for", "1h", "--yes")
    assert cli.run("prune", "--all", *idle, "--json").rows[0]["threads"] == 0
    soon = cli.run("prune", "--all", "--inactive-for", "59m", "--dry-run")
    assert "activity is known to the hour" in soon.err
    later(3 * HOUR)
    assert cli.run("prune", "--owner", "ada", *idle, "--json").rows[0]["checkpoints"] == 1
    assert len(await load_all(client, "a")) == 1
    assert cli.run("prune", "--all", "--delete", *idle).out.startswith("deleted 3 checkpoints")
    assert (await load_all(client, "a"), await load_all(client, "b")) == ([], [])


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ((), "one of the three"),
        (("--all",), "--inactive-for 30d"),
        (("--all", "--inactive-for", "30"), "a number and s, m, h, d or w"),
        (("--all", "--inactive-for", "1d", "--keep-last", "2"), "named threads"),
        (("ada", "--inactive-for", "1d"), "`threads rm` deletes"),
        (("ada", "--all"), "`threads rm` deletes"),
    ],
)
def test_wrong_usage_of_prune(cli: CommandLine, arguments: tuple[str, ...], hint: str) -> None:
    done = cli.run("prune", *arguments)
    assert (done.code, done.out, hint in done.err) == (2, "", True)


async def test_rm_of_an_owner_leaves_nothing_and_says_what_it_cannot_reach(
    client: Either, cli: CommandLine, scan: Any
) -> None:
    for thread_id, owner in (("a", "ada"), ("b", "bob"), ("c", "ada")):
        await chain(client, thread_id, 1, user_id=owner)
    table = client.target.config.table_config.table_name
    before = len(scan(table))
    dry = cli.run("threads", "rm", "--owner", "ada", "--dry-run", "--json")
    assert sorted(row["thread_id"] for row in dry.rows) == ["a", "c"]
    assert dry.err == "would delete 2 threads of owner 'ada'\n"
    assert (len(scan(table)), cli.run("threads", "rm", "--owner", "ada").code) == (before, 2)
    done = cli.run("threads", "rm", "--owner", "ada", "--yes")
    assert (done.code, "not reached: " in done.err) == (0, True)
    assert {item["PK"]["S"] for item in scan(table)} == {"b"}
    assert before - len(scan(table)) == sum(row["items"] for row in dry.rows)
    assert cli.run("threads", "rm").code == 2


async def test_export_writes_messages_and_values_as_data(
    client: Either, cli: CommandLine, tmp_path: Path
) -> None:
    said = HumanMessage("hi", id="m")
    parent = await put(client, config_of("a"), {"messages": [said]}, {"user_id": "ada"})
    await put(client, parent, {"messages": [said, HumanMessage("you", id="n")], "n": 1})
    lines = cli.run("threads", "export", "a").rows
    told = [line["message"]["content"] for line in lines if line["kind"] == "message"]
    assert sorted(told) == ["hi", "you"]
    assert [line["values"] for line in lines if line["kind"] == "checkpoint"] == [{"n": 1}, {}]
    file = tmp_path / "ada.jsonl"
    done = cli.run("threads", "export", "--owner", "ada", "--to", str(file))
    assert (done.code, done.out, done.err) == (0, "", "exported 1 thread\n")
    again = tmp_path / "again.jsonl"
    assert cli.run("threads", "export", "a", "--to", str(again), "--json").rows == [
        {"threads": 1, "file": str(again)}
    ]
    written = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [line for line in written if line["kind"] != "thread"] == lines
    for arguments in (("a", "--to", str(file)), ("--owner", "ada", "--to", str(file)), ()):
        assert cli.run("threads", "export", *arguments).code == 2
    missing = tmp_path / "missing.jsonl"
    assert cli.run("threads", "export", "a", "none", "--to", str(missing)).code == 3
    assert not missing.exists()


async def test_a_thread_that_is_named_twice_counts_once(client: Either, cli: CommandLine) -> None:
    await chain(client, "ada", 2)
    await chain(client, "bob", 1)
    names = ("ada", "bob", "ada")
    exported = cli.run("threads", "export", *names)
    assert exported.rows == cli.run("threads", "export", "ada", "bob").rows
    assert exported.err == "exported 2 threads\n"
    for command in (("cost", "--json"), ("threads", "rm", "--dry-run", "--json")):
        rows = cli.run(*command, *names).rows
        assert [row["thread_id"] for row in rows if "thread_id" in row] == ["ada", "bob"]
    assert "2 threads, 3 checkpoints" in cli.run("verify", *names).out
    (pruned,) = cli.run("prune", *names, "--dry-run", "--json").rows
    assert (pruned["threads"], pruned["checkpoints"]) == (1, 1)
