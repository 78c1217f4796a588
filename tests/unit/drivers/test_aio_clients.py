"""Clients of an event loop: opened, and closed whatever happens to the loop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator

from langgraph_checkpoint_dynamodb.drivers.aio_clients import _close_first, _LoopClient


def test_a_loop_that_has_seen_many_clients_come_and_go_closes_those_that_are_left() -> None:
    loop = asyncio.new_event_loop()
    closed: list[int] = []

    async def lifetime(number: int) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            closed.append(number)

    for number in range(sys.getrecursionlimit()):
        gone = lifetime(number)
        loop.run_until_complete(anext(gone))
        _close_first(loop, gone)
        loop.run_until_complete(gone.aclose())
    left = lifetime(-1)
    loop.run_until_complete(anext(left))
    _close_first(loop, left)
    loop.close()
    assert closed[-1] == -1
    assert loop.is_closed()


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
