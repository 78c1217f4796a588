"""Making and deleting the table: by scripted replies, on moto, and on the real engine."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters
from moto import mock_aws

from langgraph_checkpoint_dynamodb import deploy as deploy_module
from langgraph_checkpoint_dynamodb.config import BillingMode, DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.deploy import (
    TableRequests,
    deploy,
    destroy,
    requests_of,
    table_requests,
)
from langgraph_checkpoint_dynamodb.errors import (
    AccessDeniedError,
    RequestRejectedError,
    StorageError,
    TableMismatchError,
    TableNotFoundError,
    TemplateError,
    UnavailableError,
)
from langgraph_checkpoint_dynamodb.operation import Backoff, Call, Done, Operation, advance
from langgraph_checkpoint_dynamodb.template import load_template, parameters_of
from test_template import configs, create_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "chats"
PLAIN = DynamoDBTableConfig(table_name=NAME)
FULL = DynamoDBTableConfig(
    table_name=NAME,
    enable_ttl=True,
    ttl_attribute="expires",
    enable_point_in_time_recovery=True,
)
KEYS: dict[str, Any] = {
    "KeySchema": [
        {"AttributeName": "PK", "KeyType": "HASH"},
        {"AttributeName": "SK", "KeyType": "RANGE"},
    ],
    "AttributeDefinitions": [
        {"AttributeName": "PK", "AttributeType": "S"},
        {"AttributeName": "SK", "AttributeType": "S"},
    ],
}
DESCRIBE = [Call("describe_table", {"TableName": NAME})]
DELETE = [Call("delete_table", {"TableName": NAME})]
CREATE = [
    Call(
        "create_table",
        {
            "TableName": NAME,
            **KEYS,
            "BillingMode": "PAY_PER_REQUEST",
            "SSESpecification": {"Enabled": True},
        },
    )
]
ENABLE_TTL = [
    Call(
        "update_time_to_live",
        {
            "TableName": NAME,
            "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
        },
    )
]
DESCRIBE_TTL = [Call("describe_time_to_live", {"TableName": NAME})]
ENABLE_BACKUPS = [
    Call(
        "update_continuous_backups",
        {
            "TableName": NAME,
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        },
    )
]
OK: list[dict[str, Any]] = [{}]
MISSING = TableNotFoundError("missing")

Step = tuple[Any, Any]


def table(status: str = "ACTIVE", **more: Any) -> list[dict[str, Any]]:
    return [{"Table": {"TableName": NAME, "TableStatus": status, **KEYS, **more}}]


def refused(code: str, kind: type[StorageError] = RequestRejectedError) -> StorageError:
    error = kind(f"AWS says {code}")
    error.code = code
    return error


def ttl(status: str, attribute: str | None = None) -> list[dict[str, Any]]:
    description = {"TimeToLiveStatus": status}
    if attribute:
        description["AttributeName"] = attribute
    return [{"TimeToLiveDescription": description}]


def play(operation: Operation[Any], *steps: Step) -> Any:
    """Run the operation against a script of what it must ask and what it gets."""
    effect = advance(operation)
    for expected, answer in steps:
        assert effect == expected
        if isinstance(answer, BaseException):
            effect = advance(operation, error=answer)
        else:
            effect = advance(operation, answer)
    assert isinstance(effect, Done), effect
    return effect.result


# --- the requests


def validate(requests: TableRequests) -> None:
    """Let botocore check each request against DynamoDB's own model."""
    model = botocore.session.get_session().get_service_model("dynamodb")
    for operation, request in (
        ("CreateTable", requests.create_table),
        ("UpdateTimeToLive", requests.update_time_to_live),
        ("UpdateContinuousBackups", requests.update_continuous_backups),
    ):
        if request is not None:
            validate_parameters(request, model.operation_model(operation).input_shape)


@pytest.mark.parametrize("config", configs())
def test_requests_say_what_the_configuration_says(config: DynamoDBTableConfig) -> None:
    requests = requests_of(config)
    validate(requests)
    provisioned = config.billing_mode is BillingMode.PROVISIONED
    throughput = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 7}
    assert requests.create_table == {
        "TableName": config.table_name,
        **KEYS,
        "BillingMode": config.billing_mode.value,
        **({"ProvisionedThroughput": throughput} if provisioned else {}),
        "SSESpecification": {"Enabled": config.enable_encryption},
    }
    assert requests.update_time_to_live == (
        {
            "TableName": config.table_name,
            "TimeToLiveSpecification": {"AttributeName": config.ttl_attribute, "Enabled": True},
        }
        if config.enable_ttl
        else None
    )
    assert requests.update_continuous_backups == (
        {
            "TableName": config.table_name,
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        }
        if config.enable_point_in_time_recovery
        else None
    )


def test_a_property_that_has_no_request_is_an_error() -> None:
    with pytest.raises(TemplateError, match=r"cannot make the table properties Tags, Warm"):
        table_requests({"TableName": NAME, **KEYS, "WarmThroughput": {}, "Tags": []})


def test_a_second_resource_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    template = load_template()
    template["Resources"]["Topic"] = {"Type": "AWS::SNS::Topic"}
    monkeypatch.setattr(deploy_module, "load_template", lambda: template)
    with pytest.raises(TemplateError, match="but the template has Table, Topic"):
        requests_of(PLAIN)


# --- deploy, by scripted replies


def test_a_missing_table_is_made() -> None:
    play(
        deploy(FULL),
        (DESCRIBE, MISSING),
        (CREATE, OK),
        (DESCRIBE, MISSING),  # DescribeTable is eventually consistent.
        (Backoff(0), None),
        (DESCRIBE, table("CREATING")),
        (Backoff(1), None),
        (DESCRIBE, table()),
        (ENABLE_TTL, OK),
        (ENABLE_BACKUPS, OK),
    )


def test_settings_that_stay_off_cost_no_call() -> None:
    play(deploy(PLAIN), (DESCRIBE, MISSING), (CREATE, OK), (DESCRIBE, table()))


@pytest.mark.parametrize("status", ["ACTIVE", "UPDATING"])
def test_an_existing_table_is_left_as_it_is(status: str) -> None:
    play(deploy(FULL), (DESCRIBE, table(status)))


def test_a_table_that_another_process_is_making_is_waited_for() -> None:
    play(
        deploy(FULL),
        (DESCRIBE, table("CREATING")),
        (Backoff(0), None),
        (DESCRIBE, table("CREATING")),
        (Backoff(1), None),
        (DESCRIBE, table()),
    )


def test_the_slower_of_two_processes_waits_and_changes_nothing() -> None:
    play(
        deploy(FULL),
        (DESCRIBE, MISSING),
        (CREATE, refused("ResourceInUseException")),
        (DESCRIBE, table("CREATING")),
        (Backoff(0), None),
        (DESCRIBE, table()),
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


def keys_of(*keys: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "KeySchema": [{"AttributeName": name, "KeyType": role} for name, _, role in keys],
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": kind} for name, kind, _ in keys
        ],
    }


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
            (CREATE, refused("ResourceInUseException")),
            (DESCRIBE, table("CREATING", **keys_of(("id", "S", "HASH")))),
        )


def test_an_index_does_not_make_the_keys_others() -> None:
    attributes = [*KEYS["AttributeDefinitions"], {"AttributeName": "run", "AttributeType": "S"}]
    play(deploy(PLAIN), (DESCRIBE, table(AttributeDefinitions=attributes)))


@pytest.mark.parametrize("found", [ttl("ENABLED", "expires"), ttl("ENABLING", "expires")])
def test_ttl_that_is_on_already_is_a_success(found: Any) -> None:
    play(
        deploy(FULL),
        (DESCRIBE, MISSING),
        (CREATE, OK),
        (DESCRIBE, table()),
        (ENABLE_TTL, refused("ValidationException")),
        (DESCRIBE_TTL, found),
        (ENABLE_BACKUPS, OK),
    )


@pytest.mark.parametrize("found", [ttl("ENABLED", "other"), ttl("DISABLED"), ttl("DISABLING")])
def test_ttl_that_is_refused_for_another_reason_is_an_error(found: Any) -> None:
    error = refused("ValidationException")
    with pytest.raises(RequestRejectedError) as raised:
        play(
            deploy(FULL),
            (DESCRIBE, MISSING),
            (CREATE, OK),
            (DESCRIBE, table()),
            (ENABLE_TTL, error),
            (DESCRIBE_TTL, found),
        )
    assert raised.value is error


def test_backups_that_are_not_ready_are_waited_for() -> None:
    not_ready = refused("ContinuousBackupsUnavailableException")
    play(
        deploy(FULL),
        (DESCRIBE, MISSING),
        (CREATE, OK),
        (DESCRIBE, table()),
        (ENABLE_TTL, OK),
        (ENABLE_BACKUPS, not_ready),
        (Backoff(0), None),
        (ENABLE_BACKUPS, not_ready),
        (Backoff(1), None),
        (ENABLE_BACKUPS, OK),
    )


def test_an_engine_without_backups_is_tolerated() -> None:
    play(
        deploy(FULL),
        (DESCRIBE, MISSING),
        (CREATE, OK),
        (DESCRIBE, table()),
        (ENABLE_TTL, OK),
        (ENABLE_BACKUPS, refused("UnknownOperationException")),
    )


SCRIPT: list[Step] = [
    (DESCRIBE, MISSING),
    (CREATE, OK),
    (DESCRIBE, table()),
    (ENABLE_TTL, OK),
    (ENABLE_BACKUPS, OK),
]


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


def drain(operation: Operation[None], answers: Callable[[str], Any]) -> int:
    """Run to the end, or to the error, with the same answer to each call; count the waits."""
    waits = 0
    effect = advance(operation)
    while not isinstance(effect, Done):
        if isinstance(effect, Backoff):
            assert effect.attempt == waits
            waits += 1
            effect = advance(operation)
            continue
        (call,) = effect  # type: ignore[misc]
        answer = answers(call.method)
        failed = isinstance(answer, BaseException)
        effect = advance(operation, error=answer) if failed else advance(operation, answer)
    return waits


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


# --- destroy, by scripted replies


def deleted(table_id: str = "id-1") -> list[dict[str, Any]]:
    return [{"TableDescription": {"TableStatus": "DELETING", "TableId": table_id}}]


def test_destroy_waits_until_the_table_is_gone() -> None:
    play(
        destroy(NAME),
        (DELETE, deleted()),
        (DESCRIBE, table("DELETING", TableId="id-1")),
        (Backoff(0), None),
        (DESCRIBE, MISSING),
    )


def test_destroying_a_missing_table_is_fine() -> None:
    play(destroy(NAME), (DELETE, MISSING))


def test_destroy_waits_for_a_change_to_end() -> None:
    play(
        destroy(NAME),
        (DELETE, refused("ResourceInUseException")),
        (Backoff(0), None),
        (DELETE, deleted()),
        (DESCRIBE, MISSING),
    )


def test_destroy_spares_a_table_that_takes_the_name_in_the_meantime() -> None:
    play(destroy(NAME), (DELETE, deleted()), (DESCRIBE, table("CREATING", TableId="id-2")))


def test_a_protected_table_is_an_error() -> None:
    with pytest.raises(RequestRejectedError, match="ValidationException"):
        play(destroy(NAME), (DELETE, refused("ValidationException")))


def test_a_table_that_never_goes_is_an_error() -> None:
    answers = {"delete_table": deleted(), "describe_table": table("DELETING", TableId="id-1")}
    with pytest.raises(UnavailableError, match="'chats' is still DELETING after it was deleted"):
        drain(destroy(NAME), lambda method: answers[method])


def test_a_table_that_stays_in_use_is_an_error() -> None:
    with pytest.raises(UnavailableError, match="'chats' is in use by another change after 120"):
        drain(destroy(NAME), lambda method: refused("ResourceInUseException"))


# --- on engines


def run(
    client: Any, operation: Operation[None], before: Callable[[str], None] = lambda method: None
) -> list[str]:
    """Run an operation against a client; returns the methods it called."""
    called: list[str] = []
    effect = advance(operation)
    while not isinstance(effect, Done):
        if isinstance(effect, Backoff):
            time.sleep(0.01)
            effect = advance(operation)
            continue
        (call,) = effect  # type: ignore[misc]
        called.append(call.method)
        before(call.method)
        try:
            reply = getattr(client, call.method)(**call.params)
        except ClientError as failure:
            code = failure.response["Error"]["Code"]
            missing = code == "ResourceNotFoundException"
            error = refused(code, TableNotFoundError if missing else RequestRejectedError)
            effect = advance(operation, error=error)
        else:
            effect = advance(operation, [reply])
    return called


@mock_aws
@pytest.mark.parametrize("config", configs())
def test_a_stack_and_deploy_make_the_same_table(config: DynamoDBTableConfig) -> None:
    """Moto ignores SSE, PITR and TTL in a stack, so those are checked on deploy's table alone."""
    client = boto3.client("dynamodb", "eu-central-1")
    create_stack("stack", parameters_of(config))
    by_stack = client.describe_table(TableName=config.table_name)["Table"]
    client.delete_table(TableName=config.table_name)
    run(client, deploy(config))
    by_deploy = client.describe_table(TableName=config.table_name)["Table"]

    assert by_deploy.pop("SSEDescription", {}).get("Status", "DISABLED") == (
        "ENABLED" if config.enable_encryption else "DISABLED"
    )
    for description in (by_stack, by_deploy):
        for field in ("TableId", "CreationDateTime", "SSEDescription"):
            description.pop(field, None)
    assert by_deploy == by_stack

    backups = client.describe_continuous_backups(TableName=config.table_name)
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == (
        "ENABLED" if config.enable_point_in_time_recovery else "DISABLED"
    )
    expiry = client.describe_time_to_live(TableName=config.table_name)["TimeToLiveDescription"]
    if config.enable_ttl:
        assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": config.ttl_attribute}
    else:
        assert expiry["TimeToLiveStatus"] == "DISABLED"


@pytest.fixture
def client(endpoint_url: str) -> Any:
    return boto3.client(
        "dynamodb",
        "us-east-1",
        endpoint_url=endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture
def name(client: Any) -> Iterator[str]:
    """A name that no other test uses; the table is deleted afterwards."""
    fresh = f"deploy-{uuid.uuid4().hex}"
    yield fresh
    run(client, destroy(fresh))


def test_deploy_and_destroy(client: Any, name: str) -> None:
    config = DynamoDBTableConfig(
        table_name=name,
        billing_mode=BillingMode.PROVISIONED,
        read_capacity=5,
        write_capacity=7,
        enable_ttl=True,
        ttl_attribute="name",  # A reserved word of DynamoDB's expressions.
        enable_point_in_time_recovery=True,
    )
    assert run(client, deploy(config))[:2] == ["describe_table", "create_table"]
    found = client.describe_table(TableName=name)["Table"]
    assert found["TableStatus"] == "ACTIVE"
    assert {field: found[field] for field in KEYS} == KEYS
    assert found["ProvisionedThroughput"]["ReadCapacityUnits"] == 5
    assert found["ProvisionedThroughput"]["WriteCapacityUnits"] == 7
    expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "name"}

    assert run(client, deploy(config)) == ["describe_table"]

    run(client, destroy(name))
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.describe_table(TableName=name)
    assert run(client, destroy(name)) == ["delete_table"]


def test_an_existing_table_is_never_converted(client: Any, name: str) -> None:
    run(client, deploy(DynamoDBTableConfig(table_name=name)))
    before = client.describe_table(TableName=name)["Table"]
    other = DynamoDBTableConfig(
        table_name=name,
        billing_mode=BillingMode.PROVISIONED,
        read_capacity=1,
        write_capacity=1,
        enable_ttl=True,
    )
    assert run(client, deploy(other)) == ["describe_table"]
    assert client.describe_table(TableName=name)["Table"] == before
    expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert expiry["TimeToLiveStatus"] == "DISABLED"


def test_a_table_of_other_keys_is_left_alone(client: Any, name: str) -> None:
    keys = keys_of(("id", "N", "HASH"))
    client.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **keys)
    with pytest.raises(TableMismatchError, match=rf"{name}.*id \(N, HASH\)"):
        run(client, deploy(DynamoDBTableConfig(table_name=name)))
    assert client.describe_table(TableName=name)["Table"]["KeySchema"] == keys["KeySchema"]


def test_two_that_deploy_at_once_both_succeed(client: Any, name: str) -> None:
    config = DynamoDBTableConfig(table_name=name, enable_ttl=True)
    both_saw_nothing = threading.Barrier(2, timeout=30)

    def before(method: str) -> None:
        if method == "create_table":
            both_saw_nothing.wait()

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(run, client, deploy(config), before) for _ in range(2)]
        called = [future.result() for future in futures]
    assert all(methods[:2] == ["describe_table", "create_table"] for methods in called)
    assert sum("update_time_to_live" in methods for methods in called) == 1
    expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}


def test_many_that_deploy_and_destroy_at_once_all_succeed(client: Any, name: str) -> None:
    config = DynamoDBTableConfig(table_name=name, enable_ttl=True)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: run(client, deploy(config)), range(8)))
        assert client.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE"
        list(pool.map(lambda _: run(client, destroy(name)), range(8)))
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.describe_table(TableName=name)
