"""`destroy`: the calls it makes, by scripted replies."""

from __future__ import annotations

from typing import Any

import pytest

from deploying import (
    DELETE,
    DESCRIBE,
    DESCRIBE_TARGETS,
    LIST_TAGS,
    MISSING,
    NAME,
    OK,
    PLAIN,
    Step,
    dimension,
    drain,
    index_id,
    play,
    refused,
    scaling,
    table,
    tags,
)
from langgraph_checkpoint_dynamodb.config.table_config import DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.errors import (
    AccessDeniedError,
    RequestRejectedError,
    StorageError,
    TableMismatchError,
    TableProtectedError,
    UnavailableError,
)
from langgraph_checkpoint_dynamodb.infra.destroy import destroy
from langgraph_checkpoint_dynamodb.infra.template import INDEXES
from langgraph_checkpoint_dynamodb.runtime.effects import (
    AUTOSCALING,
    OF_ANOTHER_PLACE,
    Backoff,
    Call,
)
from stacks import PROVISIONED as CAPACITY

DENIED = refused("AccessDeniedException", AccessDeniedError)
OF_A_STACK = tags(**{"owner": "team", "aws:cloudformation:stack-name": "chats-stack"})
CONFIG = DynamoDBTableConfig(table_name=NAME, **CAPACITY)
"""A table with provisioned capacity, which may have autoscaling."""

NO_SCALING: Step = (DESCRIBE_TARGETS, [{"ScalableTargets": []}])
FOUND: list[Step] = [(DESCRIBE, table(TableId="id-1")), (LIST_TAGS, tags(owner="team"))]
LOOK: list[Step] = [*FOUND, NO_SCALING]


def deleted(table_id: str = "id-1") -> list[dict[str, Any]]:
    return [{"TableDescription": {"TableStatus": "DELETING", "TableId": table_id}}]


GONE: list[Step] = [(DELETE, deleted()), (DESCRIBE, MISSING)]


def test_destroy_waits_until_the_table_is_gone() -> None:
    play(
        destroy(CONFIG),
        *LOOK,
        (DELETE, deleted()),
        (DESCRIBE, table("DELETING", TableId="id-1")),
        (Backoff(0), None),
        (DESCRIBE, MISSING),
    )


@pytest.mark.parametrize("force", [False, True])
def test_destroying_a_missing_table_is_fine(force: bool) -> None:
    play(destroy(CONFIG, force=force), (DESCRIBE, MISSING), NO_SCALING)


@pytest.mark.parametrize(
    "steps",
    [
        [(LIST_TAGS, MISSING), NO_SCALING, (DELETE, MISSING)],
        [(LIST_TAGS, tags()), NO_SCALING, (DELETE, MISSING)],
    ],
)
def test_a_table_that_another_process_deletes_meanwhile_is_fine(steps: list[Step]) -> None:
    play(destroy(CONFIG), (DESCRIBE, table()), *steps)


def test_destroy_waits_for_a_change_to_end() -> None:
    play(
        destroy(CONFIG),
        *LOOK,
        (DELETE, refused("ResourceInUseException")),
        (Backoff(0), None),
        *GONE,
    )


def test_destroy_spares_a_table_that_takes_the_name_in_the_meantime() -> None:
    play(
        destroy(CONFIG),
        *LOOK,
        (DELETE, deleted()),
        (DESCRIBE, table("CREATING", TableId="id-2")),
    )


@pytest.mark.parametrize("force", [False, True])
def test_a_protected_table_is_left_alone_also_by_force(force: bool) -> None:
    message = "'chats': deletion protection is on. Switch it off first .*EnableDeletionProtection"
    with pytest.raises(TableProtectedError, match=message):
        play(destroy(CONFIG, force=force), (DESCRIBE, table(DeletionProtectionEnabled=True)))


def test_protection_that_is_switched_on_meanwhile_is_an_error() -> None:
    with pytest.raises(RequestRejectedError, match="ValidationException"):
        play(destroy(CONFIG), *LOOK, (DELETE, refused("ValidationException")))


@pytest.mark.parametrize("force", [False, True])
def test_a_table_with_other_keys_is_of_another_application(force: bool) -> None:
    (other,) = table()
    other["Table"]["KeySchema"] = other["Table"]["KeySchema"][:1]
    with pytest.raises(TableMismatchError, match="choose another table_name"):
        play(destroy(CONFIG, force=force), (DESCRIBE, [other]))


def test_a_dry_run_checks_all_and_deletes_nothing() -> None:
    play(destroy(CONFIG, dry_run=True), *LOOK)
    with pytest.raises(TableProtectedError):
        play(destroy(CONFIG, dry_run=True), FOUND[0], (LIST_TAGS, OF_A_STACK))


def test_a_table_of_a_stack_is_left_alone() -> None:
    message = "'chats' belongs to the CloudFormation stack 'chats-stack'.*pass force=True"
    with pytest.raises(TableProtectedError, match=message):
        play(destroy(CONFIG), (DESCRIBE, table()), (LIST_TAGS, OF_A_STACK))


def test_a_table_that_may_be_of_a_stack_is_left_alone() -> None:
    with pytest.raises(TableProtectedError, match=r"Allow dynamodb:ListTags.*force=True") as raised:
        play(destroy(CONFIG), (DESCRIBE, table()), (LIST_TAGS, DENIED))
    assert raised.value.__cause__ is DENIED


def test_force_does_not_ask_whose_the_table_is() -> None:
    play(destroy(CONFIG, force=True), LOOK[0], NO_SCALING, *GONE)


@pytest.mark.parametrize("code", ["UnknownOperationException", "InvalidAction", OF_ANOTHER_PLACE])
def test_an_engine_without_tags_and_scaling_is_tolerated(code: str) -> None:
    play(
        destroy(CONFIG),
        LOOK[0],
        (LIST_TAGS, refused(code)),
        (DESCRIBE_TARGETS, refused(code)),
        *GONE,
    )


def targets(*dimensions: tuple[str, str]) -> list[dict[str, Any]]:
    more = {"MinCapacity": 1, "MaxCapacity": 2, "RoleARN": "arn"}
    found = [{**dimension(kind, resource), **more} for kind, resource in dimensions]
    return [{"ScalableTargets": found}]


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("answer", [OK, refused("ObjectNotFoundException")])
def test_scaling_is_removed_once_the_table_is_gone(is_there: bool, answer: Any) -> None:
    """Also what an interrupted `destroy` has left, and if another process is faster."""
    look = (DESCRIBE_TARGETS, targets(("Read", "table"), ("Write", "index")))
    play(
        destroy(CONFIG),
        *([*FOUND, look, *GONE] if is_there else [(DESCRIBE, MISSING), look]),
        (scaling("deregister_scalable_target", "Read"), answer),
        (scaling("deregister_scalable_target", "Write", "index"), answer),
    )


def test_scaling_that_cannot_be_removed_is_an_error() -> None:
    with pytest.raises(AccessDeniedError):
        play(
            destroy(CONFIG),
            *FOUND,
            (DESCRIBE_TARGETS, targets(("Read", "table"))),
            *GONE,
            (scaling("deregister_scalable_target", "Read"), DENIED),
        )


def test_scaling_of_every_index_that_the_table_has_is_looked_for() -> None:
    (expected,) = DESCRIBE_TARGETS
    resources = [*expected.params["ResourceIds"][:1], *map(index_id, sorted({"by-run", *INDEXES}))]
    ask = [Call(expected.method, {**expected.params, "ResourceIds": resources}, AUTOSCALING)]
    found = table(GlobalSecondaryIndexes=[{"IndexName": "by-run"}])
    play(
        destroy(CONFIG, force=True),
        (DESCRIBE, found),
        (ask, [{"ScalableTargets": []}]),
        (DELETE, MISSING),
    )


ON_DEMAND = table(BillingModeSummary={"BillingMode": "PAY_PER_REQUEST"})
PROVISIONED = table(BillingModeSummary={"BillingMode": "PROVISIONED"})
ALWAYS_PROVISIONED = table()


@pytest.mark.parametrize("config", [PLAIN, CONFIG])
def test_a_table_on_demand_is_not_asked_for_scaling(config: DynamoDBTableConfig) -> None:
    play(destroy(config, force=True), (DESCRIBE, ON_DEMAND), *GONE)


def test_a_missing_table_on_demand_is_not_asked_for_scaling() -> None:
    play(destroy(PLAIN, force=True), (DESCRIBE, MISSING))


@pytest.mark.parametrize("described", [PROVISIONED, ALWAYS_PROVISIONED])
@pytest.mark.parametrize("config", [PLAIN, CONFIG])
def test_nothing_is_deleted_if_scaling_cannot_be_described(
    config: DynamoDBTableConfig, described: Any
) -> None:
    with pytest.raises(AccessDeniedError) as raised:
        play(destroy(config, force=True), (DESCRIBE, described), (DESCRIBE_TARGETS, DENIED))
    assert raised.value is DENIED


SCRIPT: list[Step] = [*LOOK, *GONE]


@pytest.mark.parametrize("position", range(len(SCRIPT)))
def test_an_error_anywhere_comes_out_unchanged(position: int) -> None:
    error = refused("LimitExceededException", StorageError)
    expected, _ = SCRIPT[position]
    with pytest.raises(StorageError) as raised:
        play(destroy(CONFIG), *SCRIPT[:position], (expected, error))
    assert raised.value is error


def test_a_table_that_never_goes_is_an_error() -> None:
    answers = {
        "delete_table": deleted(),
        "describe_table": table("DELETING", TableId="id-1"),
        "list_tags_of_resource": tags(),
        "describe_scalable_targets": [{"ScalableTargets": []}],
    }
    with pytest.raises(UnavailableError, match="'chats' is still DELETING after it was deleted"):
        drain(destroy(CONFIG), lambda method: answers[method])


def test_a_table_that_stays_in_use_is_an_error() -> None:
    answers = {
        "delete_table": refused("ResourceInUseException"),
        "describe_table": table("UPDATING"),
        "list_tags_of_resource": tags(),
        "describe_scalable_targets": [{"ScalableTargets": []}],
    }
    with pytest.raises(UnavailableError, match="'chats' is in use by another change after 120"):
        drain(destroy(CONFIG), lambda method: answers[method])
