"""The async clients of each event loop, and their end.

A client belongs to the event loop on which it was opened. The loop itself holds its clients, so
they go when it goes: a reference from the loop to a client is part of a cycle that the garbage
collector frees, and a reference from this module to a loop would keep both.

A client is closed before its loop is, also if the user never closes the saver. It is opened by an
async generator, which `asyncio.run` closes (`loop.shutdown_asyncgens`). `loop.close()` without that
closes the client first, and a loop that is never closed does so when the interpreter exits.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary, WeakSet

from ..config.saver_config import DynamoDBConfig
from ..runtime import gc_pause
from ..runtime.fork import reset_after_fork
from . import client_config, replies, retry_policy
from .sessions import async_session


class LoopClients:
    """The clients of one saver: on each event loop that it is used on, one of a service."""

    def __init__(self, config: DynamoDBConfig) -> None:
        self._maker = _Maker(config)
        self._loops: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
        self._lock = threading.Lock()
        _every.add(self)
        reset_after_fork(self)

    async def get(self, name: str) -> Any:
        """The running loop's client of a service."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._loops.add(loop)
            clients = _clients_of(loop).setdefault(self, {})
            client = clients.get(name)
            if client is None or client.failed:
                client = clients[name] = _LoopClient(self._maker.lifetime(name))
        return await client.get()

    def retire(self, name: str, client: Any) -> None:
        """Make the next call create a session and a client.

        This client stays open until the others are closed, as tasks may await its replies.
        """
        with self._lock:
            clients = _clients_of(asyncio.get_running_loop()).setdefault(self, {})
            found = clients.get(name)
            if found is not None and found.is_open_as(client):
                del clients[name]
                clients[f"{name} {id(found)}"] = found
                self._maker.renew()

    async def aclose(self) -> None:
        """Close the running loop's clients."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._loops.discard(loop)
            clients = _clients_of(loop).pop(self, {})
        for client in clients.values():
            await client.aclose()

    def close(self) -> None:
        """Close the clients of other loops that are running or can run."""
        with self._lock:
            loops = list(self._loops)
            self._loops.clear()
            clients = [
                (loop, client)
                for loop in loops
                for client in _clients_of(loop).pop(self, {}).values()
            ]
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
        """Drop connections, which belong to the parent.

        They are not closed: closing one in the child would remove it from the selector that
        both processes share. An extra reference keeps them open even at interpreter exit.
        """
        kept = [_clients_of(loop).pop(self, {}) for loop in self._loops]
        import ctypes  # noqa: PLC0415 - for a forked child only

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
        self._loops = WeakSet()
        self._lock = threading.Lock()


class _LoopClient:
    """One event loop's client of a service, created once even if several tasks need it first."""

    def __init__(self, lifetime: AsyncGenerator[Any, None]) -> None:
        self._lifetime = lifetime
        self._opening: asyncio.Future[Any] = asyncio.ensure_future(anext(lifetime))

    async def get(self) -> Any:
        return await asyncio.shield(self._opening)

    async def aclose(self) -> None:
        """Close it, once it is open: a generator that runs cannot be closed."""
        await asyncio.wait([self._opening])
        await self._lifetime.aclose()

    def is_open_as(self, client: Any) -> bool:
        return self._opening.done() and not self.failed and self._opening.result() is client

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


_ClientsOfLoop: TypeAlias = "WeakKeyDictionary[LoopClients, dict[str, _LoopClient]]"

_ATTRIBUTE = "_langgraph_checkpoint_dynamodb_clients"


def _clients_of(loop: asyncio.AbstractEventLoop) -> _ClientsOfLoop:
    """The clients of a loop, by saver; an attribute of the loop, which uvloop's have too."""
    clients: _ClientsOfLoop | None = loop.__dict__.get(_ATTRIBUTE)
    if clients is None:
        clients = loop.__dict__[_ATTRIBUTE] = WeakKeyDictionary()
        _close_first(loop, clients)
    return clients


def _close_first(loop: asyncio.AbstractEventLoop, clients: _ClientsOfLoop) -> None:
    """Make `loop.close()` close the clients first."""
    close_loop = loop.close
    made_in = os.getpid()

    def close() -> None:
        if made_in == os.getpid() and not loop.is_closed() and not loop.is_running():
            for client in [one for of_saver in clients.values() for one in of_saver.values()]:
                with suppress(Exception):  # a connection that will not close must not keep the loop
                    loop.run_until_complete(client.aclose())
        close_loop()

    loop.close = close  # type: ignore[method-assign]


class _Turns:
    """Parses large replies that arrive together one by one, so that other tasks run in between."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def take(self, response_dict: dict[str, Any], **_: Any) -> None:
        """Called by botocore's event before a reply is parsed."""
        if len(response_dict["body"]) > client_config.SMALL_COMPUTE_BYTES:
            async with self._turn:
                await asyncio.sleep(0)


class _Maker:
    """Makes clients from one session.

    What is slow is done once, in a worker thread: botocore reads and parses its models, and
    finds credentials. A client is made on its loop, then, in 2 to 4 ms.
    """

    def __init__(self, config: DynamoDBConfig) -> None:
        self._config = config
        self._session: Any = None
        self._prepared: dict[str, Callable[[], Any]] = {}
        self._lock = threading.Lock()

    async def lifetime(self, name: str) -> AsyncGenerator[Any, None]:
        """Open a client, yield it, and close it when the generator is closed."""
        create = self._prepared.get(name)
        if create is None:
            create = await asyncio.to_thread(self._prepare, name)
        async with create() as client:
            replies.watch(client)
            take = _Turns().take
            for read in ("Query", "Scan", "BatchGetItem"):
                client.meta.events.register(f"before-parse.{name}.{read}", take)
            yield client

    def renew(self) -> None:
        """Make the next client use a new session. Takes no lock: an event loop calls it."""
        self._session, self._prepared = None, {}

    def _prepare(self, name: str) -> Callable[[], Any]:
        from aiobotocore.config import AioConfig  # noqa: PLC0415 - an optional extra

        retry_policy.library()  # here, as an import reads files

        # A collection in any thread holds up the event loop: 70 ms with all of LangChain imported.
        with self._lock, gc_pause.paused():
            session = self._session = self._session or async_session(self._config)
            arguments = client_config.client_arguments(self._config, name, session)
            arguments["config"] = AioConfig().merge(arguments["config"])
            make = getattr(session, "create_client", None) or session.client
            create = partial(make, name, **arguments)

            async def open_one() -> None:
                async with create():
                    pass  # what it read is cached by the session and its loader

            _run_without_loop(open_one)
            self._prepared[name] = create
            return create


def _run_without_loop(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine to its end, on an event loop only if it has to wait.

    botocore reads files in it. What guards event loops against blocking calls, such as BlockBuster,
    also guards the loop of a worker thread. Only credentials from a service are waited for.
    """
    coroutine = function()
    try:
        coroutine.send(None)
    except StopIteration:
        return
    except RuntimeError:  # it needs a loop
        pass
    coroutine.close()
    asyncio.run(function())
