"""`threads ls`, `threads index` and the choice of threads by owner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import MakeSaver
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from command_line import CommandLine
from either import Either
from langgraph_checkpoint_dynamodb import DynamoDBSaver
from langgraph_checkpoint_dynamodb.cli import directory
from threads import config_of, put


@pytest.fixture
def saver(make_saver: MakeSaver) -> DynamoDBSaver:
    return make_saver(mode="sync", thread_owner="user_id")


@pytest.fixture
def cli(saver: DynamoDBSaver, endpoint_url: str) -> CommandLine:
    return CommandLine(endpoint_url, saver.config.table_config.table_name)


async def fill(saver: DynamoDBSaver, **owners: str | None) -> None:
    client = Either(saver, use_async=False)
    for thread_id, owner in owners.items():
        metadata = {} if owner is None else {"user_id": owner}
        await put(client, config_of(thread_id), {"n": 1}, metadata)


def ids(rows: list[Any]) -> list[str]:
    return [row["thread_id"] for row in rows]


async def test_ls_lists_an_owners_threads_in_pages(saver: DynamoDBSaver, cli: CommandLine) -> None:
    await fill(saver, a="ada", b="bob", c="ada", d=None, e="ada")
    saver.set_thread("c", title="A\x1btitle", metadata={"n": 1})
    rows = cli.run("threads", "ls", "--owner", "ada", "--json").rows
    assert ids(rows) == ["e", "c", "a"]
    assert (rows[1]["title"], rows[1]["metadata"], rows[1]["status"]) == (
        *("A\x1btitle", {"n": 1}),
        "idle",
    )
    assert ids(cli.run("threads", "ls", "--json").rows) == ["d"]
    first = cli.run("threads", "ls", "--owner", "ada", "--limit", "2", "--oldest-first", "--json")
    assert ids(first.rows) == ["a", "c"]
    cursor = first.err.split("--cursor ")[1].strip()
    rest = cli.run(
        *("threads", "ls", "--owner", "ada", "--oldest-first", "--json", "--cursor", cursor)
    )
    assert ids(rest.rows) == ["e"]
    shown = cli.run("threads", "ls", "--owner", "ada").out
    assert ("\x1b" in shown, "A\\x1btitle" in shown) == (False, True)
    nobody = cli.run("threads", "ls", "--owner", "eve")
    assert (nobody.code, nobody.out) == (0, "")
    assert "no threads of owner 'eve'" in nobody.err


async def test_ls_lists_the_threads_of_all_owners(
    saver: DynamoDBSaver, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "_PAGE", 2)
    none = cli.run("threads", "ls", "--all")
    assert (none.code, none.out, "--scan lists all ids" in none.err) == (0, "", True)
    await fill(saver, a="ada", b="bob", c="ada", d=None, e="ada")
    every = cli.run("threads", "ls", "--all", "--json")
    assert sorted(ids(every.rows)) == ["a", "b", "c", "d", "e"]
    assert {row["owner"] for row in every.rows} == {"ada", "bob", None}
    first = cli.run("threads", "ls", "--all", "--limit", "3", "--json")
    cursor = first.err.split("--cursor ")[1].strip()
    rest = cli.run("threads", "ls", "--all", "--json", "--cursor", cursor)
    assert sorted(ids(first.rows) + ids(rest.rows)) == sorted(ids(every.rows))
    others = "these have no owner: pass --owner for those of an owner, --all for those of all"
    assert f"{others} owners\n" in cli.run("threads", "ls").err
    for shown in (("--owner", "ada"), ("--owner", "eve"), ("--all",)):
        done = cli.run("threads", "ls", *shown)
        assert (done.code, others in done.err) == (0, False)
    for more in (("--owner", "ada"), ("--oldest-first",)):
        refused = cli.run("threads", "ls", "--all", *more)
        assert (refused.code, "in no order" in refused.err) == (2, True)


async def test_a_mistyped_owner_is_not_one_without_data(
    saver: DynamoDBSaver, cli: CommandLine, tmp_path: Path
) -> None:
    await fill(saver, a="ada")
    file = tmp_path / "eve.jsonl"
    for arguments in (
        ("threads", "rm", "--yes"),
        ("threads", "rm", "--dry-run"),
        ("threads", "export", "--to", str(file)),
        ("cost",),
        ("prune", "--inactive-for", "1d", "--yes"),
    ):
        done = cli.run(*arguments, "--owner", "eve")
        assert (done.code, done.out) == (3, "")
        assert "no thread is listed for owner 'eve'" in done.err
    assert not file.exists()
    for more in (
        ("--owner", "ada"),
        ("--limit", "5"),
        ("--all",),
        ("--oldest-first",),
        ("--cursor", "x"),
    ):
        assert cli.run("threads", "ls", "--scan", *more).code == 2
    assert cli.run("threads", "rm").code == 2


async def test_a_table_without_the_index_is_scanned_or_indexed(
    make_saver: MakeSaver, saver: DynamoDBSaver, endpoint_url: str, cli: CommandLine
) -> None:
    bare = make_saver(mode="sync", enable_thread_index=False)
    await fill(bare, a="ada", b=None)
    of_bare = CommandLine(endpoint_url, bare.config.table_config.table_name)
    refused = of_bare.run("threads", "ls")
    assert (refused.code, "--scan" in refused.err) == (2, True)
    assert sorted(ids(of_bare.run("threads", "ls", "--scan", "--json").rows)) == ["a", "b"]
    assert of_bare.run("threads", "index").code == 2

    # Threads that were put by savers without the index.
    name = saver.config.table_config.table_name
    unaware = make_saver(mode="sync", table_name=name, deploy=False, enable_thread_index=False)
    await fill(unaware, a="ada", b=None)
    assert cli.run("threads", "ls").out == ""
    index = ("threads", "index", "--owner-key", "user_id", "--json")
    assert cli.run(*index, "--dry-run").rows == [{"indexed": 2, "dry_run": True}]
    assert cli.run("threads", "ls").out == ""
    assert cli.run(*index).rows == [{"indexed": 2, "dry_run": False}]
    assert ids(cli.run("threads", "ls", "--owner", "ada", "--json").rows) == ["a"]
    assert cli.run("verify").code == 0


async def test_cost_of_an_owner_and_of_all(saver: DynamoDBSaver, cli: CommandLine) -> None:
    await fill(saver, a="ada", b="bob", c="ada")
    assert sorted(ids(cli.run("cost", "--owner", "ada", "--json").rows)) == ["a", "c"]
    rows = cli.run("cost", "--all", "--json").rows
    assert sorted(ids(rows)) == ["a", "b", "c"]
    total = [line for line in cli.run("cost", "--all").table if line and line[0] == "total"]
    assert total[0][1] == str(sum(row["items"] for row in rows))


def test_an_empty_table_is_said_to_be_empty(cli: CommandLine) -> None:
    for command in (("threads", "ls", "--scan"), ("cost", "--all")):
        done = cli.run(*command)
        assert (done.code, done.out, done.err) == (0, "", "the table has no threads\n")


async def test_a_thread_that_cannot_be_read_does_not_hide_the_others(
    make_saver: MakeSaver, endpoint_url: str
) -> None:
    plain = make_saver(mode="sync")
    name = plain.config.table_config.table_name
    serde = EncryptedSerializer.from_pycryptodome_aes(key=b"k" * 16)
    secret = make_saver(mode="sync", table_name=name, deploy=False, serde=serde)
    await fill(plain, a=None)
    await fill(secret, b=None)
    secret.set_thread("b", title="Secret")
    cli = CommandLine(endpoint_url, name)
    done = cli.run("cost", "--all", "--json")
    assert (done.code, ids(done.rows)) == (1, ["a"])
    assert ("thread 'b'" in done.err, "LANGGRAPH_AES_KEY" in done.err) == (True, True)
    rows = {row["thread_id"]: row for row in cli.run("threads", "ls", "--json").rows}
    assert (rows["a"]["unreadable"], rows["b"]["title"]) == (None, None)
    assert "LANGGRAPH_AES_KEY" in rows["b"]["unreadable"]
    assert "(unreadable)" in cli.run("threads", "ls").out


@pytest.mark.parametrize("arguments", [(), ("a", "--all"), ("--owner", "ada", "--all")])
def test_threads_are_chosen_in_one_way(cli: CommandLine, arguments: tuple[str, ...]) -> None:
    done = cli.run("cost", *arguments)
    assert (done.code, done.out, "one of the three" in done.err) == (2, "", True)
