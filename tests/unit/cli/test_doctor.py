"""`doctor` where AWS refuses, on an account of moto whose answers are scripted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from clients import KEYS, REGION
from command_line import CommandLine, Done
from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.drivers import sync
from sessions import refusal
from stacks import create_stack


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The error code of each operation that is refused; the table exists."""
    codes: dict[str, str] = {}
    make = sync.sync_session

    def watched(config: Any) -> Any:
        session = make(config)
        session.events.register("before-call.dynamodb", refuse)
        return session

    def refuse(model: Any, **_: Any) -> None:
        if model.name in codes:
            code = codes[model.name]
            raise refusal(code, int(code) if code.isdigit() else 400)

    monkeypatch.setattr(sync, "sync_session", watched)
    with mock_aws():
        session = boto3.Session(region_name=REGION, **KEYS)
        table = DynamoDBTableConfig(table_name="chats", enable_ttl=True)
        DynamoDBSaver(DynamoDBConfig(table_config=table, session=session), deploy=True)
        yield codes


def doctor(*arguments: str, **environment: str | None) -> Done:
    settings = {"LANGGRAPH_DYNAMODB_ENDPOINT_URL": None, **environment}
    return CommandLine("", "chats").run("doctor", "--json", *arguments, **settings)


def statuses(done: Done) -> dict[str, str]:
    return {row["check"]: row["status"] for row in done.rows}


def test_a_permission_that_every_graph_needs_is_a_problem(refused: dict[str, str]) -> None:
    refused |= dict.fromkeys(("Query", "Scan", "UpdateItem"), "AccessDeniedException")
    done = doctor()
    found = {row["check"]: row for row in done.rows}
    assert (done.code, found["may Query"]["status"], found["may Scan"]["status"]) == (
        *(4, "problem"),
        "note",
    )
    assert found["may Query"]["what_to_do"] == "allow dynamodb:Query for every method"
    assert found["may UpdateItem"]["status"] == "problem"
    assert {found["may PutItem"]["status"], found["TTL"]["status"]} == {"ok"}


@pytest.mark.parametrize("code", ["UnknownOperationException", "500"])
def test_what_an_emulator_lacks_is_no_problem(refused: dict[str, str], code: str) -> None:
    refused |= dict.fromkeys(("BatchExecuteStatement", "DescribeTimeToLive"), code)
    done = doctor()
    found = {row["check"]: row for row in done.rows}
    for check in ("may PartiQLInsert", "TTL"):
        assert (found[check]["status"], found[check]["found"]) == (
            *("note", "not supported by this endpoint"),
        )
    assert (done.code, found["may PartiQLInsert"]["what_to_do"]) == (
        0,
        "leave share_puts off",
    )


def test_a_role_that_may_not_describe_the_table_is_told_the_rest(refused: dict[str, str]) -> None:
    refused |= dict.fromkeys(("DescribeTable", "DescribeTimeToLive"), "AccessDeniedException")
    done = doctor()
    found = statuses(done)
    assert (done.code, found["table"], found["TTL"]) == (0, "unknown", "unknown")
    assert found["may Query"] == "ok"
    refused["UpdateItem"] = "AccessDeniedException"
    done = doctor()
    assert (done.code, statuses(done)["may UpdateItem"]) == (4, "problem")


def test_without_credentials_it_says_how_to_give_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    nothing = dict.fromkeys((*map(str.upper, KEYS), "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
    files = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), "/nonexistent")
    done = doctor(**nothing, **files)
    found = {row["check"]: row for row in done.rows}
    assert (done.code, found["credentials"]["status"]) == (4, "problem")
    assert "aws sso login" in found["credentials"]["what_to_do"]
    assert "table" not in found


@pytest.mark.parametrize("arguments", [(), ("--table", "a b"), ("--table", "c", "--stack", "s")])
def test_without_one_table_its_usage_is_wrong(arguments: tuple[str, ...]) -> None:
    done = doctor(*arguments, LANGGRAPH_DYNAMODB_TABLE=None)
    assert (done.code, done.out, "--table" in done.err) == (2, "", True)


def test_for_people_what_to_do_follows_what_was_found(refused: dict[str, str]) -> None:
    refused["Scan"] = "AccessDeniedException"
    done = CommandLine("", "chats").run("doctor", LANGGRAPH_DYNAMODB_ENDPOINT_URL=None)
    line, *_ = (one for one in done.out.splitlines() if one.startswith("may Scan "))
    assert "denied; allow dynamodb:Scan for " in line
    assert all(line == line.rstrip() for line in done.out.splitlines())


def test_without_a_region_it_says_how_to_name_one() -> None:
    done = doctor(LANGGRAPH_DYNAMODB_REGION=None, AWS_CONFIG_FILE="/nonexistent")
    assert (done.code, statuses(done)["Region"]) == (4, "problem")


def test_the_table_of_a_stack_is_found() -> None:
    with mock_aws():
        create_stack("checkpoints", {"TableName": "chats", "EnableTtl": "true"})
        done = doctor("--stack", "checkpoints", LANGGRAPH_DYNAMODB_TABLE=None)
        found = {row["check"]: row for row in done.rows}
        assert found["table"]["found"] == "'chats' is ACTIVE, keys PK and SK"
        # CloudFormation of moto does not switch TTL on.
        assert (done.code, found["TTL"]["status"]) == (4, "problem")
        assert "the stack says on" in found["TTL"]["what_to_do"]
        missing = doctor("--stack", "nothing", LANGGRAPH_DYNAMODB_TABLE=None)
        assert (missing.code, missing.rows[-1]["check"]) == (4, "table")
        show = CommandLine("").run(
            *("threads", "show", "ada", "--stack", "nothing"), LANGGRAPH_DYNAMODB_ENDPOINT_URL=None
        )
        assert (show.code, show.out, "Check the name" in show.err) == (3, "", True)
