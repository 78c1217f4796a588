"""`langgraph-dynamodb migrate`: the same threads as `migrate` copies, without their classes."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from conftest import MakeSaver

from command_line import CommandLine
from langgraph_checkpoint_dynamodb import DynamoDBSaver
from migration_sources import BUCKET, LAYOUTS, PREFIX, Dump


@pytest.mark.parametrize("name", ["aws-s3", "dynamodb-checkpoint", "0.1.3"])
def test_it_copies_what_the_method_copies(
    name: str,
    make_saver: MakeSaver,
    dynamodb: Any,
    endpoint_url: str,
    s3_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint_url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_url)
    dump = Dump(name)
    monkeypatch.setattr(DynamoDBSaver, "clock", staticmethod(lambda: dump.written_at))
    source = dump.load(dynamodb, f"source-{uuid.uuid4().hex}")
    by_method, by_command = (make_saver(mode="sync", endpoint_url=None) for _ in range(2))
    report = by_method.migrate(source)

    table = by_command.config.table_config.table_name
    s3 = ("--bucket", BUCKET, "--key-prefix", PREFIX) if name == "aws-s3" else ()
    arguments = ("migrate", source.table_name, "--layout", LAYOUTS[name], *s3)

    def run(*more: str) -> Any:
        command = CommandLine("", table)
        return command.run(*arguments, *more, LANGGRAPH_DYNAMODB_ENDPOINT_URL=None)

    dry = run("--dry-run", "--json")
    assert (dry.code, list(by_command.list(None))) == (0, [])
    done = run()
    assert (done.code, done.out.splitlines()[0]) == (0, str(report).splitlines()[0])
    counts = ("threads", "checkpoints", "writes")
    assert [dry.rows[-1][one] for one in counts] == [getattr(report, one) for one in counts]
    assert list(by_command.list(None)) == list(by_method.list(None))
    assert by_command.verify().ok
    again = run("--json", "--thread", dump.put[0].name[0])
    assert (again.rows[-1]["threads"], again.rows[-1]["checkpoints"]) == (1, 0)
    command = CommandLine(endpoint_url, table)
    missing = command.run("migrate", "no-such-table", "--layout", LAYOUTS[name])
    assert (missing.code, "no table 'no-such-table' to copy from" in missing.err) == (3, True)
    absent = run("--thread", "zzz", "--thread", dump.put[0].name[0])
    assert (absent.code, "has no thread 'zzz' in the layout" in absent.err) == (3, True)
    assert absent.out.startswith("1 thread, ")


def test_a_wrong_layout_does_not_look_like_an_empty_source(
    make_saver: MakeSaver, dynamodb: Any, endpoint_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint_url)
    source = Dump("0.1.3").load(dynamodb, f"source-{uuid.uuid4().hex}")
    table = make_saver(mode="sync").config.table_config.table_name
    for layout in ("langgraph-checkpoint-aws", "langgraph-dynamodb-checkpoint"):
        done = CommandLine(endpoint_url, table).run(
            "migrate", source.table_name, "--layout", layout
        )
        assert (done.code, "check SOURCE, --layout" in done.err) == (3, True)


@pytest.mark.parametrize("name", ["aws", "dynamodb-checkpoint", "0.1.3"])
def test_the_table_of_another_saver_does_not_look_like_ones_own(
    name: str, dynamodb: Any, endpoint_url: str
) -> None:
    dump, table = Dump(name), f"source-{uuid.uuid4().hex}"
    dump.items = dump.items[:25]
    dump.load(dynamodb, table)
    cli, layout = CommandLine(endpoint_url, table), LAYOUTS[name]
    command = f"`langgraph-dynamodb migrate {table} --layout {layout} --table NEW`"
    done = cli.run("doctor", "--json")
    (row,) = [row for row in done.rows if row["check"] == "items"]
    assert (done.code, row["status"], row["what_to_do"]) == (4, "problem", f"copy them: {command}")
    listed = cli.run("threads", "ls", "--scan")
    assert (listed.out, listed.err) == (
        "",
        f"left out 25 items of {row['found'][3:]}: copy with {command}\n",
    )
    assert f"found '{row['found']}: copy their threads with `migrate`'" in cli.run("deploy").out
    thread = dump.items[0]["PK"]["S"]
    verified = cli.run("verify", thread)
    assert f"{row['found']}; copy its threads with `migrate`" in verified.out
    assert verified.code == 4


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--layout", "other"), "langgraph-checkpoint-aws"),
        (("--layout", "0.1.3", "--bucket", "b"), "leave them out"),
        (("--layout", "0.1.3", "--ttl-seconds", "60"), "TTL of table"),
    ],
)
def test_wrong_usage(
    make_saver: MakeSaver, endpoint_url: str, arguments: tuple[str, ...], hint: str
) -> None:
    table = make_saver(mode="sync").config.table_config.table_name
    done = CommandLine(endpoint_url, table).run("migrate", "source", *arguments)
    assert done.code == 2
    assert hint in done.err
