"""A LangGraph checkpointer on one DynamoDB table."""

from .config import DynamoDBConfig
from .errors import (
    AccessDeniedError,
    CallerError,
    ConfigurationError,
    ConflictError,
    CorruptCheckpointError,
    DeserializationError,
    DynamoDBSaverError,
    InvalidInputError,
    RequestRejectedError,
    SerializationError,
    StackError,
    StaleParentError,
    StorageError,
    TableMismatchError,
    TableNotFoundError,
    TableProtectedError,
    TemplateError,
    ThrottledError,
    UnavailableError,
    UnsupportedFormatError,
)
from .plan import Drift, Plan
from .report import Problem, ProblemKind, VerifyReport
from .saver import DynamoDBSaver
from .table_config import BillingMode, DynamoDBTableConfig, TableClass

__all__ = [
    "AccessDeniedError",
    "BillingMode",
    "CallerError",
    "ConfigurationError",
    "ConflictError",
    "CorruptCheckpointError",
    "DeserializationError",
    "Drift",
    "DynamoDBConfig",
    "DynamoDBSaver",
    "DynamoDBSaverError",
    "DynamoDBTableConfig",
    "InvalidInputError",
    "Plan",
    "Problem",
    "ProblemKind",
    "RequestRejectedError",
    "SerializationError",
    "StackError",
    "StaleParentError",
    "StorageError",
    "TableClass",
    "TableMismatchError",
    "TableNotFoundError",
    "TableProtectedError",
    "TemplateError",
    "ThrottledError",
    "UnavailableError",
    "UnsupportedFormatError",
    "VerifyReport",
]
