"""Clients of an event loop: opened, and closed whatever happens to the loop."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from langgraph_checkpoint_dynamodb import DynamoDBConfig
from langgraph_checkpoint_dynamodb.drivers.aio_clients import LoopClients, _LoopClient
from sessions import FakeSession


def test_a_loop_that_has_seen_many_savers_closes_the_clients_of_all() -> None:
    loop = asyncio.new_event_loop()
    closed: list[int] = []

    async def lifetime(number: int, _: str) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            closed.append(number)

    savers = []
    for number in range(sys.getrecursionlimit()):
        savers.append(LoopClients(DynamoDBConfig()))
        savers[-1]._maker.lifetime = partial(lifetime, number)  # type: ignore[method-assign]
        loop.run_until_complete(savers[-1].get("dynamodb"))
    loop.close()
    assert sorted(closed) == list(range(sys.getrecursionlimit()))
    assert loop.is_closed()


async def test_no_collection_starts_while_the_first_client_is_prepared() -> None:
    """It would stop all threads, the event loop's too, for as long as it takes."""
    enabled: list[bool] = []

    class Session(FakeSession):
        def create_client(self, name: str, **arguments: Any) -> Any:
            enabled.append(gc.isenabled())
            return super()._client_of_a_loop(name, **arguments)

    clients = LoopClients(DynamoDBConfig(async_session=Session(lambda call: None)))
    await clients.get("dynamodb")
    await clients.aclose()
    assert enabled == [False, True]  # in a thread, then on the loop
    assert gc.isenabled()


async def test_a_client_that_is_still_being_opened_is_closed() -> None:
    opened, closed = asyncio.Event(), []

    async def lifetime() -> AsyncGenerator[str, None]:
        await opened.wait()
        try:
            yield "client"
        finally:
            closed.append(True)

    client = _LoopClient(lifetime())
    getting = asyncio.ensure_future(client.get())
    closing = asyncio.ensure_future(client.aclose())
    await asyncio.sleep(0)
    opened.set()
    await closing
    assert (await getting, closed) == ("client", [True])
