"""A LangGraph checkpointer on one DynamoDB table."""

from typing import TYPE_CHECKING, Any

from .config.saver_config import DynamoDBConfig
from .config.source_table import SourceTable
from .config.table_config import BillingMode, DynamoDBTableConfig, TableClass
from .directory.listing import Thread, ThreadPage
from .directory.newest_checkpoints import ThreadStatus
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
from .maintenance.erase import EraseReport
from .maintenance.prune_threads import PruneReport
from .maintenance.storage_report import (
    ChannelStorage,
    StorageKind,
    StorageReport,
    StoredItems,
)
from .maintenance.verify_report import Problem, ProblemKind, VerifyReport
from .migration.report import Failure, Loss, LossKind, MigrationReport
from .observability.events import OperationEvent
from .saver.saver import DynamoDBSaver

if TYPE_CHECKING:
    from .infra.compare import Drift, Unknown
    from .infra.plan import Plan

__all__ = [
    "AccessDeniedError",
    "BillingMode",
    "CallerError",
    "ChannelStorage",
    "ConfigurationError",
    "ConflictError",
    "CorruptCheckpointError",
    "DeserializationError",
    "Drift",
    "DynamoDBConfig",
    "DynamoDBSaver",
    "DynamoDBSaverError",
    "DynamoDBTableConfig",
    "EraseReport",
    "Failure",
    "InvalidInputError",
    "Loss",
    "LossKind",
    "MigrationReport",
    "OperationEvent",
    "Plan",
    "Problem",
    "ProblemKind",
    "PruneReport",
    "RequestRejectedError",
    "SerializationError",
    "SourceTable",
    "StackError",
    "StaleParentError",
    "StorageError",
    "StorageKind",
    "StorageReport",
    "StoredItems",
    "TableClass",
    "TableMismatchError",
    "TableNotFoundError",
    "TableProtectedError",
    "TemplateError",
    "Thread",
    "ThreadPage",
    "ThreadStatus",
    "ThrottledError",
    "UnavailableError",
    "Unknown",
    "UnsupportedFormatError",
    "VerifyReport",
]


def __getattr__(name: str) -> Any:
    """Import the classes of `plan()` on first use: no turn of a graph needs them."""
    if name not in ("Drift", "Plan", "Unknown"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .infra import compare, plan  # noqa: PLC0415

    return getattr(plan if name == "Plan" else compare, name)
