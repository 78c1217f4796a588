"""Options, and errors that say what to do; nothing is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import CommandLine
from deploying import ARN
from langgraph_checkpoint_dynamodb import (
    AccessDeniedError,
    DynamoDBTableConfig,
    ThrottledError,
)
from langgraph_checkpoint_dynamodb.cli import connection
from langgraph_checkpoint_dynamodb.cli.main import app
from langgraph_checkpoint_dynamodb.cli.tables import settings_of
from langgraph_checkpoint_dynamodb.errors import DEPLOY
from langgraph_checkpoint_dynamodb.infra.template import parameters_of, shipped_template

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def cli() -> CommandLine:
    return CommandLine(NOWHERE)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("threads", "show", "ada"), "pass --table NAME or --stack NAME"),
        (("threads", "show", "ada", "--table", ARN), "pass the table's name, with credentials"),
        (("threads", "show", "ada", "--table", "c", "--stack", "s"), "use one"),
        (("threads", "show", "ada", "--table", "a b"), "--table 'a b': use a table's name"),
        (("migrate", "a b", "--layout", "0.1.3", "--table", "chats"), "SOURCE 'a b': use"),
        (("threads", "show"), "Missing argument"),
        (("threads", "list"), "No such command"),
        (("threads", "show", "ada", "--tabel", "chats"), "--table"),
        (("threads", "history", "ada", "--limit", "0"), "--limit"),
        (("threads", "show", "ada", "--table", "chats", "--region", "a b"), "--region 'a b': use"),
        (("plan",), "pass --table NAME, or set LANGGRAPH_DYNAMODB_TABLE\n"),
        (("plan", "--stack", "checkpoints"), "detect-stack-drift"),
        (("deploy", "--stack", "checkpoints"), "pass --table for this command"),
        (("deploy", "--table", "chats", "--ttl-attribute", "ttl"), "No such option"),
        (("plan", "--table", "chats", "--parameter", "EnableTtl"), "use NAME=VALUE"),
        (("plan", "--table", "chats", "--parameter", "TableName=x"), "use --table"),
        (("deploy", "--table", "chats", "--parameter", "EnableTtl=maybe"), "use true or false"),
        (("deploy", "--table", "chats", "--parameter", "ReadCapacity=x"), "use a whole number"),
        (("deploy", "--table", "chats", "--parameter", "BillingMode=x"), "BillingMode='x': use"),
        (("verify", "--table", "chats", "--endpoint-url", "localhost"), "use a URL"),
        (("verify", "--stack", "a_b"), "use a stack's name"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    cli: CommandLine, arguments: tuple[str, ...], hint: str
) -> None:
    done = cli.run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert hint in done.err


def test_an_option_is_stronger_than_a_variable(cli: CommandLine) -> None:
    table, stack = "LANGGRAPH_DYNAMODB_TABLE", "LANGGRAPH_DYNAMODB_STACK"
    show = ("threads", "show", "ada")
    both = cli.run(*show, **{table: "chats", stack: "checkpoints"})
    assert (both.code, "use one" in both.err) == (2, True)
    for name in ({table: "chats"}, {table: "chats", stack: "other"}):
        by_stack = cli.run(*show, "--stack", "a_b", **name)
        assert "--stack 'a_b': use a stack's name" in by_stack.err
    by_table = cli.run(*show, "--table", "chats", **{stack: "checkpoints"})
    assert (by_table.code, "on table 'chats'" in by_table.err) == (1, True)


def test_a_profile_that_is_missing_names_those_that_exist(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("[profile one]\nregion = eu-west-1\n[profile two]\n")
    done = cli.run(
        *("threads", "show", "ada", "--table", "chats", "--profile", "three"),
        AWS_CONFIG_FILE=str(file),
    )
    assert (done.code, "use one of these: one, two" in done.err) == (2, True)


def test_missing_credentials_are_no_reason_for_another_option(
    cli: CommandLine, tmp_path: Path
) -> None:
    unset = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    files = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
    environment = {**unset, **dict.fromkeys(files, str(tmp_path / "none"))}
    done = cli.run(
        *("threads", "show", "ada", "--table", "chats"),
        AWS_EC2_METADATA_DISABLED="true",
        **environment,
    )
    assert (done.code, "no usable AWS credentials" in done.err) == (1, True)
    assert "--stack" not in done.err


def test_an_endpoint_that_does_not_answer_is_exit_code_1(cli: CommandLine) -> None:
    done = cli.run("threads", "show", "ada", "--table", "chats")
    assert (done.code, done.out) == (1, "")
    assert "127.0.0.1:9" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("error", "code"), [(ThrottledError("slow"), 1), (AccessDeniedError("no"), 1)]
)
def test_errors_are_lines_with_exit_codes(error: Exception, code: int) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(connection.typer.Exit) as stopped:
        connection.exit_on_error(fail)
    assert stopped.value.exit_code == code


def test_only_commands_on_a_tables_threads_offer_a_stack(cli: CommandLine) -> None:
    for command in ("plan", "deploy", "destroy"):
        shown = cli.run(command, "--help").out
        assert ("--table" in shown, "--stack" in shown) == (True, False)
    assert "--stack" in cli.run("verify", "--help").out
    # The variable for the other commands is no reason to refuse the table that is named.
    done = cli.run("plan", "--table", "chats", LANGGRAPH_DYNAMODB_STACK="checkpoints")
    assert (done.code, "127.0.0.1:9" in done.err) == (1, True)


def test_help_says_how_exact_activity_is_and_how_threads_are_found(cli: CommandLine) -> None:
    prune = " ".join(cli.run("prune", "--help").out.replace("│", "").split())
    listed = " ".join(cli.run("threads", "ls", "--help").out.replace("│", "").split())
    assert "activity is written once an hour" in prune
    assert "activity is written once an hour" in listed
    assert ("by the index" in prune, "by a scan" in prune) == (True, False)


def test_parameters_are_typed_as_settings() -> None:
    given = ["EnableTtl=true", "BillingMode=PROVISIONED", "ReadCapacity=5", "MinReadCapacity=0"]
    found = settings_of(given)
    assert found == settings_of([]) | {
        "enable_ttl": True,
        "billing_mode": "PROVISIONED",
        "read_capacity": 5,
        "min_read_capacity": None,
    }
    assert DynamoDBTableConfig(
        **settings_of(["KmsKeyArn=arn:aws:kms:eu-west-1:111122223333:key/a"])
    )


def test_parameters_that_are_not_passed_have_the_templates_defaults() -> None:
    """`deploy` makes the table that a stack makes, so with recovery, unlike `deploy=True`."""
    declared = shipped_template()["Parameters"]
    given = parameters_of(DynamoDBTableConfig(**settings_of([])))
    assert given["EnablePointInTimeRecovery"] == "true"
    assert given == {name: str(declared[name]["Default"]) for name in given}


def test_the_way_to_a_stack_is_the_whole_command(cli: CommandLine) -> None:
    """Without the capability, CloudFormation refuses the template."""
    shown = " ".join(cli.run("template", "--help", COLUMNS="200").out.replace("│", "").split())
    assert DEPLOY.replace("NAME", "checkpoints") in shown.replace("\\ ", "")


def test_every_command_has_help_with_an_example(cli: CommandLine) -> None:
    """Also those of groups: someone new finds the way by `--help` alone."""
    listed = [command.name or command.callback.__name__ for command in commands(app)]
    assert listed[:2] == ["ls", "show"]
    assert len(listed) >= 12
    for group in app.registered_groups:
        prefix = [group.name] if group.name else []
        for command in group.typer_instance.registered_commands:
            name = command.name or command.callback.__name__
            done = cli.run(*prefix, name, "--help")
            assert done.code == 0
            assert (
                f"langgraph-dynamodb {' '.join([*prefix, name])}" in done.out.split("Examples")[1]
            )


def commands(typer_app: object) -> list[object]:
    groups = [group.typer_instance for group in typer_app.registered_groups]  # type: ignore[attr-defined]
    return [command for group in groups for command in group.registered_commands]
