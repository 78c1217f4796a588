"""The async clients of each event loop, and their end.

A client belongs to the event loop that made it and is closed before that loop is, also
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
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from ..config.saver_config import DynamoDBConfig
from ..runtime.fork import begin_anew_after_fork
from . import client_config


class LoopClients:
    """The clients of one saver: on each event loop that it is used on, one of a service."""

    def __init__(self, config: DynamoDBConfig) -> None:
        self._config = config
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _LoopClient]] = (
            WeakKeyDictionary()
        )
        self._lock = threading.Lock()
        _every.add(self)
        begin_anew_after_fork(self)

    async def get(self, name: str) -> Any:
        """The running loop's client of a service."""
        loop = asyncio.get_running_loop()
        with self._lock:
            clients = self._clients.setdefault(loop, {})
            client = clients.get(name)
            if client is None or client.failed:
                client = clients[name] = _LoopClient(_lifetime(self._config, name))
                _close_first(loop, client)
        return await client.get()

    async def aclose(self) -> None:
        """Close the running loop's clients."""
        with self._lock:
            clients = self._clients.pop(asyncio.get_running_loop(), {})
        for client in clients.values():
            await client.aclose()

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


_every: WeakSet[LoopClients] = WeakSet()


@atexit.register
def _close_idle_loops() -> None:
    for clients in list(_every):
        clients.close()


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


class _Turns:
    """Has large replies that arrive together parsed one by one, and others of the loop between."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def take(self, response_dict: dict[str, Any], **_: Any) -> None:
        """Called by botocore's event before a reply is parsed."""
        if len(response_dict["body"]) > client_config.SMALL_COMPUTE_BYTES:
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

    arguments = client_config.client_arguments(config, name)
    arguments["config"] = AioConfig().merge(arguments["config"])
    return arguments
