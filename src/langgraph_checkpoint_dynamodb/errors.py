"""Every error this package raises.

One base, two families: `CallerError` is fixed by changing the call or the
configuration, `StorageError` by looking at the table or the network. Storage
errors carry `retryable`: whether the same call may succeed later unchanged.
"""

from __future__ import annotations

DISTRIBUTION = "langgraph-checkpoint-amazon-dynamodb"
"""The package's name on PyPI, for messages."""


class DynamoDBSaverError(Exception):
    """Base of every error this package raises."""


class CallerError(DynamoDBSaverError):
    """The call or the configuration has to change; nothing was sent."""


class ConfigurationError(CallerError, ValueError):
    """A `DynamoDBConfig` or `DynamoDBTableConfig` that cannot work."""


class InvalidInputError(CallerError, ValueError):
    """An argument of a saver method that cannot work."""


class TemplateError(CallerError, ValueError):
    """A template that cannot be evaluated, or that asks for more than `deploy=True` makes."""


class SerializationError(CallerError):
    """A value that the serializer cannot write; the message names its channel."""


class StorageError(DynamoDBSaverError):
    """DynamoDB, the network or the stored data stood in the way.

    Attributes:
        retryable: Whether the same call may succeed later, unchanged.
        code: The error code in the service's answer, such as
            `ResourceInUseException`; `None` when there was no such answer.
    """

    retryable = False
    code: str | None = None


class TableNotFoundError(StorageError):
    """The table does not exist in this account and region."""


class TableMismatchError(StorageError):
    """A table of this name exists with other keys than the saver's."""


class TableProtectedError(StorageError):
    """The table may not be deleted: its protection is on, or a CloudFormation stack owns it."""


class StackError(StorageError):
    """The CloudFormation stack is missing, not ready, or not of this package's template."""


class AccessDeniedError(StorageError):
    """Credentials are missing, expired, or do not allow the call."""


class ThrottledError(StorageError):
    """The service still refused the call for its rate after the last retry."""

    retryable = True


class UnavailableError(StorageError):
    """No answer, or a 5xx answer, after the last retry."""

    retryable = True


class RequestRejectedError(StorageError):
    """The service refused a request for a reason that a retry cannot mend."""


class ConflictError(StorageError):
    """What is stored already contradicts what was to be written."""


class StaleParentError(ConflictError):
    """With `fence=True`: another writer has gone on from the checkpoint that this one continues.

    The message names thread, namespace, both checkpoints, the newest, and the ways out.
    """


class DeserializationError(StorageError):
    """A stored value that the saver's serializer does not read.

    It was written by another serializer, with another encryption key, or without the
    encryption that the saver's serializer stands for; or its bytes are damaged.
    """


class UnsupportedFormatError(StorageError):
    """What is stored was written by a later release, in a format that this one does not read.

    Upgrade this process; `docs/format.md` says which releases read and write what.
    """


class CorruptCheckpointError(StorageError):
    """Stored bytes are missing, altered or unreadable.

    The message names thread, namespace, checkpoint and what is missing. The
    saver raises it rather than returning an older or a partial state.
    """
