"""Operations that describe a table: whether it exists, its keys, tags, TTL and stack."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from ..config.table_config import DynamoDBTableConfig
from ..errors import StorageError, TableMismatchError, TableNotFoundError
from ..runtime.effects import AUTOSCALING, KMS, OF_ANOTHER_PLACE, Call, Operation
from .template import INDEXES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


Keys: TypeAlias = frozenset[tuple[str, str, str]]

UNSUPPORTED = frozenset({"UnknownOperationException", "InvalidAction", OF_ANOTHER_PLACE})
"""The error codes of DynamoDB Local for what it does not support: tags, backups, autoscaling; and
the driver's, if only AWS could answer about a table of an emulator."""

_AWS_MANAGED_KEY = "alias/aws/dynamodb"

_STACK_TAG = "aws:cloudformation:stack-name"


def describe(table_name: str) -> Operation[dict[str, Any] | None]:
    """A table's description; `None` if there is no such table."""
    try:
        (reply,) = yield [Call("describe_table", {"TableName": table_name})]
    except TableNotFoundError:
        return None
    table: dict[str, Any] = reply["Table"]
    return table


def tags_of(table: Mapping[str, Any]) -> Operation[dict[str, str] | None]:
    """A table's tags; `None` on an engine that has no tags.

    Raises:
        AccessDeniedError: The caller may not list them.
    """
    tags: dict[str, str] = {}
    params: dict[str, Any] = {"ResourceArn": table["TableArn"]}
    while True:
        try:
            (reply,) = yield [Call("list_tags_of_resource", params)]
        except StorageError as error:
            if error.code in UNSUPPORTED:
                return None
            raise
        tags.update((tag["Key"], tag["Value"]) for tag in reply["Tags"])
        if "NextToken" not in reply:
            return tags
        params = {**params, "NextToken": reply["NextToken"]}


def time_to_live(table_name: str) -> Operation[tuple[bool, str | None]]:
    """Whether TTL of a table is on or being switched on, and its attribute."""
    (reply,) = yield [Call("describe_time_to_live", {"TableName": table_name})]
    found = reply["TimeToLiveDescription"]
    enabled = found.get("TimeToLiveStatus") in {"ENABLING", "ENABLED"}
    return enabled, found.get("AttributeName")


def existing_table(table_name: str, ttl_attribute: str | None) -> Operation[DynamoDBTableConfig]:
    """The configuration of a saver that uses a table as it is.

    Only the settings that a saver needs to read and write items; others have their defaults.

    Args:
        table_name: The table's name.
        ttl_attribute: The TTL attribute; the table's if left out. A table with TTL off names
            none, and then it is the default.

    Raises:
        TableNotFoundError: There is no such table.
    """
    table, ttl = yield [
        Call("describe_table", {"TableName": table_name}),
        Call("describe_time_to_live", {"TableName": table_name}),
    ]
    names = {index["IndexName"] for index in table["Table"].get("GlobalSecondaryIndexes", ())}
    attribute = ttl_attribute or ttl["TimeToLiveDescription"].get("AttributeName")
    indexes: Any = {setting: name in names for name, setting in INDEXES.items()}
    config = DynamoDBTableConfig(table_name=table_name, **indexes)
    return replace(config, enable_ttl=True, ttl_attribute=attribute) if attribute else config


def billing_mode(table: Mapping[str, Any]) -> str:
    """A table's billing mode. The description has none if the table was never on demand."""
    mode: str = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    return mode


def stack_of(tags: Mapping[str, str] | None) -> str | None:
    """The name of the stack that owns a table, from the tags that CloudFormation adds.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html
    """
    return tags.get(_STACK_TAG) if tags else None


def key_of(table: Mapping[str, Any]) -> str | None:
    """The KMS key of a table, which may be the AWS managed one; `None` for the AWS owned key."""
    key: str | None = table.get("SSEDescription", {}).get("KMSMasterKeyArn")
    return key


def customer_key(key_arn: str) -> Operation[str | None]:
    """A key that encrypts a table, unless it is the AWS managed key for DynamoDB.

    DescribeTable does not say which it is: each account and region has a managed key of its own.
    """
    try:
        (reply,) = yield [Call("describe_key", {"KeyId": _AWS_MANAGED_KEY}, KMS)]
    except StorageError as error:
        if error.code != "NotFoundException":  # no table of the account uses it
            raise
        return key_arn
    return None if reply["KeyMetadata"]["Arn"] == key_arn else key_arn


def scaled_resources(table_name: str, table: Mapping[str, Any] | None) -> list[str]:
    """The ids, for Application Auto Scaling, of a table and of the indexes that it may have."""
    found = table.get("GlobalSecondaryIndexes", ()) if table else ()
    indexes = sorted({*INDEXES, *(index["IndexName"] for index in found)})
    return [f"table/{table_name}", *(f"table/{table_name}/index/{name}" for name in indexes)]


def scalable_targets(resources: Sequence[str]) -> Operation[list[dict[str, Any]]]:
    """The scalable targets of a table and its indexes, one for each dimension.

    Raises:
        AccessDeniedError: The caller may not describe them.
    """
    params = {"ServiceNamespace": "dynamodb", "ResourceIds": list(resources)}
    (reply,) = yield [Call("describe_scalable_targets", params, AUTOSCALING)]
    targets: list[dict[str, Any]] = reply["ScalableTargets"]
    return targets


def scaling_policies(resources: Sequence[str]) -> Operation[list[dict[str, Any]]]:
    """The scaling policies of a table and its indexes.

    Raises:
        AccessDeniedError: The caller may not describe them.
    """
    replies = yield [
        Call(
            "describe_scaling_policies",
            {"ServiceNamespace": "dynamodb", "ResourceId": resource},
            AUTOSCALING,
        )
        for resource in resources
    ]
    return [policy for reply in replies for policy in reply["ScalingPolicies"]]


def check_keys(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Compare the keys of a table's description with those of a CreateTable request.

    Raises:
        TableMismatchError: They differ.
    """
    if keys_of(found) != keys_of(wanted):
        raise TableMismatchError(
            f"table {wanted['TableName']!r} exists with the keys {key_text(found)}, but the "
            f"saver needs {key_text(wanted)}: choose another table_name, or delete that table "
            "if no other application uses it"
        )


def keys_of(table: Mapping[str, Any]) -> Keys:
    """The attribute, type and role of each key of a table."""
    types = {
        attribute["AttributeName"]: attribute["AttributeType"]
        for attribute in table["AttributeDefinitions"]
    }
    return frozenset(
        (key["AttributeName"], types[key["AttributeName"]], key["KeyType"])
        for key in table["KeySchema"]
    )


def key_text(table: Mapping[str, Any]) -> str:
    """A table's keys as text, the partition key first."""
    in_order = sorted(keys_of(table), key=lambda key: key[2])
    return ", ".join(f"{name} ({kind}, {role})" for name, kind, role in in_order)


def state(table: Mapping[str, Any] | None) -> str:
    """A table's status, or "missing"."""
    return "missing" if table is None else str(table["TableStatus"])
