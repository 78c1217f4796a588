"""The async driver: the same operations on an event loop.

Calls go through aiobotocore clients if aiobotocore (or aioboto3, which brings
it) is installed, else through the sync driver's clients in worker threads.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from typing import Any, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from ..config.saver_config import DynamoDBConfig
from ..errors import AccessDeniedError, StorageError
from ..runtime.counters import Counters
from ..runtime.effects import (
    DYNAMODB,
    S3,
    AskSaver,
    Backoff,
    Call,
    Compute,
    Done,
    Effect,
    Join,
    Operation,
    Reply,
    advance,
)
from ..runtime.fork import reset_after_fork
from . import aws_errors, client_config, coalescing, retry_policy
from .aio_clients import LoopClients
from .sync import SyncDriver

T = TypeVar("T")
Run: TypeAlias = "Callable[[Call, Counters | None], Awaitable[Reply]]"

_FEW_CALLS = 2
"""Up to this number, calls start at once. More start one after another: serializing a large one
takes milliseconds."""


class AsyncDriver:
    """Runs operations on the running event loop."""

    def __init__(self, config: DynamoDBConfig, sync_driver: SyncDriver) -> None:
        self._config = config
        self._sync_driver = sync_driver
        self._native = _is_native(config)
        self._clients = LoopClients(config)
        self._gatherings: WeakKeyDictionary[asyncio.AbstractEventLoop, coalescing.Gathering] = (
            WeakKeyDictionary()
        )
        self._senders: set[asyncio.Task[None]] = set()  # a loop alone keeps no task alive
        self._lock = threading.Lock()
        reset_after_fork(self)

    async def run(self, operation: Operation[T], counters: Counters | None = None) -> T:
        """Run an operation to its end and return its result; count what it takes.

        On cancellation the operation is closed at the effect that it waits for.
        """
        try:
            effect: Effect | Done[T] = advance(operation)
            while not isinstance(effect, Done):
                try:
                    answer = await self._perform(effect, counters)
                except Exception as error:  # noqa: BLE001 - the operation decides
                    effect = advance(operation, error=error)
                else:
                    effect = advance(operation, answer)
            return effect.result
        finally:
            operation.close()

    async def aclose(self) -> None:
        """Close the running loop's clients, and the sync driver."""
        await self._clients.aclose()
        if self._sync_driver.has_threads:
            # What was cancelled may still run in one: not waited for on the loop.
            await asyncio.to_thread(self._sync_driver.close)
        else:
            self._sync_driver.close()

    def close(self) -> None:
        """Close the clients of other loops that are running or can run."""
        self._clients.close()

    def after_fork(self) -> None:
        """Drop the calls that the parent's loops are sending."""
        self._gatherings = WeakKeyDictionary()
        self._senders = set()
        self._lock = threading.Lock()

    async def _perform(  # noqa: PLR0911 - one for each effect
        self, effect: Effect, counters: Counters | None
    ) -> Any:
        if isinstance(effect, Compute):
            size = effect.size()
            if size is not None and size <= client_config.SMALL_COMPUTE_BYTES:
                return effect.function()
            return await self._in_thread(effect.function)
        if isinstance(effect, Backoff):
            bound = retry_policy.backoff_bound(self._config, effect.attempt)
            await asyncio.sleep(random.uniform(0, bound))  # noqa: S311 - jitter
            return None
        if isinstance(effect, AskSaver):
            return await effect.aask()
        if isinstance(effect, Join):
            await _settled(effect.future, client_config.JOIN_SECONDS)
            return effect.future.done() and effect.future.result()
        if len(effect) == 1:
            return [await self._begin(effect[0], counters, self._call)]
        return await self._call_all(effect, counters)

    async def _call_all(self, calls: Sequence[Call], counters: Counters | None) -> list[Reply]:
        run = self._call if len(calls) <= _FEW_CALLS else self._in_turns()
        begun = (self._begin(call, counters, run) for call in calls)
        replies = await asyncio.gather(*begun, return_exceptions=True)
        for reply in replies:
            if isinstance(reply, BaseException):
                raise reply
        return list(replies)

    def _begin(self, call: Call, counters: Counters | None, run: Run) -> Awaitable[Reply]:
        return self._share(call, counters) if call.shareable else run(call, counters)

    def _share(self, call: Call, counters: Counters | None) -> asyncio.Future[Reply]:
        """Send a call with those that other operations yield in this round of the loop."""
        if not self._native:
            return asyncio.wrap_future(self._sync_driver.share(call, counters))
        loop = asyncio.get_running_loop()
        with self._lock:
            gathering = self._gatherings.setdefault(loop, coalescing.Gathering())
        reply = loop.create_future()
        start = partial(loop.call_soon, self._send_gathered, gathering)
        gathering.add(call, reply, start, counters)
        return reply

    def _send_gathered(self, gathering: coalescing.Gathering) -> None:
        for group in coalescing.groups(gathering.take()):
            self._send_group(group)

    def _send_group(self, group: Sequence[coalescing.PendingCall]) -> None:
        sender = asyncio.ensure_future(
            self.run(coalescing.send_shared(group), coalescing.payer(group))
        )
        self._senders.add(sender)
        sender.add_done_callback(self._senders.discard)
        # If all tasks of a loop are cancelled, this one may be cancelled before it has started.
        sender.add_done_callback(lambda _: coalescing.abandon(group))

    def _in_turns(self) -> Run:
        gate = asyncio.Semaphore(client_config.MAX_CONCURRENT_CALLS)
        turn = asyncio.Lock()

        async def one(call: Call, counters: Counters | None) -> Reply:
            async with gate:
                # A large request takes milliseconds to serialize: others of the loop run between.
                async with turn:
                    await asyncio.sleep(0)
                return await self._call(call, counters)

        return one

    async def _call(self, call: Call, counters: Counters | None) -> Reply:
        if not self._native:
            return await self._in_thread(lambda: self._sync_driver.call(call, counters))
        try:
            return await self._try_renewed(call, counters)
        except StorageError as error:
            if not call.retried:
                raise
            attempts = retry_policy.Attempts(self._sync_driver.meter, call, error, counters)
        return await attempts.arun(self._try)

    async def _try_renewed(self, call: Call, counters: Counters | None) -> Reply:
        """One attempt, and a second one with a new session if the credentials have expired."""
        try:
            return await self._try(call, counters)
        except AccessDeniedError as error:
            expired = aws_errors.has_expired(error.__cause__)
            if not (expired and self._config.may_find_other_credentials):
                raise
        return await self._try(call, counters)

    async def _try(self, call: Call, counters: Counters | None) -> Reply:
        attempt = self._sync_driver.meter.begin(call, counters)
        if attempt.delay:
            with attempt.waiting():
                await asyncio.sleep(attempt.delay)
        client = None
        try:
            client = await self._clients.get(call.service)
            if client_config.is_about_the_table(call.service):
                dynamodb = await self._clients.get(DYNAMODB)
                client_config.check_same_place(call.service, client, dynamodb)
            reply = await getattr(client, call.method)(**attempt.params)
            if call.service == S3:
                reply["Body"] = await reply["Body"].read()
        except Exception as error:  # noqa: BLE001 - each becomes an error of ours
            if aws_errors.needs_new_session(error):
                self._clients.retire(call.service, client)
            return attempt.failed(error, client)
        return attempt.answered(reply, client)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._sync_driver.submit(function))


async def _settled(future: Future[bool], seconds: float) -> None:
    """Wait until a future is done, but not for longer.

    It belongs to another operation: a timeout does not cancel it, and it may be set after this
    event loop was closed.
    """
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def tell(_: Future[bool]) -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(done.set)

    future.add_done_callback(tell)
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(done.wait(), seconds)


def _is_native(config: DynamoDBConfig) -> bool:
    if config.async_session is not None:
        return True
    # A boto3 session alone carries credentials that only boto3 can use and refresh.
    return config.session is None and find_spec("aiobotocore") is not None
