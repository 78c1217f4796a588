"""Creates the table of a configuration if it does not exist.

`deploy` is an operation (see `runtime/effects.py`). It never changes a table that existed before,
with one exception: an interrupted `deploy` leaves a tag on a table without all its settings. The
next `deploy` completes these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import AccessDeniedError, StorageError, UnavailableError
from ..runtime.effects import Backoff, Call, Operation
from ..runtime.logs import LOG
from .api_calls import TableRequests, requests_of
from .compare import compare, configured, described
from .describe import UNSUPPORTED, check_keys, describe, key_of, state, tags_of, time_to_live

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..config.table_config import DynamoDBTableConfig


MAX_WAITS = 120
"""About a minute with the default delays; AWS creates a table in about ten seconds."""

UNFINISHED = "langgraph-checkpoint-dynamodb:unfinished"
"""The tag of a table that `deploy` has created, but that does not have all its settings yet."""

_USABLE = frozenset({"ACTIVE", "UPDATING"})
"""A table serves reads and writes while it is updated, which may take hours.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
"""


def deploy(config: DynamoDBTableConfig, *, of_stack: bool = False) -> Operation[None]:
    """Create the table unless it exists, and return once it can be used.

    If two processes deploy at the same time, both set the settings: a refused CreateTable may be
    the process's own call, which was retried because its response was lost.

    Args:
        config: The configuration.
        of_stack: It was made from a stack's outputs, which do not have all settings: no
            difference is logged.

    Raises:
        ConfigurationError: A rule of the template refuses the configuration.
        TableMismatchError: The existing table has other keys.
        UnavailableError: The table is not active after 120 waits.
        StorageError: AWS refuses a call.
    """
    requests = requests_of(config)
    table = yield from _existing(requests)
    if table is None:
        yield from _create(requests)
        table = yield from _wait_until_usable(requests)
    else:
        tags = yield from _tags(table, requests)
        if not of_stack:
            _warn_of_differences(config, requests, table, tags)
        if not is_unfinished(tags):
            LOG.info("table %r exists; nothing to do", requests.table_name)
            return
        LOG.info("table %r lacks settings: an earlier deploy was interrupted", requests.table_name)
    for call in requests.settings:
        yield from _set(call)
        LOG.info("table %r: sent %s", requests.table_name, call.method)
    if requests.settings:
        yield from _mark_as_finished(table)
    LOG.info("table %r is deployed", requests.table_name)


def _existing(requests: TableRequests) -> Operation[dict[str, Any] | None]:
    """The table if it exists, once it can be used; `None` if it does not exist."""
    table = None
    for attempt in range(MAX_WAITS):
        table = yield from describe(requests.table_name)
        if table is None or _is_usable(table, requests):
            return table
        yield Backoff(attempt)
    raise _never_usable(requests, table)


def _wait_until_usable(requests: TableRequests) -> Operation[dict[str, Any]]:
    """Wait for a table that was just created.

    DescribeTable is eventually consistent and may not find it at first.
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTable.html
    """
    table = None
    for attempt in range(MAX_WAITS):
        table = yield from describe(requests.table_name)
        if table is not None and _is_usable(table, requests):
            return table
        yield Backoff(attempt)
    raise _never_usable(requests, table)


def _is_usable(table: Mapping[str, Any], requests: TableRequests) -> bool:
    # The keys of a table that is being deleted do not matter: its name becomes free.
    if table["TableStatus"] == "DELETING":
        return False
    check_keys(table, requests.create_table.params)
    return table["TableStatus"] in _USABLE


def _never_usable(requests: TableRequests, table: Mapping[str, Any] | None) -> UnavailableError:
    return UnavailableError(
        f"table {requests.table_name!r} is still {state(table)}, not ACTIVE, after {MAX_WAITS} "
        "waits; look at it in the console, or deploy again later"
    )


def _warn_of_differences(
    config: DynamoDBTableConfig,
    requests: TableRequests,
    table: Mapping[str, Any],
    tags: Mapping[str, str] | None,
) -> None:
    """Log how a table differs that is left as it is, as far as the replies at hand say."""
    found = described(table)
    if tags is not None:
        found[None]["environment"] = tags.get("Environment")
    if config.kms_key_arn is not None:  # else only KMS knows whose key it is
        found[None]["kms_key_arn"] = key_of(table)
    differences, _ = compare(configured(config, requests), found)
    if differences:
        LOG.warning(
            "table %r differs from its configuration, and deploy=True changes no existing table: "
            "%s. plan() also compares TTL, recovery, autoscaling and the key",
            table["TableName"],
            "; ".join(map(str, differences)),
        )


def _create(requests: TableRequests) -> Operation[None]:
    LOG.info("table %r is missing; creating it", requests.table_name)
    call = requests.create_table
    if requests.settings:
        tags = [*call.params.get("Tags", []), {"Key": UNFINISHED, "Value": "true"}]
        call = Call(call.method, {**call.params, "Tags": tags})
    try:
        yield [call]
    except StorageError as error:
        if error.code != "ResourceInUseException":  # another process is creating it
            raise


def _tags(table: Mapping[str, Any], requests: TableRequests) -> Operation[Mapping[str, str] | None]:
    """The table's tags, if they can say that settings are missing."""
    if not requests.settings:
        return None
    try:
        return (yield from tags_of(table))
    except AccessDeniedError:
        # Without this permission, the table may be another application's: leave it as it is.
        return None


def is_unfinished(tags: Mapping[str, str] | None) -> bool:
    """Whether a table has the tag of a `deploy` that has not set all its settings."""
    return tags is not None and UNFINISHED in tags


def _mark_as_finished(table: Mapping[str, Any]) -> Operation[None]:
    params = {"ResourceArn": table["TableArn"], "TagKeys": [UNFINISHED]}
    try:
        yield [Call("untag_resource", params)]
    except StorageError as error:
        if error.code not in UNSUPPORTED:
            raise


def _set(call: Call) -> Operation[None]:
    """Switch on a setting; an engine that does not support it is left without it."""
    for attempt in range(MAX_WAITS):
        try:
            yield [call]
        except StorageError as error:
            if error.code in UNSUPPORTED:
                LOG.warning("the table is left without what %s sets: %s", call.method, error)
                return
            # The backups of a new table become available shortly after it is active.
            # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateContinuousBackups.html
            if error.code != "ContinuousBackupsUnavailableException":
                # DynamoDB refuses to enable TTL twice, as in a retry after a lost response.
                if call.method == "update_time_to_live" and (yield from _has_ttl(call, error)):
                    return
                raise
        else:
            return
        yield Backoff(attempt)
    raise UnavailableError(
        f"table {call.params['TableName']!r} is ACTIVE without point-in-time recovery: its "
        f"continuous backups are not available after {MAX_WAITS} waits; deploy again later"
    )


def _has_ttl(call: Call, error: StorageError) -> Operation[bool]:
    """Whether the table already has the TTL that a refused UpdateTimeToLive was to enable."""
    if error.code != "ValidationException":
        return False
    found = yield from time_to_live(call.params["TableName"])
    return found == (True, call.params["TimeToLiveSpecification"]["AttributeName"])
