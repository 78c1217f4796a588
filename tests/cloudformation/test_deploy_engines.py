"""`deploy` and `destroy` on moto, also when interrupted, and on DynamoDB Local."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from moto import mock_aws

from deploying import KEYS, UNFINISHED, keys_of
from langgraph_checkpoint_dynamodb.config.table_config import BillingMode, DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.errors import (
    RequestRejectedError,
    StorageError,
    TableMismatchError,
    TableNotFoundError,
)
from langgraph_checkpoint_dynamodb.infra.deploy import deploy
from langgraph_checkpoint_dynamodb.infra.destroy import destroy
from langgraph_checkpoint_dynamodb.infra.plan import plan
from langgraph_checkpoint_dynamodb.runtime.effects import Call
from recorder import Recorder
from stacks import PROVISIONED


def tags_of(recorder: Recorder, table_name: str) -> dict[str, str]:
    client = recorder.client()
    arn = client.describe_table(TableName=table_name)["Table"]["TableArn"]
    found = client.list_tags_of_resource(ResourceArn=arn)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in found}


class Killed(BaseException):
    """The process ends: no operation sees it, no handler runs."""


EVERYTHING = DynamoDBTableConfig(
    table_name="chats",
    **PROVISIONED,
    min_read_capacity=2,
    max_read_capacity=9,
    enable_run_index=True,
    enable_ttl=True,
    enable_point_in_time_recovery=True,
    point_in_time_recovery_days=7,
    environment="prod",
)
CALLS = [
    *("describe_table", "create_table", "describe_table"),
    *("update_time_to_live", "update_continuous_backups"),
    *["register_scalable_target"] * 3,
    *["put_scaling_policy"] * 3,
    "untag_resource",
]


@mock_aws
def test_deploy_makes_a_table_with_all_its_settings() -> None:
    recorder = Recorder()
    recorder.run(deploy(EVERYTHING))
    assert recorder.methods == CALLS
    assert tags_of(recorder, "chats") == {"Environment": "prod"}
    assert recorder.run(plan(EVERYTHING)).drift == ()


@mock_aws
@pytest.mark.parametrize("interruption", [Killed, StorageError])
@pytest.mark.parametrize("position", range(len(CALLS)), ids=lambda n: f"{n}-{CALLS[n]}")
def test_an_interrupted_deploy_is_finished_by_the_next(
    position: int, interruption: type[BaseException]
) -> None:
    def interrupt(call: Call) -> None:
        if len(recorder.calls) == position:
            raise interruption(call.method)

    recorder = Recorder(before=interrupt)
    with pytest.raises(interruption, match=CALLS[position]):
        recorder.run(deploy(EVERYTHING))
    assert recorder.methods == CALLS[:position]

    recorder.before = lambda call: None
    found = recorder.run(plan(EVERYTHING))
    is_made = "create_table" in CALLS[:position]
    assert found.exists == is_made
    assert [call.method for call in found.calls] == [
        method for method in CALLS[3 if is_made else 1 : -1] if not method.startswith("describe_")
    ]
    if is_made:
        assert tags_of(recorder, "chats") == {"Environment": "prod", UNFINISHED: "true"}

    recorder.run(deploy(EVERYTHING))
    finished = recorder.run(plan(EVERYTHING))
    assert (finished.exists, finished.calls, finished.drift) == (True, (), ())
    assert tags_of(recorder, "chats") == {"Environment": "prod"}


@pytest.fixture
def recorder(endpoint_url: str) -> Recorder:
    return Recorder(endpoint_url)


@pytest.fixture
def client(recorder: Recorder) -> Any:
    return recorder.client()


@pytest.fixture
def name(recorder: Recorder) -> Iterator[str]:
    """A name that no other test uses; the table is deleted afterwards."""
    fresh = f"deploy-{uuid.uuid4().hex}"
    yield fresh
    recorder.run(destroy(DynamoDBTableConfig(table_name=fresh)))


def test_deploy_and_destroy(recorder: Recorder, client: Any, name: str) -> None:
    """DynamoDB Local lacks tags, backups and scaling, and is none the worse for it."""
    config = DynamoDBTableConfig(
        table_name=name,
        billing_mode=BillingMode.PROVISIONED,
        read_capacity=5,
        write_capacity=7,
        min_read_capacity=2,
        max_read_capacity=9,
        enable_run_index=True,
        enable_ttl=True,
        ttl_attribute="name",  # A reserved word of DynamoDB's expressions.
        enable_point_in_time_recovery=True,
        environment="prod",
    )
    recorder.run(deploy(config))
    assert recorder.methods == CALLS
    found = client.describe_table(TableName=name)["Table"]
    assert found["TableStatus"] == "ACTIVE"
    assert found["KeySchema"] == KEYS["KeySchema"]
    indexes = {index["IndexName"]: index for index in found["GlobalSecondaryIndexes"]}
    kinds = {one: index["Projection"]["ProjectionType"] for one, index in indexes.items()}
    assert kinds == {"run-id": "KEYS_ONLY", "threads": "ALL"}
    for described, reads in ((found, 5), *((index, 1) for index in indexes.values())):
        assert described["ProvisionedThroughput"]["ReadCapacityUnits"] == reads
        assert described["ProvisionedThroughput"]["WriteCapacityUnits"] == 7
    expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "name"}

    recorder.record(deploy(config))
    assert recorder.methods == ["describe_table", "list_tags_of_resource"]

    recorder.run(destroy(config))
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.describe_table(TableName=name)
    recorder.record(destroy(config))
    assert recorder.methods == ["describe_table", "describe_scalable_targets"]


def test_an_existing_table_is_never_converted(recorder: Recorder, client: Any, name: str) -> None:
    recorder.run(deploy(DynamoDBTableConfig(table_name=name)))
    before = client.describe_table(TableName=name)["Table"]
    other = DynamoDBTableConfig(
        table_name=name,
        billing_mode=BillingMode.PROVISIONED,
        read_capacity=1,
        write_capacity=1,
        enable_ttl=True,
        enable_run_index=True,
    )
    recorder.record(deploy(other))
    assert recorder.changes == []
    assert client.describe_table(TableName=name)["Table"] == before
    expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert expiry["TimeToLiveStatus"] == "DISABLED"


def test_a_table_of_other_keys_is_left_alone(recorder: Recorder, client: Any, name: str) -> None:
    keys = keys_of(("id", "N", "HASH"))
    client.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **keys)
    with pytest.raises(TableMismatchError, match=rf"{name}.*id \(N, HASH\)"):
        recorder.run(deploy(DynamoDBTableConfig(table_name=name)))
    with pytest.raises(TableMismatchError):
        recorder.run(destroy(DynamoDBTableConfig(table_name=name), force=True))
    assert client.describe_table(TableName=name)["Table"]["KeySchema"] == keys["KeySchema"]
    client.delete_table(TableName=name)


def test_two_that_deploy_at_once_both_succeed(
    endpoint_url: str, recorder: Recorder, client: Any, name: str
) -> None:
    config = DynamoDBTableConfig(table_name=name, enable_ttl=True)
    both_saw_nothing = threading.Barrier(2, timeout=30)

    def before(call: Call) -> None:
        if call.method == "create_table":
            both_saw_nothing.wait()

    both = [Recorder(endpoint_url, before) for _ in range(2)]
    for one in both:
        one.client()  # A session is not to make clients in several threads.
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: one.run(deploy(config)), both))
    assert all(one.methods[:2] == ["describe_table", "create_table"] for one in both)
    assert all("update_time_to_live" in one.methods for one in both)
    expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}


def test_many_that_deploy_and_destroy_at_once_all_succeed(
    recorder: Recorder, client: Any, name: str
) -> None:
    config = DynamoDBTableConfig(table_name=name, enable_ttl=True)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: recorder.run(deploy(config)), range(8)))
        assert client.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE"
        list(pool.map(lambda _: recorder.run(destroy(config)), range(8)))
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.describe_table(TableName=name)


def test_what_dynamodb_refuses_comes_out(recorder: Recorder, name: str) -> None:
    def break_it(call: Call) -> None:
        if call.method == "create_table":
            call.params["KeySchema"] = []

    recorder.before = break_it
    with pytest.raises(RequestRejectedError, match=f"create_table on table '{name}'"):
        recorder.run(deploy(DynamoDBTableConfig(table_name=name)))
    recorder.before = lambda call: None
    with pytest.raises(TableNotFoundError):
        recorder.call(Call("describe_table", {"TableName": name}))
