"""What both drivers share: client settings, the retry policy, errors of AWS made ours."""

from __future__ import annotations

import asyncio
from typing import Any

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

from ..config.saver_config import DynamoDBConfig
from ..errors import (
    AccessDeniedError,
    ConfigurationError,
    DynamoDBSaverError,
    RequestRejectedError,
    StorageError,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
)
from ..runtime.effects import AUTOSCALING, CLOUDFORMATION, DYNAMODB, Call, ConditionFailed, Reply

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
