"""How the async driver waits for what other operations write."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

import pytest

from langgraph_checkpoint_dynamodb.drivers.aio import _settled


def test_who_gave_up_waiting_on_a_loop_that_is_closed_hears_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    future: Future[bool] = Future()

    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_settled(future, 60), 0.01)

    asyncio.run(give_up())
    future.set_result(True)
    assert not caplog.records


async def test_a_wait_ends_when_it_is_done_or_its_time_is_over() -> None:
    done: Future[bool] = Future()
    done.set_result(True)
    await _settled(done, 60)
    late: Future[bool] = Future()
    asyncio.get_running_loop().call_later(0.01, late.set_result, True)
    await _settled(late, 60)
    assert late.done()
    never: Future[bool] = Future()
    await _settled(never, 0.01)
    assert not never.done()
