"""Scripts of what `deploy` and `destroy` ask DynamoDB, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langgraph_checkpoint_dynamodb.config.table_config import DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.errors import (
    RequestRejectedError,
    StorageError,
    TableNotFoundError,
)
from langgraph_checkpoint_dynamodb.infra.template import INDEXES
from langgraph_checkpoint_dynamodb.runtime.effects import (
    AUTOSCALING,
    Backoff,
    Call,
    Done,
    Operation,
    advance,
)
from stacks import PROVISIONED

NAME = "chats"
ARN = f"arn:aws:dynamodb:eu-central-1:123456789012:table/{NAME}"
UNFINISHED = "langgraph-checkpoint-dynamodb:unfinished"
PLAIN = DynamoDBTableConfig(table_name=NAME)
FULL = DynamoDBTableConfig(
    table_name=NAME,
    enable_ttl=True,
    ttl_attribute="expires",
    enable_point_in_time_recovery=True,
)
SCALED = DynamoDBTableConfig(
    table_name=NAME,
    enable_run_index=True,
    enable_thread_index=False,
    **PROVISIONED,
    min_read_capacity=2,
    max_read_capacity=9,
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
THREADS: dict[str, Any] = {
    "AttributeDefinitions": [
        *KEYS["AttributeDefinitions"],
        {"AttributeName": "O", "AttributeType": "S"},
        {"AttributeName": "A", "AttributeType": "N"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "threads",
            "KeySchema": [
                {"AttributeName": "O", "KeyType": "HASH"},
                {"AttributeName": "A", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}
"""The index of threads, which a table has by default."""
DESCRIBE = [Call("describe_table", {"TableName": NAME})]
DELETE = [Call("delete_table", {"TableName": NAME})]
CREATE = [
    Call(
        "create_table",
        {
            "TableName": NAME,
            **KEYS,
            **THREADS,
            "BillingMode": "PAY_PER_REQUEST",
            "TableClass": "STANDARD",
            "DeletionProtectionEnabled": False,
            "SSESpecification": {"Enabled": True},
        },
    )
]
CREATE_UNFINISHED = [
    Call("create_table", {**CREATE[0].params, "Tags": [{"Key": UNFINISHED, "Value": "true"}]})
]
LIST_TAGS = [Call("list_tags_of_resource", {"ResourceArn": ARN})]
UNTAG = [Call("untag_resource", {"ResourceArn": ARN, "TagKeys": [UNFINISHED]})]
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
            "PointInTimeRecoverySpecification": {
                "PointInTimeRecoveryEnabled": True,
                "RecoveryPeriodInDays": 35,
            },
        },
    )
]
DESCRIBE_TARGETS = [
    Call(
        "describe_scalable_targets",
        {
            "ServiceNamespace": "dynamodb",
            "ResourceIds": [f"table/{NAME}", *(f"table/{NAME}/index/{name}" for name in INDEXES)],
        },
        AUTOSCALING,
    )
]
OK: list[dict[str, Any]] = [{}]
MISSING = TableNotFoundError("missing")

Step = tuple[Any, Any]


def table(status: str = "ACTIVE", **more: Any) -> list[dict[str, Any]]:
    described = {"TableName": NAME, "TableArn": ARN, "TableStatus": status, **KEYS, **THREADS}
    return [{"Table": {**described, **more}}]


def tags(**found: str) -> list[dict[str, Any]]:
    return [{"Tags": [{"Key": key, "Value": value} for key, value in found.items()]}]


def index_id(name: str) -> str:
    return f"table/{NAME}/index/{name}"


def dimension(kind: str, resource: str = "table") -> dict[str, str]:
    """What names a scalable target: of `Read` or `Write`, of the table or its index."""
    return {
        "ServiceNamespace": "dynamodb",
        "ResourceId": f"table/{NAME}" + ("/index/run-id" if resource == "index" else ""),
        "ScalableDimension": f"dynamodb:{resource}:{kind}CapacityUnits",
    }


def scaling(method: str, kind: str, resource: str = "table", **more: Any) -> list[Call]:
    return [Call(method, {**dimension(kind, resource), **more}, AUTOSCALING)]


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


def keys_of(*keys: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "KeySchema": [{"AttributeName": name, "KeyType": role} for name, _, role in keys],
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": kind} for name, kind, _ in keys
        ],
    }
