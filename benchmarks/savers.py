"""The savers under test: what to install for each, and how a user would open it.

To add one, add a `Saver`. Endpoint, region and credentials come from the environment
(`AWS_ENDPOINT_URL_DYNAMODB` and the like), because not every saver takes an endpoint.
Each `open` function runs in its saver's own environment only, so it imports there.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver

# The same graph library for all: its own release must not make a difference.
LANGGRAPH = "langgraph==1.2.22"


@dataclass(frozen=True)
class Saver:
    name: str
    title: str
    distribution: str
    environment: str
    """Savers with the same environment have the same requirements."""
    requirements: tuple[str, ...]
    create_table: Callable[[str], None]
    open: Callable[[str], "BaseCheckpointSaver[Any]"]
    """A fresh saver on an existing table: nothing that another one cached."""
    on_dynamodb: bool = True
    """Else the table is a file, and only bytes and CPU time compare."""
    kinds: tuple[str, ...] = ("cost", "timing")
    """Kinds of workloads that it runs."""


def _open_ours(table: str, *, deploy: bool = False, **options: Any) -> "BaseCheckpointSaver[Any]":
    from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig

    table_config = DynamoDBTableConfig(table_name=table)
    return DynamoDBSaver(DynamoDBConfig(table_config=table_config, **options), deploy=deploy)


def _open_ours_sharing(table: str) -> "BaseCheckpointSaver[Any]":
    return _open_ours(table, share_puts=True)


def _create_ours(table: str) -> None:
    _open_ours(table, deploy=True)


def _open_aws(table: str, **options: Any) -> "BaseCheckpointSaver[Any]":
    from langgraph_checkpoint_aws import DynamoDBSaver

    return DynamoDBSaver(table_name=table, **options)


def _open_aws_gzip(table: str) -> "BaseCheckpointSaver[Any]":
    return _open_aws(table, enable_checkpoint_compression=True)


def _create_pk_sk(table: str) -> None:
    """The table that langgraph-checkpoint-aws documents: it creates none itself."""
    import boto3

    keys = {"PK": "HASH", "SK": "RANGE"}
    boto3.client("dynamodb").create_table(
        TableName=table,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        BillingMode="PAY_PER_REQUEST",
    )


def _open_dynamodb_checkpoint(table: str) -> "BaseCheckpointSaver[Any]":
    from langgraph_dynamodb_checkpoint import DynamoDBSaver

    return DynamoDBSaver(table_name=table)


def _create_dynamodb_checkpoint(table: str) -> None:
    _open_dynamodb_checkpoint(table)  # opening creates a missing table


def _open_sqlite(table: str) -> "BaseCheckpointSaver[Any]":
    import sqlite3

    from langgraph.checkpoint.sqlite import SqliteSaver

    return SqliteSaver(sqlite3.connect(table, check_same_thread=False))


def _create_sqlite(table: str) -> None:
    from langgraph.checkpoint.sqlite import SqliteSaver

    with SqliteSaver.from_conn_string(table) as saver:
        saver.setup()


def _open_null(table: str) -> "BaseCheckpointSaver[Any]":
    from null_saver import NullSaver

    return NullSaver(table)


AWS = "langgraph-checkpoint-aws"
AMAZON_DYNAMODB = "langgraph-checkpoint-amazon-dynamodb"
DYNAMODB_CHECKPOINT = "langgraph-dynamodb-checkpoint"
SQLITE = "langgraph-checkpoint-sqlite"

_OURS = Saver(
    name="ours",
    title="this project",
    distribution=AMAZON_DYNAMODB,
    environment="ours",
    requirements=(LANGGRAPH, "--editable=.[async]"),
    create_table=_create_ours,
    open=_open_ours,
)
_AWS = Saver(
    name="aws",
    title=AWS,
    distribution=AWS,
    environment="aws",
    requirements=(LANGGRAPH, f"{AWS}==1.2.6"),
    create_table=_create_pk_sk,
    open=_open_aws,
)
_ALL = (
    _OURS,
    replace(
        _OURS,
        name="ours-sharing",
        title="this project, `share_puts`",
        open=_open_ours_sharing,
        kinds=("timing",),
    ),
    _AWS,
    replace(_AWS, name="aws-gzip", title=f"{AWS} (gzip)", open=_open_aws_gzip),
    Saver(
        name="amazon-0.1.3",
        title=f"{AMAZON_DYNAMODB} 0.1.3",
        distribution=AMAZON_DYNAMODB,
        environment="amazon-0.1.3",
        requirements=(LANGGRAPH, f"{AMAZON_DYNAMODB}==0.1.3"),
        create_table=_create_ours,  # the same names, in an older package
        open=_open_ours,
    ),
    Saver(
        name="dynamodb-checkpoint",
        title=DYNAMODB_CHECKPOINT,
        distribution=DYNAMODB_CHECKPOINT,
        environment="dynamodb-checkpoint",
        requirements=(LANGGRAPH, f"{DYNAMODB_CHECKPOINT}==0.5.0"),
        create_table=_create_dynamodb_checkpoint,
        open=_open_dynamodb_checkpoint,
    ),
    Saver(
        name="sqlite",
        title=f"{SQLITE} (a file)",
        distribution=SQLITE,
        environment="sqlite",
        requirements=(LANGGRAPH, f"{SQLITE}==3.1.2", "boto3", "zstandard"),
        create_table=_create_sqlite,
        open=_open_sqlite,
        on_dynamodb=False,
    ),
    Saver(
        name="null",
        title="null saver",
        distribution="aiobotocore",
        environment="ours",
        requirements=(LANGGRAPH, "--editable=.[async]"),
        create_table=_create_pk_sk,
        open=_open_null,
        kinds=("timing",),
    ),
)
SAVERS = {saver.name: saver for saver in _ALL}
