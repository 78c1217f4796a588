"""A LangGraph checkpointer on one DynamoDB table."""

from .config import BillingMode, DynamoDBConfig, DynamoDBTableConfig
from .errors import (
    AccessDeniedError,
    CallerError,
    ConfigurationError,
    ConflictError,
    CorruptCheckpointError,
    DynamoDBSaverError,
    InvalidInputError,
    RequestRejectedError,
    SerializationError,
    StorageError,
    TableMismatchError,
    TableNotFoundError,
    TemplateError,
    ThrottledError,
    UnavailableError,
)
from .saver import DynamoDBSaver

__all__ = [
    "AccessDeniedError",
    "BillingMode",
    "CallerError",
    "ConfigurationError",
    "ConflictError",
    "CorruptCheckpointError",
    "DynamoDBConfig",
    "DynamoDBSaver",
    "DynamoDBSaverError",
    "DynamoDBTableConfig",
    "InvalidInputError",
    "RequestRejectedError",
    "SerializationError",
    "StorageError",
    "TableMismatchError",
    "TableNotFoundError",
    "TemplateError",
    "ThrottledError",
    "UnavailableError",
]
