"""The saver's methods on its table: find it from a stack, create it, plan, delete it."""

from __future__ import annotations

from abc import abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from ..runtime.context import Context
from ..runtime.effects import Compute, Operation
from . import arguments
from .calls import SaverCalls

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from ..config.saver_config import DynamoDBConfig
    from ..infra.plan import Plan
    from .migration import Source


Saver = TypeVar("Saver", bound="TableProvisioning")


class TableProvisioning(SaverCalls):
    """The part of `DynamoDBSaver` for stacks and tables."""

    _stack: str | None = None
    """The stack that `from_stack` read."""

    if TYPE_CHECKING:
        # For type checkers. At run time, a mixin's `__init__` would hide `BaseCheckpointSaver`'s.
        def __init__(
            self,
            config: DynamoDBConfig | None = None,
            *,
            serde: SerializerProtocol | None = None,
            read_through: Source | None = None,
        ) -> None: ...

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
        read_through: Source | None = None,
    ) -> Saver:
        """A saver for the table of a CloudFormation stack, configured from the stack's outputs.

        Needs `cloudformation:DescribeStacks`. The saver's `config` has the settings in the
        outputs; settings that are not in the outputs have their defaults.

        Args:
            stack_name: Name or ARN of a stack made from `template.yaml`.
            config: How to reach AWS. Leave its `table_config` out.
            ttl_seconds: After how many seconds a checkpoint expires; needs a stack with
                `EnableTtl`.
            serde: Serializer of all stored values; LangGraph's msgpack by default.
            read_through: See `DynamoDBSaver`.

        Raises:
            InvalidInputError: `stack_name` is not a stack's name or ARN; nothing was sent.
            ConfigurationError: Another argument is invalid, or `ttl_seconds` was passed for a
                stack without TTL.
            StackError: The stack is missing, is not ready, or was made from another template.
            StorageError: The request to CloudFormation failed.
        """
        reachable = arguments.stack_config(stack_name, config, ttl_seconds)
        reader = cls(reachable, serde=serde, read_through=read_through)
        try:
            found = reader._run(_config_of_stack(stack_name, reachable, ttl_seconds))
        finally:
            reader.close()
        saver = cls(found, serde=serde, read_through=read_through)
        saver._stack = stack_name
        return saver

    @classmethod
    async def afrom_stack(
        cls: type[Saver],
        stack_name: str,
        *,
        config: DynamoDBConfig | None = None,
        ttl_seconds: int | None = None,
        serde: SerializerProtocol | None = None,
        read_through: Source | None = None,
    ) -> Saver:
        """Async `from_stack`."""
        reachable = arguments.stack_config(stack_name, config, ttl_seconds)
        reader = cls(reachable, serde=serde, read_through=read_through)
        try:
            found = await reader._arun(_config_of_stack(stack_name, reachable, ttl_seconds))
        finally:
            await reader.aclose()
        saver = cls(found, serde=serde, read_through=read_through)
        saver._stack = stack_name
        return saver

    def setup(self) -> None:
        """Create the table if it is missing, as `deploy=True` does; the name that other savers use.

        An existing table is not changed. You can call this again.

        Raises:
            TableMismatchError: A table of this name exists with other keys.
            StorageError: A request failed, or the table is not active after waiting.
        """
        self._call("deploy", self._deploy)

    async def asetup(self) -> None:
        """Async `setup`."""
        await self._acall("deploy", self._deploy)

    def plan(self) -> Plan:
        """What `deploy=True` would do with the configured table; changes nothing.

        A saver of `from_stack` compares only what the stack's outputs have: keys, indexes, TTL.

        Raises:
            StorageError: DescribeTable failed. If another request fails, the settings that it
                describes are in the plan's `unknown`, with the reason.
        """
        return self._call("plan", self._plan)

    async def aplan(self) -> Plan:
        """Async `plan`."""
        return await self._acall("plan", self._plan)

    def destroy(self, *, force: bool = False, dry_run: bool = False) -> None:
        """Delete the table with all its items, and its autoscaling. A missing table is no error.

        Autoscaling is looked for if the table has provisioned capacity; if the table is missing,
        for `billing_mode=PROVISIONED`.

        Args:
            force: Also delete a table that belongs to a CloudFormation stack.
            dry_run: Check everything, raise the same errors, and delete nothing.

        Raises:
            InvalidInputError: `force` or `dry_run` is no bool; nothing was sent.
            TableMismatchError: The table has other keys, so another application made it.
            TableProtectedError: The table has deletion protection, or belongs to a stack.
            StorageError: A request failed, or the table still exists after waiting.
        """
        self._call("destroy", self._destroy, force, dry_run)
        self._cache.clear()

    async def adestroy(self, *, force: bool = False, dry_run: bool = False) -> None:
        """Async `destroy`."""
        await self._acall("destroy", self._destroy, force, dry_run)
        self._cache.clear()

    def _deploy(self, context: Context) -> Operation[None]:  # noqa: ARG002
        deploy = yield from _infra("deploy", template=True)
        yield from deploy.deploy(self.config.table_config, of_stack=self._stack is not None)

    def _plan(self, context: Context) -> Operation[Plan]:  # noqa: ARG002
        plan = yield from _infra("plan", template=True)
        made: Plan = yield from plan.plan(self.config.table_config, self._stack)
        return made

    def _destroy(self, context: Context, force: bool, dry_run: bool) -> Operation[None]:  # noqa: ARG002
        destroy = yield from _infra("destroy", template=True)
        arguments.switch("force", force)
        arguments.switch("dry_run", dry_run)
        yield from destroy.destroy(self.config.table_config, force=force, dry_run=dry_run)


def _config_of_stack(
    stack_name: str, reachable: DynamoDBConfig, ttl_seconds: int | None
) -> Operation[DynamoDBConfig]:
    stack_outputs = yield from _infra("stack_outputs")
    found: DynamoDBConfig = yield from stack_outputs.saver_config(
        stack_name, reachable, ttl_seconds
    )
    return found


def _infra(name: str, *, template: bool = False) -> Operation[Any]:
    """A module of `infra`, imported on first use: a quarter of this package's import time.

    An import reads files, and so does the template: an async driver does both in a thread.
    """

    def load() -> Any:
        if template:
            import_module("..infra.template", __package__).shipped_template()
        return import_module(f"..infra.{name}", __package__)

    return (yield Compute(load, size=lambda: None))
