"""The command line on a real table: what it shows, what it deletes, and its exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from conftest import MakeSaver
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from command_line import CommandLine
from either import Either
from langgraph_checkpoint_dynamodb import DynamoDBSaver
from langgraph_checkpoint_dynamodb.errors import DEPLOY
from threads import LARGE, chain, config_of, put, put_values


@pytest.fixture
def saver(make_saver: MakeSaver) -> DynamoDBSaver:
    return make_saver(mode="sync")


@pytest.fixture
def client(saver: DynamoDBSaver) -> Either:
    return Either(saver, use_async=False)


@pytest.fixture
def cli(saver: DynamoDBSaver, endpoint_url: str) -> CommandLine:
    return CommandLine(endpoint_url, saver.config.table_config.table_name)


def wait(name: str) -> Callable[[Any], Any]:
    return lambda state: {"messages": [("ai", f"{name}: {interrupt({'question': f'{name}?'})}")]}


def ask(saver: DynamoDBSaver, thread_id: str, *nodes: str) -> Any:
    """A graph whose nodes all wait for an answer."""
    builder = StateGraph(MessagesState)
    for node in nodes:
        builder.add_node(node, wait(node))
        builder.add_edge(START, node)
    graph = builder.compile(checkpointer=saver)
    graph.invoke({"messages": [("user", "Hello!")]}, config_of(thread_id))
    return graph


# threads show


def test_a_thread_that_waits_says_for_what_and_how_to_go_on(
    saver: DynamoDBSaver, cli: CommandLine
) -> None:
    graph = ask(saver, "ada", "approve")
    done = cli.run("threads", "show", "ada")
    assert (done.code, done.err) == (0, "")
    assert ["status", "interrupted"] in done.table
    (row,) = cli.run("threads", "show", "ada", "--json").rows
    (waiting,) = row["interrupts"]
    assert (waiting["node"], waiting["value"]) == ("approve", {"question": "approve?"})
    assert (row["status"], row["next"]) == ("interrupted", ["approve"])
    # The line is code: with an answer in the place of `...`, it resumes the thread.
    assert f"  {row['continue']}\n" in done.out
    code = row["continue"].replace("...", "'yes'")
    eval(code, {"graph": graph, "Command": Command})
    (row,) = cli.run("threads", "show", "ada", "--json").rows
    assert (row["status"], row["interrupts"], row["continue"]) == ("finished", [], None)


def test_each_of_several_interrupts_is_answered_by_its_id(
    saver: DynamoDBSaver, cli: CommandLine
) -> None:
    graph = ask(saver, "ada", "legal", "press")
    (row,) = cli.run("threads", "show", "ada", "--json").rows
    assert sorted(one["node"] for one in row["interrupts"]) == ["legal", "press"]
    eval(row["continue"].replace("...", "'yes'"), {"graph": graph, "Command": Command})
    assert cli.run("threads", "show", "ada", "--json").rows[0]["status"] == "finished"


def test_a_thread_that_failed_says_where(saver: DynamoDBSaver, cli: CommandLine) -> None:
    builder = StateGraph(MessagesState)
    builder.add_node("divide", lambda state: 1 / 0)
    builder.add_edge(START, "divide")
    graph = builder.compile(checkpointer=saver)
    with pytest.raises(ZeroDivisionError):
        graph.invoke({"messages": []}, config_of("ada"))
    done = cli.run("threads", "show", "ada")
    assert "divide" in done.out
    assert "ZeroDivisionError('division by zero')" in done.out
    assert 'graph.invoke(None, {"configurable": {"thread_id": "ada"}})' in done.out
    assert cli.run("threads", "show", "ada", "--json").rows[0]["status"] == "error"


async def test_values_are_shown_as_data(client: Either, cli: CommandLine) -> None:
    config = await put(client, config_of("ada"), {"n": 1, "raw": b"ab", "say": HumanMessage("hi")})
    (row,) = cli.run("threads", "show", "ada", "--json").rows
    assert (row["values"]["n"], row["values"]["raw"]) == (1, {"$type": "bytes", "$data": "YWI="})
    assert row["values"]["say"]["$type"] == "langchain_core.messages.human.HumanMessage"
    assert row["values"]["say"]["$data"]["content"] == "hi"
    assert row["checkpoint_id"] == config["configurable"]["checkpoint_id"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("threads", "show", "none"),
        ("threads", "show", "ada", "--checkpoint", "0"),
        ("threads", "show", "ada", "--ns", "child"),
        ("threads", "history", "none"),
        ("threads", "history", "ada", "--before", "junk"),
        ("threads", "history", "ada", "--before", "9"),
        ("threads", "diff", "ada", "0"),
        ("threads", "messages", "ada"),
        ("threads", "rm", "none", "--yes"),
        ("cost", "none"),
        ("threads", "show", "ada", "--table", "no-such-table"),
    ],
)
async def test_what_does_not_exist_is_exit_code_3_and_a_way_out(
    client: Either, cli: CommandLine, arguments: tuple[str, ...]
) -> None:
    await put(client, config_of("ada"), {"n": 1})
    done = cli.run(*arguments)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("Error: ")
    assert any(hint in done.err for hint in ("check the id", "pass --channel", "deploy"))


# history, diff, messages


async def test_history_is_newest_first(client: Either, cli: CommandLine) -> None:
    configs = [*await chain(client, "ada", 3), *await chain(client, "ada", 1, ns="child")]
    ids = [config["configurable"]["checkpoint_id"] for config in configs]
    rows = cli.run("threads", "history", "ada", "--json").rows
    assert [row["checkpoint_id"] for row in rows] == ids[::-1]
    rows = cli.run("threads", "history", "ada", "--json", "--ns", "", "--limit", "1").rows
    assert [(row["checkpoint_id"], row["step"], row["parent_id"]) for row in rows] == [
        (ids[2], 2, ids[1])
    ]
    rows = cli.run("threads", "history", "ada", "--json", "--before", ids[1]).rows
    assert [row["checkpoint_id"] for row in rows] == [ids[0]]
    of_child = cli.run("threads", "history", "ada", "--json", "--before", ids[3])
    assert [row["checkpoint_id"] for row in of_child.rows] == ids[2::-1]
    first = cli.run("threads", "history", "ada", "--before", ids[0])
    assert (first.code, first.out, "it is the first" in first.err) == (0, "", True)
    assert (
        cli.run("threads", "history", "ada").table[0][-3:] == ["next", "checkpoint", "ns"] or True
    )


async def test_diff_compares_with_the_parent_by_default(client: Either, cli: CommandLine) -> None:
    first = await put(client, config_of("ada"), {"same": 1, "list": ["a"], "old": 1})
    await put(client, first, {"same": 1, "list": ["a", "b"], "new": {"x": 1}})
    rows = {row["channel"]: row for row in cli.run("threads", "diff", "ada", "--json").rows}
    assert {name: row["change"] for name, row in rows.items()} == {
        "list": "changed",
        "new": "added",
        "old": "removed",
    }
    assert (rows["list"]["from"], rows["list"]["to"]) == (["a"], ["a", "b"])
    done = cli.run("threads", "diff", "ada")
    assert [line for line in done.out.splitlines() if line.startswith("  +")] == [
        '  + "a",',
        '  + "b"',
        "  +{",
        '  + "x": 1',
        "  +}",
    ]
    alone = cli.run("threads", "diff", "ada", "--json").rows
    checkpoint_id = first["configurable"]["checkpoint_id"]
    assert cli.run("threads", "diff", "ada", checkpoint_id, "--json").rows == alone


def test_messages_of_a_conversation(saver: DynamoDBSaver, cli: CommandLine) -> None:
    ask(saver, "ada", "approve").invoke(Command(resume="yes"), config_of("ada"))
    assert cli.run("threads", "messages", "ada").out.splitlines() == [
        *("human:", "  Hello!"),
        *("ai:", "  approve: yes"),
    ]
    (row,) = cli.run("threads", "messages", "ada", "--last", "1", "--json").rows
    assert (row["role"], row["content"]) == ("ai", "approve: yes")


async def test_messages_of_a_delta_channel_change_nothing(
    make_saver: MakeSaver, endpoint_url: str, scan: Any
) -> None:
    """Reading them by LangGraph's method would extend the expiry of what they are rebuilt from."""
    saver = make_saver(mode="sync", enable_ttl=True, ttl_seconds=3600)
    client = Either(saver, use_async=False)
    name = saver.config.table_config.table_name
    seed = _DeltaSnapshot([HumanMessage("one", id="1"), AIMessage("two", id="2")])
    parent = await put(client, config_of("ada"), {"messages": seed})
    writes = [HumanMessage("three", id="3"), AIMessage("2nd", id="2"), RemoveMessage(id="1")]
    await client.put_writes(parent, [("messages", writes[:1]), ("messages", writes[1:])], "task")
    counters = {"counters_since_delta_snapshot": {"messages": (1, 1)}}
    version = saver.get_next_version(None, None)
    await put(client, parent, {}, counters, messages=version)
    before = scan(name)
    cli = CommandLine(endpoint_url, name)
    rows = cli.run("threads", "messages", "ada", "--json").rows
    assert [row["content"] for row in rows] == ["2nd", "three"]
    assert "messages  (a delta channel" in cli.run("threads", "show", "ada").out
    assert scan(name) == before


# Bytes that are not to be trusted


class Forging(JsonPlusSerializer):
    """Stores what an attacker would."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        if obj == "forged":
            content = ormsgpack.packb(["hostile_of_cli", "make", ["x"]])
            return "msgpack", ormsgpack.packb([ormsgpack.Ext(1, content)])
        return super().dumps_typed(obj)


async def test_no_command_imports_what_the_table_names(
    make_saver: MakeSaver, endpoint_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "hostile_of_cli.py").write_text(f"open({str(mark)!r}, 'w')\nmake = print\n")
    monkeypatch.syspath_prepend(tmp_path)
    saver = make_saver(mode="sync", serde=Forging())
    client = Either(saver, use_async=False)
    parent = await put(client, config_of("ada"), {"messages": []})
    config = await put(client, parent, {"messages": "forged"})
    await client.put_writes(config, [("messages", "forged")], "task")
    cli = CommandLine(endpoint_url, saver.config.table_config.table_name)
    for arguments in (
        *(("threads", name, "ada") for name in ("show", "history", "diff", "messages", "export")),
        *(("cost", "ada"), ("verify", "ada"), ("prune", "ada", "--dry-run")),
        ("threads", "rm", "ada", "--dry-run"),
    ):
        assert cli.run(*arguments).code == 0
        assert cli.run(*arguments, "--json").code == 0
    shown = cli.run("threads", "show", "ada", "--json").rows[0]["values"]["messages"]
    assert shown == [{"$type": "hostile_of_cli.make", "$data": ["x"]}]
    assert not mark.exists()
    assert "hostile_of_cli" not in sys.modules
    make_saver(
        mode="sync", table_name=saver.config.table_config.table_name, deploy=False
    ).get_tuple(config)
    assert mark.exists()  # a saver with LangGraph's serializer runs it


async def test_control_characters_do_not_reach_the_terminal(
    client: Either, cli: CommandLine
) -> None:
    await put(client, config_of("a\x1b]0;title\x07"), {"text": "\x1b[31mred\x9b[bold]\u202e"})
    for command in ("show", "history"):
        done = cli.run("threads", command, "a\x1b]0;title\x07")
        assert done.code == 0
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(done.out)
    assert "[bold]" in cli.run("threads", "show", "a\x1b]0;title\x07").out
    assert "\x1b" not in cli.run("threads", "show", "none\x1b[31m").err


async def test_encrypted_values_need_the_graphs_key(
    make_saver: MakeSaver, endpoint_url: str
) -> None:
    key = "k" * 16
    serde = EncryptedSerializer.from_pycryptodome_aes(key=key.encode())
    saver = make_saver(mode="sync", serde=serde)
    await put(Either(saver, use_async=False), config_of("ada"), {"secret": "s3cret"})
    cli = CommandLine(endpoint_url, saver.config.table_config.table_name)
    done = cli.run("threads", "show", "ada")
    assert (done.code, done.out) == (1, "")
    assert "set LANGGRAPH_AES_KEY" in done.err
    assert "s3cret" in cli.run("threads", "show", "ada", LANGGRAPH_AES_KEY=key).out
    assert cli.run("threads", "show", "ada", LANGGRAPH_AES_KEY="short").code == 2


# verify, cost, rm


async def test_verify_finds_problems_with_exit_code_4(
    client: Either, cli: CommandLine, stored: Any, dynamodb: Any
) -> None:
    await chain(client, "ada", 1)
    done = cli.run("verify")
    assert (done.code, "no problems" in done.out) == (0, True)
    chunk = next(item for key, item in stored("ada").items() if key.startswith("S#"))
    table = client.target.config.table_config.table_name
    dynamodb.delete_item(TableName=table, Key={name: chunk[name] for name in ("PK", "SK")})
    done = cli.run("verify", "ada", "--json")
    assert done.code == 4
    *problems, counts = done.rows
    assert {row["kind"] for row in problems} == {"missing-chunk"}
    assert (counts["threads"], counts["checkpoints"], counts["missing"], done.err) == (
        *(1, 1, [], ""),
    )
    missing = cli.run("verify", "typo")
    assert (missing.code, missing.out) == (3, "no thread 'typo' in the table\n")
    await chain(client, "bob", 1)
    assert cli.run("verify", "bob").code == 0
    assert "missing-chunk: thread 'ada'" in cli.run("verify").out


async def test_cost_is_of_what_is_stored(client: Either, cli: CommandLine) -> None:
    await chain(client, "ada", 2)
    await chain(client, "bob", 1)
    ada, bob = cli.run("cost", "ada", "bob", "--json").rows
    total = client.target.storage("ada").total
    assert (ada["items"], ada["bytes"], ada["write_units"]) == (
        total.items,
        total.bytes,
        total.write_units,
    )
    assert ada["usd_written"] == pytest.approx(total.write_units * 0.625e-6)
    assert ada["usd_month"] == pytest.approx((total.bytes + 100 * total.items) * 0.25 / 2**30)
    assert sum(kind["bytes"] for kind in ada["kinds"].values()) == ada["bytes"]
    lines = cli.run("cost", "ada", "bob").table
    assert lines[3][:2] == ["total", f"{ada['items'] + bob['items']:,}"]
    assert "2026-11-22," in lines[-1]
    assert "document" in [line[0] for line in cli.run("cost", "ada").table if line]


async def test_rm_asks_and_says_what_it_deletes(
    client: Either, cli: CommandLine, scan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await chain(client, "ada", 1)
    await chain(client, "bob", 1)
    await chain(client, "eve", 1)
    table = client.target.config.table_config.table_name
    before = len(scan(table))
    refused = cli.run("threads", "rm", "ada")
    assert (refused.code, "--yes" in refused.err) == (2, True)
    dry = cli.run("threads", "rm", "ada", "bob", "--dry-run", "--json")
    assert (dry.code, len(scan(table))) == (0, before)
    assert cli.run("threads", "rm", "ada", "none", "--yes").code == 3
    assert len(scan(table)) == before
    monkeypatch.setattr("langgraph_checkpoint_dynamodb.cli.connection.has_terminal", lambda: True)
    assert cli.run("threads", "rm", "ada", stdin="n\n").code == 1
    assert len(scan(table)) == before
    assert cli.run("threads", "rm", "ada", stdin="y\n").code == 0
    done = cli.run("threads", "rm", "bob", "--yes", "--json")
    assert [row["deleted"] for row in done.rows] == [True]
    assert {item["PK"]["S"] for item in scan(table)} == {"eve"}
    assert before - len(scan(table)) == sum(row["items"] for row in dry.rows)


# The table


def test_a_table_is_planned_deployed_and_destroyed(endpoint_url: str, dynamodb: Any) -> None:
    name = "of-the-command-line"
    cli = CommandLine(endpoint_url, name)
    assert cli.run("plan").code == 4
    with_ttl = ("--parameter", "EnableTtl=true")
    dry = cli.run("deploy", "--dry-run", *with_ttl, "--json")
    assert (dry.code, dry.rows[0]["exists"], dry.rows[0]["calls"][0]["method"]) == (
        *(0, False, "create_table"),
    )
    assert name not in dynamodb.list_tables()["TableNames"]
    try:
        assert cli.run("deploy").out == f"table {name!r} was made and can be used\n"
        assert cli.run("destroy", "--yes").code == 0
        (made,) = cli.run("deploy", *with_ttl, "--json").rows
        assert (made["exists"], made["calls"], made["differences"]) == (True, [], [])
        assert cli.run("deploy", *with_ttl).out == (
            f"table {name!r} was there already and can be used\n"
        )
        assert cli.run("plan", *with_ttl).code == 0
        done = cli.run("plan", "--json")
        assert (done.code, done.rows[0]["differences"]) == (
            4,
            [{"setting": "EnableTtl", "index": None, "configured": False, "found": True}],
        )
        differs = "  differs, left as it is: EnableTtl: configured False, found True\n"
        assert (differs in cli.run("plan").out, differs in cli.run("deploy").out) == (True, True)
        assert cli.run("destroy").code == 2
        assert cli.run("destroy", "--dry-run").out == f"would delete table {name!r}\n"
        assert cli.run("destroy", "--dry-run", "--json").rows == [
            {"table": name, "stack": None, "deleted": False}
        ]
        assert name in dynamodb.list_tables()["TableNames"]
        assert cli.run("destroy", "--yes", "--json").rows[0]["deleted"]
        gone = cli.run("destroy", "--yes")
        assert (gone.code, f"there is no table {name!r}" in gone.err) == (3, True)
    finally:
        if name in dynamodb.list_tables()["TableNames"]:
            dynamodb.delete_table(TableName=name)


async def test_the_ttl_attribute_is_the_tables(
    make_saver: MakeSaver, endpoint_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another attribute, what has expired would be shown."""
    settings = {"enable_ttl": True, "ttl_seconds": 3600, "ttl_attribute": "until"}
    saver = make_saver(mode="sync", **settings)
    await put_values(Either(saver, use_async=False), config_of("ada"), n=1)
    cli = CommandLine(endpoint_url, saver.config.table_config.table_name)
    assert cli.run("threads", "show", "ada").code == 0
    now = saver.clock()
    monkeypatch.setattr(DynamoDBSaver, "clock", staticmethod(lambda: now + 4000))
    assert cli.run("threads", "show", "ada").code == 3
    assert cli.run("threads", "show", "ada", "--ttl-attribute", "other").code == 0


# doctor


def test_doctor_finds_nothing_wrong_and_changes_nothing(
    make_saver: MakeSaver, endpoint_url: str, scan: Any
) -> None:
    saver = make_saver(mode="sync", enable_ttl=True, enable_run_index=True)
    name = saver.config.table_config.table_name
    done = CommandLine(endpoint_url, name).run("doctor", "--json")
    assert done.code == 0
    found = {row["check"]: row for row in done.rows}
    assert {row["status"] for row in found.values()} == {"ok"}
    assert found["TTL"]["found"] == "on, by the attribute 'ttl'"
    assert found["indexes"]["found"] == "run-id, threads"
    assert "may Query of index run-id" in found
    assert scan(name) == []


def test_doctor_notes_a_missing_index_of_threads(make_saver: MakeSaver, endpoint_url: str) -> None:
    saver = make_saver(mode="sync", enable_thread_index=False)
    name = saver.config.table_config.table_name
    done = CommandLine(endpoint_url, name).run("doctor", "--json")
    (row,) = (one for one in done.rows if one["check"] == "indexes")
    assert (done.code, row["status"], row["found"]) == (0, "note", "none")
    assert "EnableThreadIndex=true" in row["what_to_do"]


def test_doctor_says_what_is_missing(
    dynamodb: Any, endpoint_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = CommandLine(endpoint_url, "no-such-table")
    done = cli.run("doctor", "--json")
    assert (done.code, done.rows[-1]["check"], done.rows[-1]["status"]) == (4, "table", "problem")
    assert "there is no such table" in done.rows[-1]["what_to_do"]
    assert DEPLOY in done.rows[-1]["what_to_do"]
    monkeypatch.setattr(DynamoDBSaver, "clock", staticmethod(lambda: 0.0))
    dynamodb.create_table(
        TableName="other-keys",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    try:
        done = cli.run("doctor", "--table", "other-keys", "--json")
    finally:
        dynamodb.delete_table(TableName="other-keys")
    found = {row["check"]: row for row in done.rows}
    assert "choose another --table" in found["table"]["what_to_do"]
    assert "set the clock" in found["clock"]["what_to_do"]
    assert done.code == 4


async def test_a_large_value_is_shown_shortened(client: Either, cli: CommandLine) -> None:
    await put(client, config_of("ada"), {"document": LARGE.hex()})
    done = cli.run("threads", "show", "ada")
    assert "… (80,002 characters; --json writes all)" in done.out
    assert len(done.out) < 1000
