"""What both drivers share: client settings, the retry policy, errors of AWS made ours."""

from __future__ import annotations

import asyncio
from typing import Any

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
from .operation import Call, ConditionFailed

MAX_CONCURRENT_CALLS = 16
"""Calls of one round that run at once, and the size of a client's connection pool."""

_ERRORS: dict[str, type[StorageError]] = {
    "AccessDeniedException": AccessDeniedError,
    "ExpiredTokenException": AccessDeniedError,
    "IncompleteSignatureException": AccessDeniedError,
    "InvalidClientTokenId": AccessDeniedError,
    "InvalidSignatureException": AccessDeniedError,
    "MissingAuthenticationTokenException": AccessDeniedError,
    "UnrecognizedClientException": AccessDeniedError,
    "InternalFailure": UnavailableError,
    "InternalServerError": UnavailableError,
    "RequestTimeout": UnavailableError,
    "ServiceUnavailable": UnavailableError,
    "ProvisionedThroughputExceededException": ThrottledError,
    "RequestLimitExceeded": ThrottledError,
    "Throttling": ThrottledError,
    "ThrottlingException": ThrottledError,
    "TooManyRequestsException": ThrottledError,
    "ResourceNotFoundException": TableNotFoundError,
}
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html"""

_NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
)
_NO_ANSWER = (HTTPClientError, BotocoreConnectionError)
_SERVER_ERROR = 500

# OSError: what aiohttp raises below aiobotocore's own translation; asyncio's TimeoutError
# is a class of its own before Python 3.11.
AWS_ERRORS = (BotoCoreError, ClientError, OSError, asyncio.TimeoutError)
"""What a client may raise; `translate` knows them all."""


def client_arguments(config: DynamoDBConfig) -> dict[str, Any]:
    """Keyword arguments that make a DynamoDB client of any of the three libraries."""
    settings = Config(
        # One layer retries, and it is ours: the delays of `DynamoDBConfig` are honoured.
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=MAX_CONCURRENT_CALLS * 2,
    )
    if config.botocore_config is not None:
        settings = settings.merge(config.botocore_config)
    return {
        "region_name": config.region_name,
        "endpoint_url": config.endpoint_url,
        "aws_access_key_id": config.aws_access_key_id,
        "aws_secret_access_key": config.aws_secret_access_key,
        "aws_session_token": config.aws_session_token,
        "config": settings,
    }


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


def backoff_bound(config: DynamoDBConfig, attempt: int) -> float:
    """The longest wait before resend number `attempt` (from 0), in seconds."""
    doublings = min(attempt, 32)
    return float(min(config.max_retry_delay, config.initial_retry_delay * 2**doublings))


def translate(
    error: Exception, config: DynamoDBConfig, call: Call
) -> DynamoDBSaverError | ConditionFailed:
    """An error of botocore or aiobotocore as a reply or an error of ours.

    Messages name the call, table and region; a credential never stands in them.
    """
    what = f"{call.method} on {_table(config, call)}"
    if isinstance(error, ClientError):
        return _client_error(error, what)
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


def _client_error(error: ClientError, what: str) -> DynamoDBSaverError | ConditionFailed:
    details = error.response.get("Error", {})
    code = details.get("Code", "")
    if code == "ConditionalCheckFailedException":
        return ConditionFailed(error.response.get("Item"))  # type: ignore[arg-type]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    fallback = UnavailableError if status >= _SERVER_ERROR else RequestRejectedError
    kind = _ERRORS.get(code, fallback)
    message = f"{what}: {code}: {details.get('Message', '')}"
    if kind is TableNotFoundError:
        message = (
            f"{what}: there is no such table. Make it with DynamoDBSaver(config, deploy=True), or "
            "deploy template.yaml (aws cloudformation deploy) and use the stack's table name and "
            "region"
        )
    made = kind(message)
    made.code = code
    return made


def _table(config: DynamoDBConfig, call: Call) -> str:
    name = call.params.get("TableName", config.table_config.table_name)
    region = config.region_name or getattr(config.session, "region_name", None) or "the default"
    return f"table {name!r} in region {region}"


def gave_up(error: StorageError, config: DynamoDBConfig) -> StorageError:
    """Say in an error that outlived its retries how often it was tried."""
    if error.retryable:
        error.args = (f"{error} (tried {config.max_retries + 1} times; see max_retries)",)
    return error
