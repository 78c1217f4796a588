"""`warm` and `awarm`: the client is made and connected before the first call, for one request."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import MakeSaver

from capacity import Costs
from either import Either
from langgraph_checkpoint_dynamodb import DynamoDBSaver, InvalidInputError, TableNotFoundError
from threads import config_of, put


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A line for each client that is made and each connection that is opened."""
    import aiohttp
    import botocore.client
    import urllib3.connection

    found: list[str] = []

    def watch(owner: Any, name: str, what: str) -> None:
        original = getattr(owner, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            found.append(what)
            return original(*arguments, **named)

        monkeypatch.setattr(owner, name, watched)

    watch(botocore.client.ClientCreator, "create_client", "client")
    watch(urllib3.connection.HTTPConnection, "connect", "connection")
    watch(aiohttp.TCPConnector, "_create_connection", "connection")
    return found


@pytest.fixture
def new_saver(make_saver: MakeSaver, mode: str, costs: Costs) -> DynamoDBSaver:
    """A saver that has sent nothing, on a table that exists."""
    table_name = make_saver().config.table_config.table_name
    return make_saver(mode=mode, costs=costs, table_name=table_name, deploy=False)


@pytest.fixture
def costs() -> Costs:
    return Costs()


async def test_it_costs_one_request_and_at_most_half_a_read_unit(
    new_saver: DynamoDBSaver, mode: str, costs: Costs
) -> None:
    client = Either(new_saver, use_async=mode != "sync")
    assert await client.warm() is None
    assert dict(costs.calls) == {"Query": 1}
    assert costs.write_units == 0
    assert costs.read_units <= 0.5  # DynamoDB Local counts 0 for a query that finds nothing


async def test_the_first_call_then_makes_no_client_and_opens_no_connection(
    new_saver: DynamoDBSaver, mode: str, opened: list[str]
) -> None:
    client = Either(new_saver, use_async=mode != "sync")
    await client.warm()
    assert "connection" in opened
    if mode != "async":
        assert "client" in opened
    opened.clear()
    assert await client.get_tuple(config_of("thread")) is None
    await put(client, config_of("thread"), {"x": 1})
    assert opened == []


async def test_a_thread_of_that_name_is_not_read(
    new_saver: DynamoDBSaver, mode: str, costs: Costs
) -> None:
    client = Either(new_saver, use_async=mode != "sync")
    await put(client, config_of("warm"), {"x": 1})
    costs.reset()
    await client.warm()
    assert costs.requests == 1
    assert costs.read_units <= 0.5
    found = await client.get_tuple(config_of("warm"))
    assert found.checkpoint["channel_values"] == {"x": 1}


async def test_it_says_what_the_first_call_would(make_saver: MakeSaver, mode: str) -> None:
    client = Either(make_saver(mode=mode, deploy=False), use_async=mode != "sync")
    with pytest.raises(TableNotFoundError, match="query on table"):
        await client.warm()
    with pytest.raises(InvalidInputError, match="thread_id"):
        await client.warm("")


async def test_another_event_loop_needs_nothing_from_the_disk(
    new_saver: DynamoDBSaver, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    import botocore.loaders

    client = Either(new_saver, use_async=mode != "sync")
    await client.warm()

    def load(*_: Any, **__: Any) -> Any:
        raise AssertionError("a model is read again")

    monkeypatch.setattr(botocore.loaders.JSONFileLoader, "load_file", load)

    def elsewhere() -> Any:
        async def turn() -> Any:
            try:
                return await client.get_tuple(config_of("thread"))
            finally:
                await new_saver._async._clients.aclose()

        return asyncio.run(turn())

    assert await asyncio.to_thread(elsewhere) is None
