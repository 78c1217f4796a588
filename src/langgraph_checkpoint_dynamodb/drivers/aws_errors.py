"""Errors of botocore, aiobotocore and AWS as errors of this package.

Messages name the call, its table, region and host; a credential never stands in them.
"""

from __future__ import annotations

import asyncio
import traceback
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    CredentialRetrievalError,
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
from botocore.session import get_session

from ..config.saver_config import DynamoDBConfig
from ..errors import (
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
from ..runtime.effects import (
    AUTOSCALING,
    CLOUDFORMATION,
    DYNAMODB,
    KMS,
    S3,
    Call,
    ConditionFailed,
    Reply,
)
from .faulty_settings import fault_of
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

_RESOURCES = {
    CLOUDFORMATION: ("stack", "StackName"),
    AUTOSCALING: ("scalable target", "ResourceId"),
    KMS: ("key", "KeyId"),
    S3: ("bucket", "Bucket"),
}
"""What a call of another service than DynamoDB is about, and the parameter that names it."""

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
"""A metadata service or a token endpoint did not answer, or not well: it may do so soon."""

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
_DENIED = (401, 403, 407)
_OTHER_KEYS = (
    "does not match the schema",
    "missed key schema element",
    "Missing the key",
    "One of the required keys was not given a value",
    "Query key condition not supported",
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
_EXPIRED = frozenset(
    {
        *("ExpiredToken", "ExpiredTokenException"),
        *("InvalidSignatureException", "UnrecognizedClientException"),
    }
)
"""Tokens that have expired, and keys that were rotated or deleted."""
_EXCERPT = 200
"""Characters of a body that is not DynamoDB's."""


def whole(reply: Reply, config: DynamoDBConfig, call: Call, client: Any = None) -> Reply:
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
            f"{subject(config, call, host_of(client))}: the answer is not DynamoDB's, "
            "or not all of it (a proxy's?)"
        )
    return reply


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
    if isinstance(error, _NO_CREDENTIALS + _NO_CREDENTIALS_NOW) or _is_of_refresh(error):
        return _no_credentials(what, error)
    if isinstance(error, _SETTINGS):
        return ConfigurationError(
            f"{what}: {str(error).rstrip('.')}; set DynamoDBConfig(region_name=…, session=…), or "
            "correct the environment (AWS_DEFAULT_REGION, AWS_PROFILE) or the files in ~/.aws"
        )
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, _NO_ANSWER) or _is_of_reply(error):
        fault = fault_of(error, host)
        no_answer = UnavailableError(f"{what}: no answer ({text})")
        return ConfigurationError(f"{what}: {fault}") if fault else no_answer
    return RequestRejectedError(f"{what}: {text}")


def _is_of_reply(error: Exception) -> bool:
    """Whether botocore received a reply and could not read it: JSON such as `[]` or `null`.

    It then raises an `AttributeError` or a `TypeError` below this method of its endpoint.
    """
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code.co_name == "_do_get_response" for frame, _ in frames)


def _is_of_refresh(error: Exception) -> bool:
    """Whether refreshing credentials failed with a plain `RuntimeError`.

    botocore raises it for refreshed credentials that have expired already, and asyncio for a lock
    of aiobotocore's credentials on which tasks of two event loops wait.
    """
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "credentials" in text or "different event loop" in text
    )


def _no_credentials(what: str, error: Exception) -> AccessDeniedError:
    denied = AccessDeniedError(
        f"{what}: no usable AWS credentials ({type(error).__name__}: {error}); give DynamoDBConfig "
        "a session or keys, or set up the default chain (environment, profile, role)"
    )
    denied.retryable = not isinstance(error, _NO_CREDENTIALS)
    return denied


def host_of(client: Any) -> str | None:
    """The host that a client sends to."""
    return _host(getattr(getattr(client, "meta", None), "endpoint_url", None))


def _host(url: Any) -> str | None:
    """The host and port of a URL, without the password that it may hold."""
    return urlsplit(url).netloc.rpartition("@")[2] if isinstance(url, str) else None


def needs_new_session(error: Exception) -> bool:
    """Whether a new session may find other credentials: there were none, or AWS refused them."""
    return isinstance(error, _NO_CREDENTIALS) or has_expired(error)


def has_expired(error: BaseException | None) -> bool:
    """Whether AWS refused credentials in place of which a new session may find others."""
    return isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in (
        _EXPIRED
    )


def _client_error(
    error: ClientError, config: DynamoDBConfig, call: Call, host: str | None
) -> StorageError:
    details = error.response.get("Error", {})
    code, text = details.get("Code", ""), without_secrets(details.get("Message", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    what = subject(config, call, host)
    message = f"{what}: {code}: {text}"
    kind = _ERRORS.get(code, RequestRejectedError if status < _SERVER_ERROR else UnavailableError)
    if call.service == DYNAMODB and code == str(status):
        # DynamoDB names each error. botocore puts the status in place of a name that it cannot
        # read: half an answer, or a proxy's.
        kind = AccessDeniedError if status in _DENIED else UnavailableError
        message = f"{what}: HTTP {status}, not DynamoDB's answer: {text[:_EXCERPT]!r}"
    elif call.service == DYNAMODB and code == "ResourceNotFoundException":
        kind = TableNotFoundError
        message = (
            f"{what}: there is no such table. Make it with DynamoDBSaver(config, deploy=True), or "
            "deploy template.yaml (aws cloudformation deploy) and use the stack's table name and "
            "region"
        )
    elif code == "ValidationException" and any(one in text for one in _OTHER_KEYS):
        kind = TableMismatchError
        message = (
            f"{what}: the table has other keys than the saver needs (PK and SK, both strings): "
            f"choose another table_name, or delete that table if nothing else uses it ({text})"
        )
    made = kind(message)
    made.code = code
    return made


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
