"""A LangGraph checkpointer on one DynamoDB table."""

from .config.saver_config import DynamoDBConfig
from .config.table_config import BillingMode, DynamoDBTableConfig, TableClass
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
from .infra.compare import Drift
from .infra.plan import Plan
from .maintenance.verify_report import Problem, ProblemKind, VerifyReport
from .observability.events import OperationEvent
from .saver.saver import DynamoDBSaver

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
    "OperationEvent",
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
