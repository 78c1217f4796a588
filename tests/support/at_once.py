"""Calls of a saver at one moment, so that those that share requests do, in any mode."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from either import Either
from langgraph_checkpoint_dynamodb import DynamoDBSaver
from langgraph_checkpoint_dynamodb.drivers import client_config


@contextmanager
def busy_threads(saver: DynamoDBSaver, awaited: int) -> Iterator[None]:
    """Keep the saver's threads busy until so many calls wait for one."""
    enough = threading.Event()
    for _ in range(client_config.MAX_CONCURRENT_CALLS):
        saver._sync.submit(enough.wait)

    def watch() -> None:
        ends = time.monotonic() + 60
        while len(saver._sync._gathering._entries) < awaited and time.monotonic() < ends:
            time.sleep(0.001)
        enough.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        watcher.join()


async def at_once(
    client: Either, calls: Sequence[Callable[[], Awaitable[Any]]], *, awaited: int, native: bool
) -> list[Any]:
    """The results of calls that all begin before any request of theirs is sent.

    Args:
        client: What they call.
        calls: They.
        awaited: How many requests wait then.
        native: Whether the saver's requests are sent on the event loop.
    """

    async def all_on_this_loop() -> list[Any]:
        return list(await asyncio.gather(*(call() for call in calls)))

    if native:
        return await all_on_this_loop()
    with busy_threads(client.target, awaited):
        if client.use_async:
            return await all_on_this_loop()
        with ThreadPoolExecutor(len(calls)) as pool:
            run: Any = lambda call: asyncio.run(call())  # noqa: E731
            return await asyncio.to_thread(lambda: list(pool.map(run, calls)))
