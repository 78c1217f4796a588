"""How a method of the saver runs: the context of its call, a driver, and the observer told."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from ..checkpoints import fencing
from ..drivers import aws_errors, places
from ..drivers.aio import AsyncDriver
from ..drivers.sync import SyncDriver
from ..observability.events import OperationEvent
from ..runtime import context
from ..runtime.context import Context, ReadThrough
from ..runtime.counters import Counters
from ..runtime.effects import Operation
from ..runtime.logs import LOG
from ..runtime.lru_cache import Cache
from ..runtime.single_flight import InFlight
from ..serialization.serializer import Inspection

if TYPE_CHECKING:
    from ..config.saver_config import DynamoDBConfig

P = ParamSpec("P")
T = TypeVar("T")

_UNOBSERVED: AbstractContextManager[None] = nullcontext()


class SaverCalls:
    """The part of `DynamoDBSaver` that runs operations."""

    config: DynamoDBConfig
    clock: Callable[[], float]
    serde: Any

    def _prepare(self, config: DynamoDBConfig) -> None:
        """Make what all calls share. A mixin's `__init__` would come before its other base's."""
        self.config = config
        self._cache = Cache(config.cache_bytes)
        self._in_flight = InFlight()
        self._inspection = Inspection()
        self._asked = fencing.requested_checkpoints() if config.fence else None
        self._shared_puts = context.SharedPuts() if config.share_puts else None
        self._sync = SyncDriver(config)
        self._async = AsyncDriver(config, self._sync)
        self._read_through: ReadThrough | None = None
        self._observer_failed = False

    def _call(
        self,
        name: str,
        make: Callable[Concatenate[Context, P], Operation[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Check the arguments and run the operation that `make` makes of them."""
        with self._observed(name) as counters:
            return self._run(make(self._context(counters), *args, **kwargs), counters)

    async def _acall(
        self,
        name: str,
        make: Callable[Concatenate[Context, P], Operation[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        with self._observed(name) as counters:
            return await self._arun(make(self._context(counters), *args, **kwargs), counters)

    def _run(self, operation: Operation[T], counters: Counters | None = None) -> T:
        begun = time.perf_counter()
        try:
            return self._sync.run(operation, counters)
        except aws_errors.OF_ITEMS as error:
            places.name_table(error, self.config)
            raise
        finally:
            if counters is not None:
                counters.seconds += time.perf_counter() - begun

    async def _arun(self, operation: Operation[T], counters: Counters | None = None) -> T:
        begun = time.perf_counter()
        try:
            return await self._async.run(operation, counters)
        except aws_errors.OF_ITEMS as error:
            places.name_table(error, self.config)
            raise
        finally:
            if counters is not None:
                counters.seconds += time.perf_counter() - begun

    def _context(self, counters: Counters | None = None) -> Context:
        table = self.config.table_config
        # Looked up at every call: users assign it, and `with_allowlist` clones and swaps it.
        serde, encrypts = self._inspection.of(self.serde)
        return Context(
            table=table.table_name,
            ttl_attribute=table.ttl_attribute,
            ttl_seconds=table.ttl_seconds,
            run_index=table.enable_run_index,
            thread_index=table.enable_thread_index,
            thread_owner=self.config.thread_owner,
            max_resends=self.config.max_retries,
            cache=self._cache,
            in_flight=self._in_flight,
            asked=self._asked,
            shared_puts=self._shared_puts,
            serde=serde,
            now=self.clock(),
            max_bytes=self.config.max_checkpoint_bytes,
            encrypts=encrypts,
            allow_plaintext=self.config.allow_plaintext,
            read_through=self._read_through,
            counters=counters,
        )

    def _observed(
        self, name: str, *, lazy: bool = False
    ) -> AbstractContextManager[Counters | None]:
        """The counters of a call, whose event is sent when the block ends; `None` if none is.

        Args:
            name: The method.
            lazy: Whether the caller's own time passes within the block, which then does not count.
        """
        if self.config.observer is None:
            return _UNOBSERVED
        return _Observation(self, name, lazy=lazy)

    def _tell(self, event: OperationEvent) -> None:
        observer = self.config.observer
        if observer is None:
            return
        try:
            observer(event)
        except Exception as error:  # noqa: BLE001 - no observer breaks an operation
            if self._observer_failed:
                return
            self._observer_failed = True
            error.__context__ = None  # the operation's own error, which may name a thread
            LOG.warning(
                "the observer of the saver on table %r raised an exception; this is logged once",
                event.table,
                exc_info=error,
            )


def name_methods(saver: type[T]) -> type[T]:
    """Name the public methods of a saver's parts as the saver's own: Python's errors show it."""
    for part in saver.__bases__:
        for name, found in vars(part).items():
            if issubclass(part, SaverCalls) and not name.startswith("_"):
                method = getattr(found, "__func__", found)  # of a class method
                method.__module__ = saver.__module__
                method.__qualname__ = f"{saver.__qualname__}.{name}"
    return saver


class _Observation:
    """One observed call: measures from its start to its end, and sends the event."""

    __slots__ = ("_begun", "_counters", "_lazy", "_name", "_saver", "_started")

    def __init__(self, saver: SaverCalls, name: str, *, lazy: bool) -> None:
        self._saver = saver
        self._name = name
        self._lazy = lazy
        self._counters = Counters()
        self._started = self._begun = 0.0

    def __enter__(self) -> Counters:
        self._started = time.time()
        self._begun = time.perf_counter()
        return self._counters

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        saver, found = self._saver, self._counters
        is_error = kind is not None and kind is not GeneratorExit  # a listing may be left early
        event = OperationEvent(
            name=self._name,
            table=saver.config.table_config.table_name,
            region=saver.config.region_name,
            started=self._started,
            duration=found.seconds if self._lazy else time.perf_counter() - self._begun,
            requests=found.requests,
            retries=found.retries,
            throttles=found.throttles,
            read_units=found.read_units,
            write_units=found.write_units,
            cache_hits=found.cache_hits,
            cache_misses=found.cache_misses,
            chunks_written=found.chunks_written,
            chunks_reused=found.chunks_reused,
            error=kind.__name__ if kind is not None and is_error else None,
        )
        saver._tell(event)
