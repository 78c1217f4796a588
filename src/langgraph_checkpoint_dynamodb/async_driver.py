"""The async driver: the same operations on an event loop.

Calls go through aiobotocore clients if aiobotocore (or aioboto3, which brings
it) is installed, else through the sync driver's clients in worker threads. A
client belongs to the event loop that made it and is closed before that loop is, also
if the user never closes the saver. It lives in an async generator: `asyncio.run`
closes those that are still open (`loop.shutdown_asyncgens`). A loop that is
closed without that closes the client first, and one that is never closed does
so when the interpreter ends.
"""

from __future__ import annotations

import asyncio
import atexit
import random
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from tenacity import AsyncRetrying

from . import service
from .config import DynamoDBConfig
from .errors import StorageError
from .operation import (
    Backoff,
    Call,
    Compute,
    ConditionFailed,
    Done,
    Effect,
    Join,
    Operation,
    Reply,
    advance,
)
from .sync_driver import SyncDriver

T = TypeVar("T")


class _LoopClient:
    """One event loop's client of a service, made once however many tasks ask for it first."""

    def __init__(self, lifetime: AsyncGenerator[Any, None]) -> None:
        self.lifetime = lifetime
        self._opening: asyncio.Future[Any] = asyncio.ensure_future(anext(lifetime))

    async def get(self) -> Any:
        return await asyncio.shield(self._opening)

    @property
    def failed(self) -> bool:
        return self._opening.done() and (
            self._opening.cancelled() or self._opening.exception() is not None
        )


class AsyncDriver:
    """Runs operations on the running event loop."""

    def __init__(self, config: DynamoDBConfig, sync_driver: SyncDriver) -> None:
        self._config = config
        self._sync_driver = sync_driver
        self._native = _is_native(config)
        self._policy = service.retry_policy(config)
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _LoopClient]] = (
            WeakKeyDictionary()
        )
        self._lock = threading.Lock()
        _drivers.add(self)

    async def run(self, operation: Operation[T]) -> T:
        """Run an operation to its end and return its result.

        On cancellation the operation is closed at the effect that it waits for.
        """
        try:
            effect: Effect | Done[T] = advance(operation)
            while not isinstance(effect, Done):
                try:
                    answer = await self._perform(effect)
                except Exception as error:  # noqa: BLE001 - the operation decides
                    effect = advance(operation, error=error)
                else:
                    effect = advance(operation, answer)
            return effect.result
        finally:
            operation.close()

    async def aclose(self) -> None:
        """Close the running loop's clients."""
        with self._lock:
            clients = self._clients.pop(asyncio.get_running_loop(), {})
        for client in clients.values():
            await client.lifetime.aclose()

    def close(self) -> None:
        """Close the clients of other loops, as far as these still run or can."""
        with self._lock:
            clients = [
                (loop, client)
                for loop, of_loop in self._clients.items()
                for client in of_loop.values()
            ]
            self._clients.clear()
        for loop, client in clients:
            if loop.is_closed():
                continue
            closing = client.lifetime.aclose()
            if loop.is_running():
                asyncio.run_coroutine_threadsafe(_finish(closing), loop)
            else:
                loop.run_until_complete(closing)

    async def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Compute):
            size = effect.size()
            if size is not None and size <= service.SMALL_COMPUTE_BYTES:
                return effect.function()
            return await self._in_thread(effect.function)
        if isinstance(effect, Backoff):
            bound = service.backoff_bound(self._config, effect.attempt)
            await asyncio.sleep(random.uniform(0, bound))  # noqa: S311 - jitter
            return None
        if isinstance(effect, Join):
            # `wait` cancels nothing: who gives up waiting must not cancel another's future.
            joined = [asyncio.wrap_future(future) for future in effect.futures]
            done, _ = await asyncio.wait(joined, timeout=service.JOIN_SECONDS)
            return [future in done and future.result() for future in joined]
        if len(effect) == 1:
            return [await self._call(effect[0])]
        return await self._call_all(effect)

    async def _call_all(self, calls: Sequence[Call]) -> list[Reply]:
        gate = asyncio.Semaphore(service.MAX_CONCURRENT_CALLS)
        turn = asyncio.Lock()

        async def one(call: Call) -> Reply:
            async with gate:
                # A large request takes milliseconds to serialize: others of the loop run between.
                async with turn:
                    await asyncio.sleep(0)
                return await self._call(call)

        replies = await asyncio.gather(*map(one, calls), return_exceptions=True)
        for reply in replies:
            if isinstance(reply, BaseException):
                raise reply
        return list(replies)

    async def _call(self, call: Call) -> Reply:
        if not self._native:
            return await self._in_thread(lambda: self._sync_driver.call(call))
        try:
            return await self._try(call)
        except StorageError as error:
            first = error
        attempt = service.after_first(first, self._try)

        async def again() -> Reply:
            return await attempt(call)

        try:
            return await AsyncRetrying(**self._policy)(again)
        except StorageError as error:
            raise service.gave_up(error, self._config) from error.__cause__

    async def _try(self, call: Call) -> Reply:
        try:
            client = await self._get_client(call.service)
            reply = await getattr(client, call.method)(**call.params)
        except service.AWS_ERRORS as error:
            translated = service.translate(error, self._config, call)
            if isinstance(translated, ConditionFailed):
                return translated
            raise translated from error
        return service.whole(reply, self._config, call)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._sync_driver.executor, function)

    async def _get_client(self, name: str) -> Any:
        loop = asyncio.get_running_loop()
        with self._lock:
            clients = self._clients.setdefault(loop, {})
            client = clients.get(name)
            if client is None or client.failed:
                client = clients[name] = _LoopClient(_lifetime(self._config, name))
                _close_first(loop, client.lifetime)
        return await client.get()


_drivers: WeakSet[AsyncDriver] = WeakSet()


@atexit.register
def _close_idle_loops() -> None:
    for driver in list(_drivers):
        driver.close()


_lifetimes: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakSet[AsyncGenerator[Any, None]]]
_lifetimes = WeakKeyDictionary()


def _close_first(loop: asyncio.AbstractEventLoop, lifetime: AsyncGenerator[Any, None]) -> None:
    """Have a client closed by `loop.close()`, before the loop itself."""
    open_lifetimes = _lifetimes.get(loop)
    if open_lifetimes is not None:
        open_lifetimes.add(lifetime)
        return
    open_lifetimes = _lifetimes[loop] = WeakSet([lifetime])
    close_loop = loop.close

    def close() -> None:
        if not loop.is_closed() and not loop.is_running():
            for one in list(open_lifetimes):
                with suppress(Exception):  # a connection that will not close must not keep the loop
                    loop.run_until_complete(one.aclose())
        close_loop()

    with suppress(AttributeError):  # a loop in C takes no attributes; asyncgens still close
        loop.close = close  # type: ignore[method-assign]


async def _finish(closing: Coroutine[Any, Any, None]) -> None:
    await closing


def _is_native(config: DynamoDBConfig) -> bool:
    if config.async_session is not None:
        return True
    # A boto3 session alone carries credentials that only boto3 can use and refresh.
    return config.session is None and find_spec("aiobotocore") is not None


async def _lifetime(config: DynamoDBConfig, name: str) -> AsyncGenerator[Any, None]:
    session = config.async_session
    if session is None:
        from aiobotocore.session import get_session  # noqa: PLC0415 - an optional extra

        session = get_session()
    create = getattr(session, "create_client", None) or session.client
    async with create(name, **_client_arguments(config, name)) as client:
        yield client


def _client_arguments(config: DynamoDBConfig, name: str) -> dict[str, Any]:
    from aiobotocore.config import AioConfig  # noqa: PLC0415 - an optional extra

    arguments = service.client_arguments(config, name)
    arguments["config"] = AioConfig().merge(arguments["config"])
    return arguments
