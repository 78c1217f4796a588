"""Deletes a table and its autoscaling, unless it is protected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..config.table_config import BillingMode
from ..errors import (
    AccessDeniedError,
    StorageError,
    TableNotFoundError,
    TableProtectedError,
    UnavailableError,
)
from ..runtime.effects import AUTOSCALING, Backoff, Call, Operation
from ..runtime.logs import LOG
from .api_calls import requests_of
from .deploy import MAX_WAITS
from .describe import (
    UNSUPPORTED,
    billing_mode,
    check_keys,
    describe,
    scalable_targets,
    scaled_resources,
    stack_of,
    state,
    tags_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..config.table_config import DynamoDBTableConfig


def destroy(
    config: DynamoDBTableConfig, *, force: bool = False, dry_run: bool = False
) -> Operation[None]:
    """Delete the table with all its items, and return once it is deleted.

    If the table does not exist, this succeeds. Deletion is irreversible. Everything is described
    before anything is deleted, so a description that is denied leaves the table as it is.

    Args:
        config: The table. Its billing mode says whether a table that is missing may have left
            autoscaling.
        force: Also delete a table that a CloudFormation stack owns.
        dry_run: Describe and check everything, and delete nothing.

    Raises:
        ConfigurationError: A rule of the template refuses the configuration.
        TableMismatchError: The table has other keys, so another application made it.
        TableProtectedError: Deletion protection is on, or a stack owns the table.
        UnavailableError: The table still exists after 120 waits.
        StorageError: AWS refuses a call.
    """
    requests = requests_of(config)
    name = config.table_name
    table = yield from describe(name)
    if table is not None:
        check_keys(table, requests.create_table.params)
        _check_protection(table)
        if not force:
            yield from _check_owner(table)
    targets = yield from _scalable_targets(config, table)
    if dry_run:
        return
    if table is not None:
        LOG.info("deleting table %r", name)
        yield from _delete(name)
        LOG.info("table %r is deleted", name)
    yield from _deregister(targets)


def _check_protection(table: Mapping[str, Any]) -> None:
    if table.get("DeletionProtectionEnabled"):
        raise TableProtectedError(
            f"table {table['TableName']!r}: deletion protection is on. Switch it off first (the "
            "template's parameter EnableDeletionProtection, or aws dynamodb update-table "
            "--no-deletion-protection-enabled), then call destroy again"
        )


def _check_owner(table: Mapping[str, Any]) -> Operation[None]:
    name = table["TableName"]
    try:
        tags = yield from tags_of(table)
    except AccessDeniedError as error:
        raise TableProtectedError(
            f"table {name!r}: a CloudFormation stack may own it, and this role may not list its "
            f"tags ({error}). Allow dynamodb:ListTagsOfResource, or pass force=True"
        ) from error
    except TableNotFoundError:  # another process has just deleted it
        return
    owner = stack_of(tags)
    if owner is not None:
        raise TableProtectedError(
            f"table {name!r} belongs to the CloudFormation stack {owner!r}. Delete the stack, "
            "which keeps the table, and then the table; or pass force=True"
        )


def _delete(table_name: str) -> Operation[None]:
    deleted = yield from _start_deletion(table_name)
    if deleted is None:
        return
    table = None
    for attempt in range(MAX_WAITS):
        table = yield from describe(table_name)
        # Another id is another table, made under this name in the meantime.
        if table is None or table.get("TableId") != deleted.get("TableId"):
            return
        yield Backoff(attempt)
    raise UnavailableError(f"table {table_name!r} is still {state(table)} after it was deleted")


def _start_deletion(table_name: str) -> Operation[dict[str, Any] | None]:
    """Start the deletion; returns the table's description, or `None` if it does not exist."""
    for attempt in range(MAX_WAITS):
        try:
            (reply,) = yield [Call("delete_table", {"TableName": table_name})]
        except TableNotFoundError:
            return None
        except StorageError as error:
            # A table that is being created, updated or restored cannot be deleted yet.
            if error.code != "ResourceInUseException":
                raise
        else:
            deleted: dict[str, Any] = reply["TableDescription"]
            return deleted
        yield Backoff(attempt)
    raise UnavailableError(
        f"table {table_name!r} is in use by another change after {MAX_WAITS} waits; delete it later"
    )


def _scalable_targets(
    config: DynamoDBTableConfig, table: Mapping[str, Any] | None
) -> Operation[list[dict[str, Any]]]:
    """The scalable targets, which only a table with provisioned capacity has.

    If the table does not exist, there may be targets from an earlier `destroy` that was
    interrupted.
    """
    mode = config.billing_mode.value if table is None else billing_mode(table)
    if mode != BillingMode.PROVISIONED.value:
        return []
    try:
        return (yield from scalable_targets(scaled_resources(config.table_name, table)))
    except StorageError as error:
        if error.code in UNSUPPORTED:
            return []
        raise


def _deregister(targets: Sequence[Mapping[str, Any]]) -> Operation[None]:
    """Remove the scalable targets, which are not deleted with their table.

    Otherwise they would scale the next table of this name.
    """
    for target in targets:
        dimension = ("ServiceNamespace", "ResourceId", "ScalableDimension")
        params = {name: target[name] for name in dimension}
        try:
            yield [Call("deregister_scalable_target", params, AUTOSCALING)]
        except StorageError as error:
            if error.code != "ObjectNotFoundException":  # another process removed it
                raise
