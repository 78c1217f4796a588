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
import ctypes
import os
import random
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
from .processes import begin_anew_after_fork
from .sync_driver import SyncDriver

T = TypeVar("T")

_FEW_CALLS = 2
"""So many begin at once. Of more, each in its turn: a large one takes milliseconds to serialize."""


class _LoopClient:
    """One event loop's client of a service, made once however many tasks ask for it first."""

    def __init__(self, lifetime: AsyncGenerator[Any, None]) -> None:
        self._lifetime = lifetime
        self._opening: asyncio.Future[Any] = asyncio.ensure_future(anext(lifetime))

    async def get(self) -> Any:
        return await asyncio.shield(self._opening)

    async def aclose(self) -> None:
        """Close it, once it is open: a generator that runs cannot be closed."""
        await asyncio.wait([self._opening])
        await self._lifetime.aclose()

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
        begin_anew_after_fork(self)

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
        """Close the running loop's clients, and the sync driver."""
        with self._lock:
            clients = self._clients.pop(asyncio.get_running_loop(), {})
        for client in clients.values():
            await client.aclose()
        if self._sync_driver.has_threads:
            # What was cancelled may still run in one: not waited for on the loop.
            await asyncio.to_thread(self._sync_driver.close)
        else:
            self._sync_driver.close()

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
            if loop.is_running():
                asyncio.run_coroutine_threadsafe(client.aclose(), loop)
            elif asyncio._get_running_loop() is None:  # its public form raises
                loop.run_until_complete(client.aclose())
            else:  # two loops cannot run on one thread
                with ThreadPoolExecutor(1) as thread:
                    thread.submit(loop.run_until_complete, client.aclose()).result()

    def after_fork(self) -> None:
        """Leave connections to the parent.

        They are kept, not closed: a child that closed one would take it out of the
        parent's selector, which both share. A reference that nobody holds keeps them
        even when the interpreter ends.
        """
        kept = list(self._clients.items())
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
        self._clients = WeakKeyDictionary()
        self._lock = threading.Lock()

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
            await _settled(effect.futures, service.JOIN_SECONDS)
            return [future.done() and future.result() for future in effect.futures]
        if len(effect) == 1:
            return [await self._call(effect[0])]
        return await self._call_all(effect)

    async def _call_all(self, calls: Sequence[Call]) -> list[Reply]:
        run = self._call if len(calls) <= _FEW_CALLS else self._in_turns()
        replies = await asyncio.gather(*map(run, calls), return_exceptions=True)
        for reply in replies:
            if isinstance(reply, BaseException):
                raise reply
        return list(replies)

    def _in_turns(self) -> Callable[[Call], Awaitable[Reply]]:
        gate = asyncio.Semaphore(service.MAX_CONCURRENT_CALLS)
        turn = asyncio.Lock()

        async def one(call: Call) -> Reply:
            async with gate:
                # A large request takes milliseconds to serialize: others of the loop run between.
                async with turn:
                    await asyncio.sleep(0)
                return await self._call(call)

        return one

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
        return await asyncio.wrap_future(self._sync_driver.submit(function))

    async def _get_client(self, name: str) -> Any:
        loop = asyncio.get_running_loop()
        with self._lock:
            clients = self._clients.setdefault(loop, {})
            client = clients.get(name)
            if client is None or client.failed:
                client = clients[name] = _LoopClient(_lifetime(self._config, name))
                _close_first(loop, client)
        return await client.get()


_drivers: WeakSet[AsyncDriver] = WeakSet()


@atexit.register
def _close_idle_loops() -> None:
    for driver in list(_drivers):
        driver.close()


_open: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakSet[_LoopClient]] = WeakKeyDictionary()


def _close_first(loop: asyncio.AbstractEventLoop, client: _LoopClient) -> None:
    """Have a client closed by `loop.close()`, before the loop itself."""
    open_clients = _open.get(loop)
    if open_clients is not None:
        open_clients.add(client)
        return
    open_clients = _open[loop] = WeakSet([client])
    close_loop = loop.close
    made_in = os.getpid()

    def close() -> None:
        if made_in == os.getpid() and not loop.is_closed() and not loop.is_running():
            for one in list(open_clients):
                with suppress(Exception):  # a connection that will not close must not keep the loop
                    loop.run_until_complete(one.aclose())
        close_loop()

    with suppress(AttributeError):  # a loop in C takes no attributes; asyncgens still close
        loop.close = close  # type: ignore[method-assign]


async def _settled(futures: Sequence[Future[bool]], seconds: float) -> None:
    """Wait until all futures are done, but not for longer.

    They are another's: who gives up waiting cancels none of them, and they may be set when
    this event loop is closed.
    """
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    left = len(futures)

    def one_is_done() -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    def tell(_: Future[bool]) -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(one_is_done)

    for future in futures:
        future.add_done_callback(tell)
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(done.wait(), seconds)


def _is_native(config: DynamoDBConfig) -> bool:
    if config.async_session is not None:
        return True
    # A boto3 session alone carries credentials that only boto3 can use and refresh.
    return config.session is None and find_spec("aiobotocore") is not None


class _Turns:
    """Has large replies that arrive together parsed one by one, and others of the loop between."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def take(self, response_dict: dict[str, Any], **_: Any) -> None:
        """Called by botocore's event before a reply is parsed."""
        if len(response_dict["body"]) > service.SMALL_COMPUTE_BYTES:
            async with self._turn:
                await asyncio.sleep(0)


async def _lifetime(config: DynamoDBConfig, name: str) -> AsyncGenerator[Any, None]:
    session = config.async_session
    if session is None:
        from aiobotocore.session import get_session  # noqa: PLC0415 - an optional extra

        session = get_session()
    create = getattr(session, "create_client", None) or session.client
    async with create(name, **_client_arguments(config, name)) as client:
        take = _Turns().take
        for read in ("Query", "Scan", "BatchGetItem"):
            client.meta.events.register(f"before-parse.{name}.{read}", take)
        yield client


def _client_arguments(config: DynamoDBConfig, name: str) -> dict[str, Any]:
    from aiobotocore.config import AioConfig  # noqa: PLC0415 - an optional extra

    arguments = service.client_arguments(config, name)
    arguments["config"] = AioConfig().merge(arguments["config"])
    return arguments
