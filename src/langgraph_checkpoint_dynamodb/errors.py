"""Every error this package raises.

All errors derive from `DynamoDBSaverError`. Fix a `CallerError` by changing the call or the
configuration; for a `StorageError`, check the table or the network. The attribute `retryable` of a
storage error says whether the same call may succeed later.
"""

from __future__ import annotations

DISTRIBUTION = "langgraph-checkpoint-amazon-dynamodb"
"""The package's name on PyPI, for messages."""

DEPLOY = (
    "aws cloudformation deploy --stack-name NAME --template-file template.yaml "
    "--capabilities CAPABILITY_IAM"
)
"""The command that makes a stack of the template, for messages."""


class DynamoDBSaverError(Exception):
    """Base of every error this package raises."""


class CallerError(DynamoDBSaverError):
    """The call or the configuration must be changed; nothing was stored."""


class ConfigurationError(CallerError, ValueError):
    """A `DynamoDBConfig` or `DynamoDBTableConfig` is invalid, or too narrow for what is stored.

    Settings that botocore finds in AWS's own variables and files belong to it.
    """


class InvalidInputError(CallerError, ValueError):
    """An argument of a saver method is invalid."""


class TemplateError(CallerError, ValueError):
    """A template cannot be evaluated, or uses what `deploy=True` does not support."""


class SerializationError(CallerError):
    """The serializer cannot serialize a value; the message names its channel."""


class StorageError(DynamoDBSaverError):
    """DynamoDB, the network or the stored data caused the failure.

    Attributes:
        retryable: Whether the same call may succeed later.
        code: The error code of the service's response, such as `ResourceInUseException`;
            `None` without one.
    """

    retryable = False
    code: str | None = None


class TableNotFoundError(StorageError):
    """The table does not exist in this account and region."""


class TableMismatchError(StorageError):
    """A table of this name exists, but its keys are not the saver's."""


class TableProtectedError(StorageError):
    """The table has deletion protection or belongs to a CloudFormation stack: not deleted."""


class StackError(StorageError):
    """The CloudFormation stack is missing, is not ready, or was made from another template."""


class AccessDeniedError(StorageError):
    """Credentials are missing, expired, or do not allow the call."""


class ThrottledError(StorageError):
    """The service still throttled the call after the last retry."""

    retryable = True


class UnavailableError(StorageError):
    """There was no response, or a 5xx response, to the last retry."""

    retryable = True


class RequestRejectedError(StorageError):
    """The service refused a request, and a retry would not succeed."""


class ConflictError(StorageError):
    """What is stored conflicts with what was to be written."""


class StaleParentError(ConflictError):
    """With `fence=True`: another writer has already continued the parent of this checkpoint.

    Run the graph again: it resumes from the newest checkpoint. The message names the thread,
    the namespace, the checkpoint, its parent and the newest checkpoint.
    """


class DeserializationError(StorageError):
    """The saver's serializer cannot read a stored value.

    The value was written by another serializer, with another encryption key, or unencrypted
    while this saver's serializer encrypts; or its bytes are damaged.
    """


class UnsupportedFormatError(StorageError):
    """A later release wrote the data, or release 0.1.3, in a format that this release cannot read.

    Release 0.1.3 of this distribution is another author's package. For data of a later release,
    upgrade this process; `docs/format.md` lists the formats that each release reads and writes.
    """


class CorruptCheckpointError(StorageError):
    """Stored bytes are missing, altered or unreadable.

    The message names the thread, the namespace, the checkpoint and what is missing. The saver
    never returns an older or a partial state instead.
    """
