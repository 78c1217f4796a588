"""Where a call goes, as messages name it: the table or resource, the region and the host."""

from __future__ import annotations

import os
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

_SERVICE_IDS = {AUTOSCALING: "application_auto_scaling"}
"""The names of services in endpoint settings, if they differ from those of their clients."""


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


def session_endpoint(
    config: DynamoDBConfig, service: str = DYNAMODB, session: Any = None
) -> tuple[str, str | None]:
    """The setting and the URL of the endpoint that a client gets if the configuration names none.

    The URL is not checked. It is `None` for AWS's default.
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    name = _SERVICE_IDS.get(service, service)
    session = session or config.session or config.async_session or get_session()
    session = getattr(session, "_session", session)  # boto3's is one around botocore's
    if not hasattr(session, "get_scoped_config"):  # an object like a session
        session = get_session()
    try:
        if _ignores_endpoints(config, session):
            return "endpoint_url", None
        for variable in (f"AWS_ENDPOINT_URL_{name.upper()}", "AWS_ENDPOINT_URL"):
            if os.environ.get(variable):
                return variable, os.environ[variable]
        profile = session.get_scoped_config()
        services = session.full_config.get("services", {}).get(profile.get("services"), {})
    except BotoCoreError:  # a profile that is missing has a message of its own
        return "endpoint_url", None
    found = services.get(name, {}).get("endpoint_url") or profile.get("endpoint_url")
    return "endpoint_url of the profile", found or None


def _ignores_endpoints(config: DynamoDBConfig, session: Any) -> bool:
    name = "ignore_configured_endpoint_urls"
    ignores = getattr(config.botocore_config, name, None)
    return bool(session.get_config_variable(name) if ignores is None else ignores)


def host_of(client: Any) -> str | None:
    """The host that a client sends to."""
    return _host(getattr(getattr(client, "meta", None), "endpoint_url", None))


def _host(url: Any) -> str | None:
    """The host and port of a URL, without the password that it may hold."""
    return urlsplit(url).netloc.rpartition("@")[2] if isinstance(url, str) else None
