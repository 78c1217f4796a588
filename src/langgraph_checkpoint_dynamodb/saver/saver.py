"""`DynamoDBSaver`: LangGraph's checkpointer interface."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from ..checkpoints import delta_history, get, put, put_writes
from ..checkpoints.new_checkpoint import Put
from ..config.known_arguments import known_arguments
from ..config.saver_config import DynamoDBConfig
from ..drivers.client_config import endpoint_of
from ..drivers.places import session_region
from ..errors import ConfigurationError
from ..runtime.context import Context
from ..runtime.effects import Operation
from ..serialization.snapshots import snapshot
from . import arguments
from .calls import name_methods
from .directory import ThreadDirectory
from .lifetime import ConnectionLifetime
from .maintenance import ThreadMaintenance
from .migration import Source, ThreadMigration
from .retention import ListedThreads
from .table import TableProvisioning
from .versions import next_version


@known_arguments
@name_methods
class DynamoDBSaver(  # type: ignore[misc]  # `strategy` of `prune` is a `str` in the base class
    ConnectionLifetime,
    ThreadDirectory,
    ListedThreads,
    ThreadMaintenance,
    ThreadMigration,
    TableProvisioning,
    BaseCheckpointSaver[str],
):
    """A LangGraph checkpointer on one DynamoDB table, sync and async.

    Without `deploy`, the constructor sends no requests. All methods are safe to call from several
    threads and event loops at once. The `a*` methods use aiobotocore if it is installed (extra
    `async` or `aioboto3`), else worker threads. A saver keeps no references to the objects that
    callers pass or get.

    Args:
        config: Table, connection and retries; by default, the table `langgraph-checkpoint` in
            the default region.
        deploy: Create the table from `template.yaml` if it is missing, and wait until it is
            active. An existing table is not changed; a warning is logged if it differs from
            the configuration.
        serde: Serializer of all stored values; LangGraph's msgpack by default.
        read_through: Another checkpointer, or a `SourceTable`. A thread that is not in the table
            yet is copied from it at its first use, as `migrate` does. `list(None)`, `list_threads`,
            `verify`, `storage` and methods on runs see threads in the table only.

    Raises:
        ConfigurationError: `config` is not a `DynamoDBConfig`, `deploy` no bool, `serde` no
            serializer, or `read_through` no source; or there is no argument of a name.
        TableMismatchError: `deploy` found a table of this name with other keys.
        StorageError: `deploy` could not create the table.

    Example:
        ```python
        graph = builder.compile(checkpointer=DynamoDBSaver(deploy=True))
        graph.invoke(inputs, {"configurable": {"thread_id": "1"}})
        ```
    """

    clock: Callable[[], float] = staticmethod(time.time)
    """The current time in epoch seconds, for expiry."""

    def __init__(
        self,
        config: DynamoDBConfig | None = None,
        *,
        deploy: bool = False,
        serde: SerializerProtocol | None = None,
        read_through: Source | None = None,
    ) -> None:
        arguments.switch("deploy", deploy, ConfigurationError)
        super().__init__(serde=arguments.serializer(serde))
        self._prepare(arguments.saver_config(config))
        self._read_through = self._read_through_of(read_through)
        if deploy:
            self.setup()

    def __repr__(self) -> str:
        config = self.config
        region = config.region_name or session_region(config)
        endpoint = endpoint_of(config)[1]
        shown = endpoint and endpoint.rpartition("@")[2]  # without a password
        return (
            f"{type(self).__name__}(table={config.table_config.table_name!r}, region={region!r}, "
            f"endpoint={shown!r})"
        )

    # Reading

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """A checkpoint with its pending writes, or `None` if there is none.

        Args:
            config: `thread_id`, optionally `checkpoint_ns` (default: the root graph)
                and `checkpoint_id` (default: the newest).

        Raises:
            InvalidInputError: `config` names no valid thread.
            CorruptCheckpointError: Stored bytes of the checkpoint are missing or altered.
            StorageError: A request failed.
        """
        return self._call("get_tuple", self._get_tuple, config)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Async `get_tuple`."""
        return await self._acall("get_tuple", self._get_tuple, config)

    def _get_tuple(
        self, context: Context, config: RunnableConfig
    ) -> Operation[CheckpointTuple | None]:
        place, checkpoint_id = arguments.address(config)
        return get.get_tuple(context, place, checkpoint_id, config)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Checkpoints, newest first, read lazily during the iteration.

        Args:
            config: `thread_id`, optionally `checkpoint_ns` (default: all, merged) and
                `checkpoint_id` (only this one). `None` lists all threads by a scan, one thread
                after another: DynamoDB has no order between partitions.
            filter: Metadata values that must be equal; applied before `limit`.
            before: Only checkpoints whose id sorts before this config's `checkpoint_id`.
            limit: The maximum number of checkpoints, 0 or more.

        Raises:
            InvalidInputError: An argument is invalid; raised by the call, not the iteration.
            CorruptCheckpointError: Stored bytes of a checkpoint are missing or altered.
            StorageError: A request failed.
        """
        listing = arguments.listing(config, filter, before, limit)

        def pages() -> Iterator[CheckpointTuple]:
            with self._observed("list", lazy=True) as counters:
                while True:
                    page = self._run(listing.page(self._context(counters)), counters)
                    if page is None:
                        break
                    yield from page

        return pages()

    def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Async `list`."""
        listing = arguments.listing(config, filter, before, limit)

        async def pages() -> AsyncIterator[CheckpointTuple]:
            with self._observed("list", lazy=True) as counters:
                while True:
                    page = await self._arun(listing.page(self._context(counters)), counters)
                    if page is None:
                        break
                    for found in page:
                        yield found

        return pages()

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """The writes and seed that each delta channel is rebuilt from; see the base class.

        The expiry of the items that were read is extended if necessary, so that ancestors do not
        expire before the checkpoints that are rebuilt from them.

        Raises:
            InvalidInputError: An argument is invalid; nothing was sent.
            CorruptCheckpointError: An ancestor that a channel's value needs is missing.
            StorageError: A request failed.
        """
        return self._call(
            "get_delta_channel_history", self._get_delta_channel_history, config, channels
        )

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Async `get_delta_channel_history`."""
        return await self._acall(
            "get_delta_channel_history", self._get_delta_channel_history, config, channels
        )

    def _get_delta_channel_history(
        self, context: Context, config: RunnableConfig, channels: Sequence[str]
    ) -> Operation[dict[str, DeltaChannelHistory]]:
        place, checkpoint_id = arguments.address(config)
        names = arguments.identifiers("channels", channels, arguments.text)
        return delta_history.get_delta_channel_history(context, place, checkpoint_id, names)

    # Writing

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint; returns after DynamoDB has acknowledged it.

        Args:
            config: `thread_id`, `checkpoint_ns`, and the parent's `checkpoint_id`.
            checkpoint: The checkpoint, with all its values.
            metadata: Its metadata. The run's config adds keys to it and overrides none.
            new_versions: The versions of the channels that changed.

        Returns:
            The config that names the new checkpoint.

        Raises:
            InvalidInputError: An argument is invalid; nothing was sent.
            SerializationError: The serde cannot serialize a value; no checkpoint was written.
            StaleParentError: With `fence`, the parent is no longer the newest checkpoint.
            ConflictError: With `fence`, the checkpoint's id sorts before its parent's.
            StorageError: DynamoDB did not acknowledge the checkpoint.
        """
        stored_id = self._call("put", self._put, config, checkpoint, metadata, new_versions)
        return arguments.stored_config(config, stored_id)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Async `put`."""
        stored_id = await self._acall("put", self._put, config, checkpoint, metadata, new_versions)
        return arguments.stored_config(config, stored_id)

    def _put(
        self,
        context: Context,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> Operation[str]:
        place, parent_id = arguments.address(config)
        arguments.checkpoint(config, checkpoint, metadata, new_versions)
        new = Put.of(context, place, parent_id, config, checkpoint, metadata, new_versions)
        arguments.run_id(new.metadata)
        return put.put(context, new)

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store a task's pending writes; returns after DynamoDB has acknowledged them.

        Args:
            config: `thread_id`, `checkpoint_ns` and `checkpoint_id`.
            writes: `(channel, value)` pairs. Stored writes of a finished task are not changed;
                ERROR, SCHEDULED, INTERRUPT and RESUME are overwritten.
            task_id: The task.
            task_path: The path of the task in its step; it sets the order of replay.

        Raises:
            InvalidInputError: An argument is invalid; nothing was sent.
            SerializationError: The serde cannot serialize a value; nothing was sent.
            StorageError: DynamoDB did not acknowledge the writes.
        """
        self._call("put_writes", self._put_writes, config, writes, task_id, task_path)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Async `put_writes`."""
        await self._acall("put_writes", self._put_writes, config, writes, task_id, task_path)

    def _put_writes(
        self,
        context: Context,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str,
    ) -> Operation[None]:
        place, checkpoint_id = arguments.required_address(config)
        arguments.text("task_id", task_id)
        arguments.text("task_path", task_path)
        copied = snapshot(arguments.writes(writes))
        return put_writes.put_writes(context, place, checkpoint_id, copied, task_id, task_path)

    def get_next_version(self, current: str | None, channel: None) -> str:  # noqa: ARG002
        """The channel version after `current`; see `versions.next_version`."""
        return cast("str", next_version(current))
