"""Scripts of what `deploy` and `destroy` ask DynamoDB, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langgraph_checkpoint_dynamodb.config import DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.errors import (
    RequestRejectedError,
    StorageError,
    TableNotFoundError,
)
from langgraph_checkpoint_dynamodb.operation import Backoff, Call, Done, Operation, advance

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
