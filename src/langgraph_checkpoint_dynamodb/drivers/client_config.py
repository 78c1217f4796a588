"""Settings of a botocore client."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.session import get_session

from ..config.endpoints import check_endpoint
from ..config.saver_config import DynamoDBConfig
from ..errors import DISTRIBUTION, RequestRejectedError
from ..runtime.effects import CLOUDFORMATION, DYNAMODB, OF_ANOTHER_PLACE, S3
from .places import session_endpoint

SMALL_COMPUTE_BYTES = 64 * 1024
"""Work on up to this many bytes takes about a millisecond on an event loop, as much CPU time as
handing it to a thread."""

JOIN_SECONDS = 10.0
"""How long an operation waits for another one to write a part of a value: 100 chunks, for which a
partition of AWS takes up to five seconds. That one may never complete: its event loop was stopped,
or is blocked by the thread that waits."""

MAX_CONCURRENT_CALLS = 16
"""Calls of one round that run at once, and the size of a client's connection pool."""

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
"""How long one attempt waits for a connection, and for the next bytes of its reply. With botocore's
default of a minute each, a network that drops packets would block a graph for eight minutes.
DynamoDB answers in milliseconds, and the largest replies have 1 MB."""

_AWS_DOMAINS = (
    *("amazonaws.com", "amazonaws.com.cn", "amazonaws.eu"),
    *("api.aws", "api.amazonwebservices.com.cn"),
)


def client_arguments(
    config: DynamoDBConfig, service: str = DYNAMODB, session: Any = None
) -> dict[str, Any]:
    """Keyword arguments that make a service's client of any of the three libraries.

    Args:
        config: The configuration.
        service: The service.
        session: The session that makes the client; to make another one takes 6 ms.

    Raises:
        ConfigurationError: A variable or a profile has an endpoint that is no URL.
    """
    endpoint_url = _endpoint_url(config, service)
    if endpoint_url is None:
        check_endpoint(*session_endpoint(config, service, session))
    settings = Config(
        **_user_agent(config),
        # A tenth of a small graph's CPU time, to check what the saver itself made of input that
        # it has checked. The other services get names as users wrote them.
        parameter_validation=service != DYNAMODB,
        # One layer retries, and it is ours: the delays of `DynamoDBConfig` are honoured.
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=MAX_CONCURRENT_CALLS * 2,
    )
    if config.botocore_config is not None:
        settings = settings.merge(config.botocore_config)
    return {
        "region_name": config.region_name,
        "endpoint_url": endpoint_url,
        "aws_access_key_id": config.aws_access_key_id,
        "aws_secret_access_key": config.aws_secret_access_key,
        "aws_session_token": config.aws_session_token,
        "config": settings,
    }


def _user_agent(config: DynamoDBConfig) -> dict[str, Any]:
    """The saver's name in the User-Agent header, which CloudTrail shows.

    botocore puts the header together twice for each request, 5 % of a small graph's CPU time,
    unless the configuration has a whole one. An application id would not be in that, and no
    session tells of one in public but the default.
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-appid.html
    """
    product = DISTRIBUTION
    with suppress(PackageNotFoundError):  # a bundle may have left the metadata out
        product += f"/{version(DISTRIBUTION)}"
    may_have_id = config.session or config.async_session
    if may_have_id or getattr(config.botocore_config, "user_agent_appid", None):
        return {"user_agent_extra": product}
    session = get_session()
    if session.get_config_variable("user_agent_appid"):
        return {"user_agent_extra": product}
    return {"user_agent": f"{product} {session.user_agent()}"}


def _endpoint_url(config: DynamoDBConfig, service: str) -> str | None:
    """An emulator has one endpoint for all services, each service of AWS its own."""
    if config.endpoint_url is None or service == DYNAMODB:
        return config.endpoint_url
    return None if is_of_aws(config.endpoint_url) else config.endpoint_url


def endpoint_of(config: DynamoDBConfig, service: str = DYNAMODB) -> tuple[str, str | None]:
    """The setting and the URL of a service's endpoint; the URL is `None` for AWS's default."""
    url = _endpoint_url(config, service)
    return session_endpoint(config, service) if url is None else ("endpoint_url", url)


def is_of_aws(url: str) -> bool:
    """Whether an endpoint is one of AWS, and not of an emulator."""
    host = urlsplit(url).hostname or ""
    return any(host == domain or host.endswith(f".{domain}") for domain in _AWS_DOMAINS)


def is_about_the_table(service: str) -> bool:
    """Whether calls of a service are about the saver's table, by its name or its key."""
    return service not in (DYNAMODB, CLOUDFORMATION, S3)


def check_same_place(service: str, client: Any, dynamodb: Any) -> None:
    """Refuse a call about a table of an emulator that would go to AWS, or the reverse.

    With `AWS_ENDPOINT_URL_DYNAMODB` alone, the table is one of an emulator, and the clients of the
    other services have endpoints of AWS. There, the table's name is another table's.

    Raises:
        RequestRejectedError: One of the two clients has an endpoint of AWS and the other has not.
    """
    table_at, service_at = (
        getattr(getattr(one, "meta", None), "endpoint_url", "") for one in (dynamodb, client)
    )
    if is_of_aws(table_at) == is_of_aws(service_at):
        return
    refused = RequestRejectedError(
        f"{service} was not called: its endpoint {service_at} cannot know the table of "
        f"{table_at}, as only one of the two is of AWS; set AWS_ENDPOINT_URL, or "
        "DynamoDBConfig(endpoint_url=…), for both"
    )
    refused.code = OF_ANOTHER_PLACE
    raise refused
