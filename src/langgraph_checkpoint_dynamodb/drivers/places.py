"""Where a call goes, as messages name it: the table or resource, the region and the host."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError
from botocore.session import get_session

from ..config.saver_config import DynamoDBConfig
from ..errors import StorageError
from ..runtime.effects import AUTOSCALING, CLOUDFORMATION, DYNAMODB, KMS, S3, Call

_RESOURCES = {
    CLOUDFORMATION: ("stack", "StackName"),
    AUTOSCALING: ("scalable target", "ResourceId"),
    KMS: ("key", "KeyId"),
    S3: ("bucket", "Bucket"),
}
"""What a call of another service than DynamoDB is about, and the parameter that names it."""


def subject(config: DynamoDBConfig, call: Call, host: str | None = None) -> str:
    """What a message calls a call: its method, what it is about, the region and the host."""
    if call.service == DYNAMODB:
        return f"{call.method} on {_table(config, call.params.get('TableName'), host)}"
    kind, parameter = _RESOURCES.get(call.service, ("resource", "ResourceId"))
    name = call.params.get(parameter) or call.params.get(f"{parameter}s") or "?"
    return f"{call.service} {call.method} on {kind} {name!r} {_place(config, host)}"


def name_table(error: StorageError, config: DynamoDBConfig) -> None:
    """Begin the message of an error about stored items (`OF_ITEMS`) with their table."""
    error.args = (f"{_table(config, None, _host(config.endpoint_url))}: {error}",)


def _table(config: DynamoDBConfig, name: str | None, host: str | None) -> str:
    return f"table {(name or config.table_config.table_name)!r} {_place(config, host)}"


def _place(config: DynamoDBConfig, host: str | None) -> str:
    place = f"in region {config.region_name or session_region(config)}"
    return f"{place} at {host}" if host else place


def session_region(config: DynamoDBConfig) -> str | None:
    """The region that a client gets if the configuration names none."""
    session: Any = config.session or config.async_session or get_session()
    try:
        region: str | None = (
            session.region_name
            if hasattr(session, "region_name")
            else session.get_config_variable("region")
        )
    except BotoCoreError:  # a profile that is missing has a message of its own
        return None
    return region


def host_of(client: Any) -> str | None:
    """The host that a client sends to."""
    return _host(getattr(getattr(client, "meta", None), "endpoint_url", None))


def _host(url: Any) -> str | None:
    """The host and port of a URL, without the password that it may hold."""
    return urlsplit(url).netloc.rpartition("@")[2] if isinstance(url, str) else None
