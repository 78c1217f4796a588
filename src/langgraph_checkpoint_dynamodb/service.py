"""What both drivers share: client settings, the retry policy, errors of AWS made ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, TypeVar
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as BotocoreConnectionError,
)
from botocore.parsers import ResponseParserError
from botocore.session import get_session
from tenacity import stop_after_attempt, wait_random_exponential
from tenacity.retry import retry_if_exception

from .config import DynamoDBConfig
from .errors import (
    AccessDeniedError,
    ConfigurationError,
    DynamoDBSaverError,
    RequestRejectedError,
    StorageError,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
)
from .operation import AUTOSCALING, CLOUDFORMATION, DYNAMODB, Call, ConditionFailed, Reply

T = TypeVar("T")

DISTRIBUTION = "langgraph-checkpoint-amazon-dynamodb"

SMALL_COMPUTE_BYTES = 64 * 1024
"""Up to this, work takes an event loop about a millisecond; a thread costs as much CPU."""

JOIN_SECONDS = 5.0
"""How long one operation waits for what another does. The other may never go on: its event
loop was stopped, or is held up by the very thread that waits."""

MAX_CONCURRENT_CALLS = 16
"""Calls of one round that run at once, and the size of a client's connection pool."""

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
"""How long one try waits for a connection, and for the next bytes of its reply. botocore's minute
for each would hold a graph up for eight minutes when the network swallows packets. DynamoDB
answers in milliseconds, and the saver's largest replies have 1 MB."""

_ERRORS: dict[str, type[StorageError]] = {
    "AccessDenied": AccessDeniedError,
    "AccessDeniedException": AccessDeniedError,
    "ExpiredToken": AccessDeniedError,
    "ExpiredTokenException": AccessDeniedError,
    "IncompleteSignatureException": AccessDeniedError,
    "InvalidClientTokenId": AccessDeniedError,
    "InvalidSignatureException": AccessDeniedError,
    "SignatureDoesNotMatch": AccessDeniedError,
    "MissingAuthenticationTokenException": AccessDeniedError,
    "UnrecognizedClientException": AccessDeniedError,
    "ConcurrentUpdateException": UnavailableError,
    "InternalFailure": UnavailableError,
    "InternalServerError": UnavailableError,
    "InternalServiceException": UnavailableError,
    "ReplicatedWriteConflictException": UnavailableError,
    "RequestTimeout": UnavailableError,
    "ServiceUnavailable": UnavailableError,
    "TransactionConflictException": UnavailableError,
    "TransactionInProgressException": UnavailableError,
    "ProvisionedThroughputExceededException": ThrottledError,
    "RequestLimitExceeded": ThrottledError,
    "Throttling": ThrottledError,
    "ThrottlingException": ThrottledError,
    "TooManyRequestsException": ThrottledError,
}
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html
https://docs.aws.amazon.com/autoscaling/application/APIReference/CommonErrors.html"""

_RESOURCES = {
    CLOUDFORMATION: ("stack", "StackName"),
    AUTOSCALING: ("scalable target", "ResourceId"),
}
"""What a call of another service than DynamoDB is about, and the parameter that names it."""

_AWS_DOMAINS = (
    *("amazonaws.com", "amazonaws.com.cn", "amazonaws.eu"),
    *("api.aws", "api.amazonwebservices.com.cn"),
)

_NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
)
_NO_ANSWER = (HTTPClientError, BotocoreConnectionError)
_PARTS: dict[str, tuple[str, ...]] = {
    "batch_execute_statement": ("Responses",),
    "batch_get_item": ("Responses",),
    "batch_write_item": ("UnprocessedItems",),
    "delete_item": (),
    "put_item": (),
    "query": ("Items",),
    "scan": ("Items",),
    "transact_write_items": (),
    "update_item": (),
}
"""What a whole reply has, be it empty."""
_OF_DYNAMODB = {"content-type": "application/x-amz-json"}
_SERVER_ERROR = 500

# Of no base of botocore's: ResponseParserError, for a proxy's page instead of an answer; OSError,
# which aiohttp raises below aiobotocore's own translation; asyncio's TimeoutError, which is a
# class of its own before Python 3.11.
AWS_ERRORS = (BotoCoreError, ClientError, ResponseParserError, OSError, asyncio.TimeoutError)
"""What a client may raise; `translate` knows them all."""


def client_arguments(config: DynamoDBConfig, service: str = DYNAMODB) -> dict[str, Any]:
    """Keyword arguments that make a service's client of any of the three libraries."""
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
        "endpoint_url": _endpoint_url(config, service),
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
    product = f"{DISTRIBUTION}/{version(DISTRIBUTION)}"
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
    host = urlsplit(config.endpoint_url).hostname or ""
    is_aws = any(host == domain or host.endswith(f".{domain}") for domain in _AWS_DOMAINS)
    return None if is_aws else config.endpoint_url


def retry_policy(config: DynamoDBConfig) -> dict[str, Any]:
    """Arguments of tenacity's `Retrying` and `AsyncRetrying`."""
    return {
        "retry": retry_if_exception(lambda error: getattr(error, "retryable", False)),
        "stop": stop_after_attempt(config.max_retries + 1),
        "wait": wait_random_exponential(
            multiplier=config.initial_retry_delay, max=config.max_retry_delay
        ),
        "reraise": True,
    }


def after_first(first: StorageError, attempt: Callable[[Call], T]) -> Callable[[Call], T]:
    """An attempt for tenacity that begins with one that has failed already.

    Most calls succeed at once, and then need no state of retries.
    """
    failed = [first]

    def again(call: Call) -> T:
        if failed:
            raise failed.pop()
        return attempt(call)

    return again


def backoff_bound(config: DynamoDBConfig, attempt: int) -> float:
    """The longest wait before resend number `attempt` (from 0), in seconds."""
    doublings = min(attempt, 32)
    return float(min(config.max_retry_delay, config.initial_retry_delay * 2**doublings))


def whole(reply: Reply, config: DynamoDBConfig, call: Call) -> Reply:
    """The reply, if it is DynamoDB's and nothing of it is missing.

    To botocore a 200 is a success whatever its body: a proxy's page, nothing, or the
    first half of a reply all come out as an empty dictionary.

    Raises:
        UnavailableError: It is something else; whether the call took effect is not known.
    """
    parts = _PARTS.get(call.method)
    if parts is None:
        return reply
    headers = reply.get("ResponseMetadata", {}).get("HTTPHeaders", _OF_DYNAMODB)
    is_of_dynamodb = "x-amzn-requestid" in headers or headers.get("content-type", "").startswith(
        _OF_DYNAMODB["content-type"]
    )
    if not is_of_dynamodb or any(part not in reply for part in parts):
        raise UnavailableError(
            f"{_what(config, call)}: the answer is not DynamoDB's, or not all of it (a proxy's?)"
        )
    return reply


def translate(
    error: Exception, config: DynamoDBConfig, call: Call
) -> DynamoDBSaverError | ConditionFailed:
    """An error of botocore or aiobotocore as a reply or an error of ours.

    Messages name the call, what it is about, and the region; a credential never stands
    in them.
    """
    if isinstance(error, ClientError):
        if error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
            return ConditionFailed(error.response.get("Item"))  # type: ignore[arg-type]
        return _client_error(error, _what(config, call), call.service)
    what = _what(config, call)
    if isinstance(error, _NO_CREDENTIALS):
        return AccessDeniedError(
            f"{what}: no usable AWS credentials ({type(error).__name__}); give DynamoDBConfig a "
            "session or keys, or set up the default chain (environment, profile, role)"
        )
    if isinstance(error, NoRegionError):
        return ConfigurationError(
            "region_name=None and no default region: set DynamoDBConfig(region_name=…) or the "
            "environment variable AWS_DEFAULT_REGION"
        )
    if isinstance(error, BotoCoreError) and not isinstance(error, _NO_ANSWER):
        return RequestRejectedError(f"{what}: {error}")
    return UnavailableError(f"{what}: no answer ({type(error).__name__}: {error})")


def _client_error(error: ClientError, what: str, service: str) -> StorageError:
    details = error.response.get("Error", {})
    code = details.get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    # DynamoDB names each error. botocore puts the status in place of a name that it cannot read:
    # half an answer, or a proxy's.
    is_nameless = service == DYNAMODB and code == str(status)
    fallback: type[StorageError] = (
        UnavailableError if status >= _SERVER_ERROR or is_nameless else RequestRejectedError
    )
    kind = _ERRORS.get(code, fallback)
    message = f"{what}: {code}: {details.get('Message', '')}"
    if service == DYNAMODB and code == "ResourceNotFoundException":
        kind = TableNotFoundError
        message = (
            f"{what}: there is no such table. Make it with DynamoDBSaver(config, deploy=True), or "
            "deploy template.yaml (aws cloudformation deploy) and use the stack's table name and "
            "region"
        )
    made = kind(message)
    made.code = code
    return made


def _what(config: DynamoDBConfig, call: Call) -> str:
    region = config.region_name or _session_region(config)
    if call.service == DYNAMODB:
        name = call.params.get("TableName", config.table_config.table_name)
        return f"{call.method} on table {name!r} in region {region}"
    kind, parameter = _RESOURCES.get(call.service, ("resource", "ResourceId"))
    name = call.params.get(parameter) or call.params.get(f"{parameter}s") or "?"
    return f"{call.service} {call.method} on {kind} {name!r} in region {region}"


def _session_region(config: DynamoDBConfig) -> str | None:
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


def gave_up(error: StorageError, config: DynamoDBConfig) -> StorageError:
    """Say in an error that outlived its retries how often it was tried."""
    if error.retryable:
        error.args = (f"{error} (tried {config.max_retries + 1} times; see max_retries)",)
    return error
