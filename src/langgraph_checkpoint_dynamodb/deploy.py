"""Makes and deletes the table: the template's properties as DynamoDB calls.

`table_requests` is the whole translation from CloudFormation's properties to
API requests, as one table of functions: a property that it does not know is an
error, so the template cannot grow past what `deploy=True` makes. `deploy` and
`destroy` are operations (see `operation.py`). Neither ever changes a table that
was there before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from .errors import (
    StorageError,
    TableMismatchError,
    TableNotFoundError,
    TemplateError,
    UnavailableError,
)
from .operation import Backoff, Call, Operation
from .template import load_template, parameters_of, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .config import DynamoDBTableConfig

Request: TypeAlias = dict[str, Any]
Keys: TypeAlias = frozenset[tuple[str, str, str]]

_TABLE_TYPE = "AWS::DynamoDB::Table"
_MAX_WAITS = 120
"""At the default delays about a minute; AWS makes a table in some ten seconds."""

_USABLE = frozenset({"ACTIVE", "UPDATING"})
"""An updating table serves reads and writes, and an update may last for hours.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
"""


@dataclass(frozen=True, slots=True)
class TableRequests:
    """The API requests that make the table, by the call that takes them.

    Attributes:
        create_table: For CreateTable.
        update_time_to_live: For UpdateTimeToLive; `None` when TTL stays off.
        update_continuous_backups: For UpdateContinuousBackups; `None` when
            point-in-time recovery stays off.
    """

    create_table: Request
    update_time_to_live: Request | None
    update_continuous_backups: Request | None

    @property
    def table_name(self) -> str:
        """The table that all requests are about."""
        name: str = self.create_table["TableName"]
        return name


def _as_it_is(value: Any) -> Any:
    return value


def _throughput(value: Mapping[str, Any]) -> Request:
    return {name: int(units) for name, units in value.items()}


def _encryption(value: Mapping[str, Any]) -> Request:
    return {"Enabled" if name == "SSEEnabled" else name: setting for name, setting in value.items()}


_CREATE_TABLE: Mapping[str, Callable[[Any], Any]] = {
    "TableName": _as_it_is,
    "KeySchema": _as_it_is,
    "AttributeDefinitions": _as_it_is,
    "BillingMode": _as_it_is,
    "ProvisionedThroughput": _throughput,
    "SSESpecification": _encryption,
}
_TIME_TO_LIVE = "TimeToLiveSpecification"
_CONTINUOUS_BACKUPS = "PointInTimeRecoverySpecification"


def table_requests(properties: Mapping[str, Any]) -> TableRequests:
    """Translate the resolved properties of an `AWS::DynamoDB::Table` resource.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html

    Raises:
        TemplateError: A property that has no request here.
    """
    unknown = sorted(
        properties.keys() - _CREATE_TABLE.keys() - {_TIME_TO_LIVE, _CONTINUOUS_BACKUPS}
    )
    if unknown:
        raise TemplateError(
            f"deploy=True cannot make the table properties {', '.join(unknown)}; "
            "deploy the template with CloudFormation"
        )
    name = properties["TableName"]
    time_to_live = properties.get(_TIME_TO_LIVE, {})
    backups = properties.get(_CONTINUOUS_BACKUPS, {})
    return TableRequests(
        create_table={
            field: translate(properties[field])
            for field, translate in _CREATE_TABLE.items()
            if field in properties
        },
        update_time_to_live=(
            {"TableName": name, _TIME_TO_LIVE: time_to_live}
            if time_to_live.get("Enabled")
            else None
        ),
        update_continuous_backups=(
            {"TableName": name, _CONTINUOUS_BACKUPS: backups}
            if backups.get("PointInTimeRecoveryEnabled")
            else None
        ),
    )


def requests_of(config: DynamoDBTableConfig) -> TableRequests:
    """The requests that make the table of a configuration, from the shipped template.

    Raises:
        ConfigurationError: The template refuses the configuration.
        TemplateError: The template has other resources than one table.
    """
    found = resolve(load_template(), parameters_of(config))
    tables = [resource for resource in found.values() if resource.type == _TABLE_TYPE]
    if len(found) != 1 or len(tables) != 1:
        raise TemplateError(
            f"deploy=True makes one {_TABLE_TYPE}, but the template has {', '.join(found)}; "
            "deploy it with CloudFormation"
        )
    return table_requests(tables[0].properties)


def deploy(config: DynamoDBTableConfig) -> Operation[None]:
    """Make the table unless it exists, and return once it can be used.

    A table that was there before keeps every setting. Of two processes that
    deploy at once, both see to TTL and point-in-time recovery, which may be
    enabled twice: a CreateTable that is refused may be our own, sent again
    because its answer was lost.

    Raises:
        ConfigurationError: The template refuses the configuration.
        TableMismatchError: The existing table has other keys.
        UnavailableError: The table does not become active in 120 waits.
        StorageError: DynamoDB refuses a call.
    """
    requests = requests_of(config)
    if (yield from _existing(requests)):
        return
    yield from _create(requests)
    yield from _wait_until_usable(requests)
    yield from _enable_time_to_live(requests)
    yield from _enable_backups(requests)


def destroy(table_name: str) -> Operation[None]:
    """Delete the table with all it holds, and return once it is gone.

    A missing table is a success. Deletion is irreversible.

    Args:
        table_name: The table's name.

    Raises:
        UnavailableError: The table is not gone after 120 waits.
        StorageError: DynamoDB refuses the call.
    """
    deleted = yield from _delete(table_name)
    if deleted is None:
        return
    for attempt in range(_MAX_WAITS):
        table = yield from _describe(table_name)
        # Another id is another table, made under this name in the meantime.
        if table is None or table.get("TableId") != deleted.get("TableId"):
            return
        yield Backoff(attempt)
    raise UnavailableError(f"table {table_name!r} is still {_state(table)} after it was deleted")


def _describe(table_name: str) -> Operation[dict[str, Any] | None]:
    try:
        (reply,) = yield [Call("describe_table", {"TableName": table_name})]
    except TableNotFoundError:
        return None
    table: dict[str, Any] = reply["Table"]
    return table


def _existing(requests: TableRequests) -> Operation[bool]:
    """Whether the table exists and can be used; waits out a state that will pass."""
    table = None
    for attempt in range(_MAX_WAITS):
        table = yield from _describe(requests.table_name)
        if table is None:
            return False
        if _is_usable(table, requests):
            return True
        yield Backoff(attempt)
    raise _never_usable(requests, table)


def _wait_until_usable(requests: TableRequests) -> Operation[None]:
    """Wait for a table that was just created.

    DescribeTable is eventually consistent and may not find it at first.
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTable.html
    """
    table = None
    for attempt in range(_MAX_WAITS):
        table = yield from _describe(requests.table_name)
        if table is not None and _is_usable(table, requests):
            return
        yield Backoff(attempt)
    raise _never_usable(requests, table)


def _is_usable(table: Mapping[str, Any], requests: TableRequests) -> bool:
    # The keys of a table that is going away do not matter: it may make room for ours.
    if table["TableStatus"] == "DELETING":
        return False
    found, wanted = _keys(table), _keys(requests.create_table)
    if found != wanted:
        raise TableMismatchError(
            f"table {requests.table_name!r} exists with the keys {_key_text(found)}, but the "
            f"saver needs {_key_text(wanted)}: choose another table_name, or delete that table "
            "if nothing else uses it"
        )
    return table["TableStatus"] in _USABLE


def _keys(table: Mapping[str, Any]) -> Keys:
    types = {
        attribute["AttributeName"]: attribute["AttributeType"]
        for attribute in table["AttributeDefinitions"]
    }
    return frozenset(
        (key["AttributeName"], types[key["AttributeName"]], key["KeyType"])
        for key in table["KeySchema"]
    )


def _key_text(keys: Keys) -> str:
    in_order = sorted(keys, key=lambda key: key[2])
    return ", ".join(f"{name} ({kind}, {role})" for name, kind, role in in_order)


def _state(table: Mapping[str, Any] | None) -> str:
    return "missing" if table is None else str(table["TableStatus"])


def _never_usable(requests: TableRequests, table: Mapping[str, Any] | None) -> UnavailableError:
    return UnavailableError(
        f"table {requests.table_name!r} is still {_state(table)}, not ACTIVE, after {_MAX_WAITS} "
        "waits; look at it in the console, or deploy again later"
    )


def _create(requests: TableRequests) -> Operation[None]:
    try:
        yield [Call("create_table", requests.create_table)]
    except StorageError as error:
        if error.code != "ResourceInUseException":  # another process is making it
            raise


def _enable_time_to_live(requests: TableRequests) -> Operation[None]:
    if requests.update_time_to_live is None:
        return
    try:
        yield [Call("update_time_to_live", requests.update_time_to_live)]
    except StorageError as error:
        # Enabling twice is refused, also when the first answer was lost on its way.
        if error.code != "ValidationException":
            raise
        (reply,) = yield [Call("describe_time_to_live", {"TableName": requests.table_name})]
        found = reply["TimeToLiveDescription"]
        wanted = requests.update_time_to_live[_TIME_TO_LIVE]["AttributeName"]
        enabled = found.get("TimeToLiveStatus") in {"ENABLING", "ENABLED"}
        if not enabled or found.get("AttributeName") != wanted:
            raise


def _enable_backups(requests: TableRequests) -> Operation[None]:
    if requests.update_continuous_backups is None:
        return
    for attempt in range(_MAX_WAITS):
        try:
            yield [Call("update_continuous_backups", requests.update_continuous_backups)]
        except StorageError as error:
            # DynamoDB Local has no backups to enable.
            if error.code == "UnknownOperationException":
                return
            # A new table has its backups a little later than it is active.
            # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateContinuousBackups.html
            if error.code != "ContinuousBackupsUnavailableException":
                raise
        else:
            return
        yield Backoff(attempt)
    raise UnavailableError(
        f"table {requests.table_name!r} is ACTIVE without point-in-time recovery: its continuous "
        f"backups are not available after {_MAX_WAITS} waits; enable it in the console"
    )


def _delete(table_name: str) -> Operation[dict[str, Any] | None]:
    """The description of the table that DynamoDB now deletes; `None` if there is none."""
    for attempt in range(_MAX_WAITS):
        try:
            (reply,) = yield [Call("delete_table", {"TableName": table_name})]
        except TableNotFoundError:
            return None
        except StorageError as error:
            # A table that is being made, changed or restored cannot be deleted yet.
            if error.code != "ResourceInUseException":
                raise
        else:
            deleted: dict[str, Any] = reply["TableDescription"]
            return deleted
        yield Backoff(attempt)
    raise UnavailableError(
        f"table {table_name!r} is in use by another change after {_MAX_WAITS} waits; "
        "delete it later"
    )
