"""Errors of botocore, aiobotocore and AWS as errors of this package.

Messages name the call, its table, region and host; a credential never stands in them.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

from botocore.exceptions import (
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    InvalidConfigError,
    InvalidRegionError,
    MetadataRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as BotocoreConnectionError,
)
from botocore.parsers import ResponseParserError

from ..config.saver_config import DynamoDBConfig
from ..errors import (
    DEPLOY,
    AccessDeniedError,
    ConfigurationError,
    ConflictError,
    CorruptCheckpointError,
    DeserializationError,
    DynamoDBSaverError,
    RequestRejectedError,
    StorageError,
    TableMismatchError,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
    UnsupportedFormatError,
)
from ..runtime.effects import CLOUDFORMATION, DYNAMODB, Call, ConditionFailed
from .client_config import endpoint_of, is_of_aws
from .faulty_settings import fault_of
from .places import subject
from .replies import BODY, foreign
from .secrets import hide_secrets, without_secrets

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

OF_ITEMS = (
    ConflictError,
    CorruptCheckpointError,
    DeserializationError,
    UnsupportedFormatError,
)
"""What operations raise about stored items; they know no region and no host."""

_SETTINGS = (
    ConfigNotFound,
    ConfigParseError,
    InvalidConfigError,
    InvalidRegionError,
    NoRegionError,
    ProfileNotFound,
)
"""Settings of AWS's own files and variables that are missing, or that botocore cannot use."""

_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError)
_NO_CREDENTIALS_NOW = (CredentialRetrievalError, MetadataRetrievalError, TokenRetrievalError)
"""A metadata service or a token endpoint did not answer, or not well: it may do so soon. So may
what raises a `RuntimeError`: a refresh that came too late, a lock that is in use."""

_SERVER_ERROR = 500
_DENIED = (401, 403, 407)
_OTHER_KEYS = (
    "Condition parameter type does not match schema type",
    "does not match the schema",
    "missed key schema element",
    "Missing the key",
    "One of the required keys was not given a value",
    "Query key condition not supported",
    "The number of conditions on the keys is invalid",
    "Type mismatch for key",
)
"""How DynamoDB says that a table has other keys."""

# Of no base of botocore's: ResponseParserError, for a proxy's page instead of an answer; OSError,
# which aiohttp raises below aiobotocore's own translation; asyncio's TimeoutError, which is a
# class of its own before Python 3.11.
_NO_ANSWER = (
    HTTPClientError,
    BotocoreConnectionError,
    ResponseParserError,
    OSError,
    asyncio.TimeoutError,
)
_NO_CONNECTION = (ConnectTimeoutError, EndpointConnectionError)
_EXPIRED = frozenset(
    {
        *("ExpiredToken", "ExpiredTokenException"),
        *("InvalidSignatureException", "UnrecognizedClientException"),
    }
)
"""Tokens that have expired, and keys that were rotated or deleted."""


def translate(
    error: Exception, config: DynamoDBConfig, call: Call, host: str | None = None
) -> DynamoDBSaverError | ConditionFailed:
    """What a client raised, as a reply or an error of ours.

    Args:
        error: Anything that a call raised; botocore raises plain `RuntimeError` and `ValueError`,
            too.
        config: The saver's.
        call: The call.
        host: Where it was sent; `None` if no client could be made.
    """
    hide_secrets(error)
    if isinstance(error, ClientError):
        if error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
            return ConditionFailed(error.response.get("Item"))  # type: ignore[arg-type]
        return _client_error(error, config, call, host)
    what = subject(config, call, host)
    if isinstance(error, _SETTINGS):
        return ConfigurationError(
            f"{what}: {str(error).rstrip('.')}; set DynamoDBConfig(region_name=…, session=…), or "
            "correct the environment (AWS_DEFAULT_REGION, AWS_PROFILE) or the files in ~/.aws"
        )
    if isinstance(error, _NO_CREDENTIALS + _NO_CREDENTIALS_NOW) or _is_of_credentials(error):
        return _no_credentials(what, error)
    if isinstance(error, _NO_ANSWER) or _received(error) is not None:
        fault = fault_of(error, host)
        return (
            ConfigurationError(f"{what}: {fault}")
            if fault
            else _no_answer(what, config, call, error)
        )
    return RequestRejectedError(f"{what}: {type(error).__name__}: {error}")


def _no_answer(what: str, config: DynamoDBConfig, call: Call, error: Exception) -> UnavailableError:
    reply = _received(error)
    found = f"no answer ({type(error).__name__}: {error})"
    if reply:
        found = foreign(call, reply["status_code"], reply["body"])
    elif isinstance(error, _NO_CONNECTION):
        setting, url = endpoint_of(config, call.service)
        found += (
            f"; this endpoint is set by {setting}: correct it, or start the server there"
            if url
            else _endpoint_hint(config, call)
        )
    return UnavailableError(f"{what}: {found}")


def _endpoint_hint(config: DynamoDBConfig, call: Call) -> str:
    """What to set if the stack was looked for at AWS, and the table is one of an emulator."""
    if call.service != CLOUDFORMATION or endpoint_of(config, CLOUDFORMATION)[1]:
        return ""
    setting, url = endpoint_of(config)
    if url is None or is_of_aws(url):
        return ""
    return (
        f"; {setting} sets the endpoint of DynamoDB alone: set AWS_ENDPOINT_URL, or "
        "DynamoDBConfig(endpoint_url=…), for both"
    )


def _received(error: Exception) -> Mapping[str, Any] | None:
    """The reply that botocore received and could not read: no XML, or JSON such as `[]` or `null`.

    Its endpoint has the reply in a variable of the method below which it raises a
    `ResponseParserError`, an `AttributeError` or a `TypeError`.

    Returns:
        The reply; empty if none came, or not all of it; `None` if the error is of another place.
    """
    for frame in _frames(error):
        if frame.f_code.co_name == "_do_get_response":
            reply: Mapping[str, Any] = frame.f_locals.get("response_dict", {})
            return reply
    return None


def _is_of_credentials(error: Exception) -> bool:
    """Whether looking for credentials failed in a way for which botocore has no class of its own.

    A program or a file is missing, its content is no JSON, nobody has logged in to SSO, refreshed
    credentials have expired already, or tasks of two event loops wait for aiobotocore's lock.
    A request of the search that has no answer (to STS, say) is a failure of the network.
    """
    if isinstance(error, _NO_ANSWER) and getattr(error, "filename", None) is None:
        return False
    modules = (frame.f_globals.get("__name__", "") for frame in _frames(error))
    return any(name.endswith(("botocore.credentials", "botocore.tokens")) for name in modules)


def _frames(error: Exception) -> Iterator[FrameType]:
    return (frame for frame, _ in traceback.walk_tb(error.__traceback__))


def _no_credentials(what: str, error: Exception) -> AccessDeniedError:
    denied = AccessDeniedError(
        f"{what}: no usable AWS credentials ({type(error).__name__}: {error}); give DynamoDBConfig "
        "a session or keys, or set up the default chain (environment, profile, role)"
    )
    denied.retryable = isinstance(error, (*_NO_CREDENTIALS_NOW, RuntimeError))
    return denied


def needs_new_session(error: Exception) -> bool:
    """Whether a new session may find other credentials: there were none, or AWS refused them."""
    return isinstance(error, _NO_CREDENTIALS) or has_expired(error)


def has_expired(error: BaseException | None) -> bool:
    """Whether AWS refused credentials in place of which a new session may find others."""
    return isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in (
        _EXPIRED
    )


def _way_to_a_table(config: DynamoDBConfig, call: Call) -> str:
    own = config.table_config.table_name
    if call.params.get("TableName", own) != own:
        return (
            "It is a source to copy from: check table_name in SourceTable, and that the table is "
            "in this region and of the saver's account"
        )
    return (
        "Make it with DynamoDBSaver(config, deploy=True), or deploy template.yaml "
        f"(`{DEPLOY}`) and use the stack's table name and region"
    )


def _client_error(
    error: ClientError, config: DynamoDBConfig, call: Call, host: str | None
) -> StorageError:
    details = error.response.get("Error", {})
    metadata = error.response.get("ResponseMetadata", {})
    code, text = details.get("Code", ""), without_secrets(details.get("Message", ""))
    status = metadata.get("HTTPStatusCode", 0)
    what = subject(config, call, host)
    message = f"{what}: {code}: {text}{_endpoint_hint(config, call)}"
    kind = _ERRORS.get(code, RequestRejectedError if status < _SERVER_ERROR else UnavailableError)
    if code in {"", str(status)}:
        # The services name each error. botocore puts the status in place of a name that it cannot
        # read: half an answer, or a proxy's.
        message = f"{what}: {foreign(call, status, metadata.get(BODY, text.encode()))}"
        if call.service == DYNAMODB:
            kind = AccessDeniedError if status in _DENIED else UnavailableError
    elif call.service == DYNAMODB and code == "ResourceNotFoundException":
        kind = TableNotFoundError
        message = f"{what}: there is no such table. {_way_to_a_table(config, call)}"
    elif code == "ValidationException" and any(one in text for one in _OTHER_KEYS):
        kind = TableMismatchError
        message = (
            f"{what}: the table has other keys than the saver needs (PK and SK, both strings): "
            f"choose another table_name, or delete that table if nothing else uses it ({text})"
        )
    made = kind(message)
    made.code = code
    return made
