"""`deploy` and `destroy` on moto, beside a stack, and on DynamoDB Local."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from deploying import (
    KEYS,
    keys_of,
    refused,
)
from langgraph_checkpoint_dynamodb.config import BillingMode, DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.deploy import (
    deploy,
    destroy,
)
from langgraph_checkpoint_dynamodb.errors import (
    RequestRejectedError,
    TableMismatchError,
    TableNotFoundError,
)
from langgraph_checkpoint_dynamodb.operation import Backoff, Done, Operation, advance
from langgraph_checkpoint_dynamodb.template import parameters_of
from stacks import configs, create_stack


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
    assert all("update_time_to_live" in methods for methods in called)
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
