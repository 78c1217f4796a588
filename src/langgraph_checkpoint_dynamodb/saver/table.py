"""The saver's methods on the table itself: find it by its stack, delete it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, TypeVar

from ..infra import destroy, plan, stack_outputs
from ..infra.plan import Plan
from ..runtime.effects import Operation
from . import arguments

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from ..config.saver_config import DynamoDBConfig
    from ..runtime.lru_cache import Cache


T = TypeVar("T")
Saver = TypeVar("Saver", bound="TableProvisioning")


class TableProvisioning:
    """The part of `DynamoDBSaver` that knows about stacks and tables."""

    config: DynamoDBConfig
    _cache: Cache

    if TYPE_CHECKING:
        # The saver's own: a mixin's `__init__` would come before its other base's.
        def __init__(
            self, config: DynamoDBConfig | None = None, *, serde: SerializerProtocol | None = None
        ) -> None: ...

    @abstractmethod
    def _run(self, operation: Operation[T]) -> T: ...

    @abstractmethod
    async def _arun(self, operation: Operation[T]) -> T: ...

    @abstractmethod
    def close(self) -> None:
        """See the saver."""

    @abstractmethod
    async def aclose(self) -> None:
        """See the saver."""

    @classmethod
    def from_stack(
        cls: type[Saver],
        stack_name: str,
        *,
        config: DynamoDBConfig | None = None,
        ttl_seconds: int | None = None,
        serde: SerializerProtocol | None = None,
    ) -> Saver:
        """A saver on the table of a CloudFormation stack, by the stack's outputs.

        Needs `cloudformation:DescribeStacks`. The saver's `config` holds what was found; of
        the table it knows no more than the outputs tell.

        Args:
            stack_name: Name or ARN of a stack made from `template.yaml`.
            config: How to reach AWS. Leave its `table_config` out.
            ttl_seconds: How long a checkpoint lives; needs a stack with `EnableTtl`.
            serde: Serializer of all that is stored; LangGraph's msgpack by default.

        Raises:
            InvalidInputError: `stack_name` cannot be one; nothing was sent.
            ConfigurationError: An argument that cannot work, or `ttl_seconds` on a stack
                without TTL.
            StackError: The stack is missing, not ready, or not of this template.
            StorageError: CloudFormation could not answer.
        """
        reachable = arguments.stack_config(stack_name, config, ttl_seconds)
        reader = cls(reachable)
        try:
            found = reader._run(stack_outputs.saver_config(stack_name, reachable, ttl_seconds))
        finally:
            reader.close()
        return cls(found, serde=serde)

    @classmethod
    async def afrom_stack(
        cls: type[Saver],
        stack_name: str,
        *,
        config: DynamoDBConfig | None = None,
        ttl_seconds: int | None = None,
        serde: SerializerProtocol | None = None,
    ) -> Saver:
        """Async `from_stack`."""
        reachable = arguments.stack_config(stack_name, config, ttl_seconds)
        reader = cls(reachable)
        try:
            found = await reader._arun(
                stack_outputs.saver_config(stack_name, reachable, ttl_seconds)
            )
        finally:
            await reader.aclose()
        return cls(found, serde=serde)

    def plan(self) -> Plan:
        """What `deploy=True` would do with the configured table; sends no change.

        Raises:
            StorageError: AWS refuses a call that looks at the table.
        """
        return self._run(plan.plan(self.config.table_config))

    async def aplan(self) -> Plan:
        """Async `plan`."""
        return await self._arun(plan.plan(self.config.table_config))

    def destroy(self, *, force: bool = False) -> None:
        """Delete the table with all that is in it; a missing table is fine.

        Its autoscaling is removed too.

        Args:
            force: Delete also a table that a CloudFormation stack owns.

        Raises:
            TableProtectedError: Deletion protection is on, or a stack owns the table.
            StorageError: AWS refused, or the table is still there after waiting.
        """
        self._run(self._destroy(force))
        self._cache.clear()

    async def adestroy(self, *, force: bool = False) -> None:
        """Async `destroy`."""
        await self._arun(self._destroy(force))
        self._cache.clear()

    def _destroy(self, force: bool) -> Operation[None]:
        return destroy.destroy(self.config.table_config.table_name, force=force)
