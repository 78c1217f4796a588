"""`deploy=True`: the calls it makes, by scripted replies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import ANY

import pytest

from deploying import (
    ARN,
    CREATE,
    CREATE_UNFINISHED,
    DESCRIBE,
    DESCRIBE_TTL,
    ENABLE_BACKUPS,
    ENABLE_TTL,
    FULL,
    KEYS,
    LIST_TAGS,
    MISSING,
    OK,
    PLAIN,
    SCALED,
    THREADS,
    UNFINISHED,
    UNTAG,
    Step,
    drain,
    keys_of,
    play,
    refused,
    scaling,
    table,
    tags,
    ttl,
)
from langgraph_checkpoint_dynamodb.config.table_config import DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.errors import (
    AccessDeniedError,
    ConfigurationError,
    RequestRejectedError,
    TableMismatchError,
    UnavailableError,
)
from langgraph_checkpoint_dynamodb.infra.deploy import deploy
from langgraph_checkpoint_dynamodb.infra.destroy import destroy
from langgraph_checkpoint_dynamodb.infra.plan import plan
from langgraph_checkpoint_dynamodb.runtime.effects import Backoff, Operation, advance

MADE: list[Step] = [(DESCRIBE, MISSING), (CREATE_UNFINISHED, OK), (DESCRIBE, table())]
SCRIPT: list[Step] = [*MADE, (ENABLE_TTL, OK), (ENABLE_BACKUPS, OK), (UNTAG, OK)]


def test_a_missing_table_is_made() -> None:
    play(
        deploy(FULL),
        (DESCRIBE, MISSING),
        (CREATE_UNFINISHED, OK),
        (DESCRIBE, MISSING),  # DescribeTable is eventually consistent.
        (Backoff(0), None),
        (DESCRIBE, table("CREATING")),
        (Backoff(1), None),
        (DESCRIBE, table()),
        (ENABLE_TTL, OK),
        (ENABLE_BACKUPS, OK),
        (UNTAG, OK),
    )


def test_settings_that_stay_off_cost_no_call() -> None:
    """No tag either: nothing is left to do once the table is there."""
    play(deploy(PLAIN), (DESCRIBE, MISSING), (CREATE, OK), (DESCRIBE, table()))


def test_the_mark_comes_beside_the_tags_of_the_configuration() -> None:
    config = replace(FULL, environment="prod")
    operation = deploy(config)
    advance(operation)
    (create,) = advance(operation, error=MISSING)  # type: ignore[misc]
    assert create.params["Tags"] == [
        {"Key": "Environment", "Value": "prod"},
        {"Key": UNFINISHED, "Value": "true"},
    ]


def test_an_existing_table_that_differs_is_warned_of_once_without_another_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = replace(FULL, environment="prod", enable_deletion_protection=True)
    described = table(
        BillingModeSummary={"BillingMode": "PAY_PER_REQUEST"},
        SSEDescription={"Status": "ENABLED"},
        TableClassSummary={"TableClass": "STANDARD_INFREQUENT_ACCESS"},
        **KEYS,
        GlobalSecondaryIndexes=[],
    )
    play(deploy(config), (DESCRIBE, described), (LIST_TAGS, tags(Environment="test")))
    assert caplog.messages == [
        "table 'chats' differs from its configuration, and deploy=True changes no existing table: "
        "environment: configured 'prod', found 'test'; "
        "table_class: configured 'STANDARD', found 'STANDARD_INFREQUENT_ACCESS'; "
        "enable_thread_index: configured True, found False; "
        "enable_deletion_protection: configured True, found False. "
        "plan() also compares TTL, recovery, autoscaling and the key"
    ]
    assert caplog.records[0].levelname == "WARNING"


def test_an_existing_table_that_is_as_configured_is_not_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    described = table(
        BillingModeSummary={"BillingMode": "PAY_PER_REQUEST"}, SSEDescription={"Status": "ENABLED"}
    )
    play(deploy(PLAIN), (DESCRIBE, described))
    assert caplog.messages == []


def test_an_engine_that_describes_little_does_not_fail(caplog: pytest.LogCaptureFixture) -> None:
    """Some emulators leave out what AWS always has."""
    described = table(ProvisionedThroughput={})
    play(deploy(SCALED), (DESCRIBE, described), (LIST_TAGS, tags()))
    assert "read_capacity: configured 5, found None" in caplog.text


def test_deploying_logs_its_steps(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        play(deploy(FULL), *SCRIPT)
    assert caplog.messages == [
        "table 'chats' is missing; creating it",
        "table 'chats': sent update_time_to_live",
        "table 'chats': sent update_continuous_backups",
        "table 'chats' is deployed",
    ]


@pytest.mark.parametrize("status", ["ACTIVE", "UPDATING"])
def test_an_existing_table_is_left_as_it_is(status: str) -> None:
    play(deploy(FULL), (DESCRIBE, table(status)), (LIST_TAGS, tags(Environment="prod")))


def test_an_existing_table_is_only_described_if_it_cannot_be_unfinished() -> None:
    play(deploy(PLAIN), (DESCRIBE, table()))


def test_a_table_whose_tags_are_none_of_our_business_is_left_as_it_is() -> None:
    denied = refused("AccessDeniedException", AccessDeniedError)
    play(deploy(FULL), (DESCRIBE, table()), (LIST_TAGS, denied))


@pytest.mark.parametrize("code", ["UnknownOperationException", "InvalidAction"])
def test_an_engine_without_tags_is_tolerated(code: str) -> None:
    play(deploy(FULL), (DESCRIBE, table()), (LIST_TAGS, refused(code)))
    play(deploy(FULL), *SCRIPT[:-1], (UNTAG, refused(code)))


def test_an_unfinished_table_is_finished() -> None:
    play(
        deploy(FULL),
        (DESCRIBE, table()),
        (LIST_TAGS, tags(**{"owner": "team", UNFINISHED: "true"})),
        (ENABLE_TTL, refused("ValidationException")),
        (DESCRIBE_TTL, ttl("ENABLED", "expires")),
        (ENABLE_BACKUPS, OK),
        (UNTAG, OK),
    )


def test_the_mark_is_looked_for_on_every_page_of_tags() -> None:
    first = [{**tags(owner="team")[0], "NextToken": "more"}]
    (call,) = LIST_TAGS
    play(
        deploy(FULL),
        (DESCRIBE, table()),
        (LIST_TAGS, first),
        ([replace(call, params={**call.params, "NextToken": "more"})], tags(**{UNFINISHED: ""})),
        *SCRIPT[3:],
    )


def test_a_table_that_another_process_is_making_is_waited_for() -> None:
    play(
        deploy(FULL),
        (DESCRIBE, table("CREATING")),
        (Backoff(0), None),
        (DESCRIBE, table("CREATING")),
        (Backoff(1), None),
        (DESCRIBE, table()),
        (LIST_TAGS, tags()),
    )


def test_the_slower_of_two_processes_sees_to_the_settings_too() -> None:
    play(
        deploy(FULL),
        (DESCRIBE, MISSING),
        (CREATE_UNFINISHED, refused("ResourceInUseException")),
        (DESCRIBE, table("CREATING")),
        (Backoff(0), None),
        (DESCRIBE, table()),
        (ENABLE_TTL, refused("ValidationException")),
        (DESCRIBE_TTL, ttl("ENABLED", "expires")),
        (ENABLE_BACKUPS, OK),
        (UNTAG, OK),
    )


def test_a_table_that_is_going_away_is_made_anew() -> None:
    other_keys = {"KeySchema": KEYS["KeySchema"][:1]}
    play(
        deploy(PLAIN),
        (DESCRIBE, table("DELETING", **other_keys)),
        (Backoff(0), None),
        (DESCRIBE, MISSING),
        (CREATE, OK),
        (DESCRIBE, table()),
    )


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ([("id", "S", "HASH")], r"id \(S, HASH\), but"),
        ([("PK", "S", "HASH")], r"PK \(S, HASH\), but"),
        ([("PK", "S", "HASH"), ("SK", "N", "RANGE")], r"PK \(S, HASH\), SK \(N, RANGE\), but"),
        ([("SK", "S", "HASH"), ("PK", "S", "RANGE")], r"SK \(S, HASH\), PK \(S, RANGE\), but"),
        ([("pk", "S", "HASH"), ("sk", "S", "RANGE")], r"pk \(S, HASH\), sk \(S, RANGE\), but"),
    ],
)
@pytest.mark.parametrize("status", ["ACTIVE", "CREATING"])
def test_other_keys_are_an_error(status: str, keys: list[Any], found: str) -> None:
    wanted = r"the saver needs PK \(S, HASH\), SK \(S, RANGE\): choose another table_name"
    with pytest.raises(TableMismatchError, match=f"table 'chats' exists .*{found} {wanted}"):
        play(deploy(FULL), (DESCRIBE, table(status, **keys_of(*keys))))


def test_other_keys_of_a_concurrent_creator_are_an_error() -> None:
    with pytest.raises(TableMismatchError):
        play(
            deploy(FULL),
            (DESCRIBE, MISSING),
            (CREATE_UNFINISHED, refused("ResourceInUseException")),
            (DESCRIBE, table("CREATING", **keys_of(("id", "S", "HASH")))),
        )


def test_an_index_does_not_make_the_keys_others() -> None:
    attributes = [*THREADS["AttributeDefinitions"], {"AttributeName": "run", "AttributeType": "S"}]
    play(deploy(PLAIN), (DESCRIBE, table(AttributeDefinitions=attributes)))


@pytest.mark.parametrize("found", [ttl("ENABLED", "expires"), ttl("ENABLING", "expires")])
def test_ttl_that_is_on_already_is_a_success(found: Any) -> None:
    play(
        deploy(FULL),
        *MADE,
        (ENABLE_TTL, refused("ValidationException")),
        (DESCRIBE_TTL, found),
        *SCRIPT[4:],
    )


@pytest.mark.parametrize("found", [ttl("ENABLED", "other"), ttl("DISABLED"), ttl("DISABLING")])
def test_ttl_that_is_refused_for_another_reason_is_an_error(found: Any) -> None:
    error = refused("ValidationException")
    with pytest.raises(RequestRejectedError) as raised:
        play(
            deploy(FULL),
            *MADE,
            (ENABLE_TTL, error),
            (DESCRIBE_TTL, found),
        )
    assert raised.value is error


def test_backups_that_are_not_ready_are_waited_for() -> None:
    not_ready = refused("ContinuousBackupsUnavailableException")
    play(
        deploy(FULL),
        *MADE,
        (ENABLE_TTL, OK),
        (ENABLE_BACKUPS, not_ready),
        (Backoff(0), None),
        (ENABLE_BACKUPS, not_ready),
        (Backoff(1), None),
        (ENABLE_BACKUPS, OK),
        (UNTAG, OK),
    )


def test_an_engine_without_backups_is_tolerated() -> None:
    play(
        deploy(FULL),
        *MADE,
        (ENABLE_TTL, OK),
        (ENABLE_BACKUPS, refused("UnknownOperationException")),
        (UNTAG, OK),
    )


REGISTER = {"MinCapacity": 2, "MaxCapacity": 9}
REGISTER_INDEX = {"MinCapacity": 1, "MaxCapacity": 9}
POLICY = {
    "PolicyName": "target-utilization",
    "PolicyType": "TargetTrackingScaling",
    "TargetTrackingScalingPolicyConfiguration": {
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "DynamoDBReadCapacityUtilization"
        },
        "TargetValue": 70.0,
        "ScaleInCooldown": 0,
        "ScaleOutCooldown": 0,
    },
}


@pytest.mark.parametrize("answer", [OK, refused("InvalidAction")])
def test_scaling_is_set_up_last_and_targets_before_their_policies(answer: Any) -> None:
    """DynamoDB Local lacks it."""
    play(
        deploy(SCALED),
        (DESCRIBE, MISSING),
        (ANY, OK),
        (DESCRIBE, table()),
        (scaling("register_scalable_target", "Read", **REGISTER), answer),
        (scaling("register_scalable_target", "Read", "index", **REGISTER_INDEX), answer),
        (scaling("put_scaling_policy", "Read", **POLICY), answer),
        (scaling("put_scaling_policy", "Read", "index", **POLICY), answer),
        (UNTAG, OK),
    )


@pytest.mark.parametrize("position", range(len(SCRIPT)))
def test_an_error_anywhere_comes_out_unchanged(position: int) -> None:
    error = refused("AccessDeniedException", AccessDeniedError)
    expected, _ = SCRIPT[position]
    with pytest.raises(AccessDeniedError) as raised:
        play(deploy(FULL), *SCRIPT[:position], (expected, error))
    assert raised.value is error


@pytest.mark.parametrize("position", range(len(SCRIPT)))
def test_it_can_be_cancelled_anywhere(position: int) -> None:
    operation = deploy(FULL)
    advance(operation)
    for _, answer in SCRIPT[:position]:
        failed = isinstance(answer, BaseException)
        advance(operation, error=answer) if failed else advance(operation, answer)
    operation.close()
    with pytest.raises(StopIteration):
        next(operation)


def test_a_table_that_never_becomes_active_is_an_error() -> None:
    with pytest.raises(UnavailableError, match="'chats' is still CREATING, not ACTIVE, after 120"):
        drain(deploy(PLAIN), lambda method: table("CREATING"))


def test_a_created_table_that_never_shows_is_an_error() -> None:
    with pytest.raises(UnavailableError, match="'chats' is still missing, not ACTIVE"):
        drain(deploy(PLAIN), lambda method: OK if method == "create_table" else MISSING)


def test_backups_that_never_become_available_are_an_error() -> None:
    described = iter([MISSING])
    answers: dict[str, Callable[[], Any]] = {
        "describe_table": lambda: next(described, table()),
        "update_continuous_backups": lambda: refused("ContinuousBackupsUnavailableException"),
    }
    with pytest.raises(UnavailableError, match="'chats' is ACTIVE without point-in-time recovery"):
        drain(deploy(FULL), lambda method: answers.get(method, lambda: OK)())


@pytest.mark.parametrize("operation", [deploy, plan, destroy])
def test_an_arn_is_refused_before_anything_is_sent(
    operation: Callable[[DynamoDBTableConfig], Operation[Any]],
) -> None:
    config = DynamoDBTableConfig(table_name=ARN)
    with pytest.raises(ConfigurationError, match=r"table/chats': .* take the table's name"):
        play(operation(config))
