"""`setup()`: other savers' name for making the table, and a server's checkpointer that calls it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from conftest import MakeSaver

import threads
from clients import KEYS, REGION
from either import Either
from langgraph_checkpoint_dynamodb import TableMismatchError, server


async def test_setup_makes_the_table_that_deploy_makes(make_saver: MakeSaver, mode: str) -> None:
    saver = make_saver(mode=mode, deploy=False, enable_ttl=True)
    client = Either(saver, use_async=mode != "sync")
    for _ in range(2):
        await client.setup()
    assert saver.plan().exists
    assert saver.plan().drift == make_saver(mode=mode, enable_ttl=True).plan().drift
    await threads.put(client, threads.config_of("a"), {"x": 1})
    await client.setup()
    assert await client.get_tuple(threads.config_of("a")) is not None


async def test_setup_refuses_other_keys(make_saver: MakeSaver, mode: str, dynamodb: Any) -> None:
    saver = make_saver(mode=mode, deploy=False)
    dynamodb.create_table(
        TableName=saver.config.table_config.table_name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(TableMismatchError):
        await Either(saver, use_async=mode != "sync").setup()


@pytest.mark.aio
async def test_a_server_makes_its_table_from_variables(
    endpoint_url: str, dynamodb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"test-{uuid.uuid4().hex}"
    for variable, value in {
        server.TABLE: name,
        server.REGION: REGION,
        server.ENDPOINT_URL: endpoint_url,
        server.TTL_SECONDS: "3600",
        server.DEPLOY: "true",
        **{key.upper(): value for key, value in KEYS.items()},
    }.items():
        monkeypatch.setenv(variable, value)
    try:
        for _ in range(2):
            async with server.checkpointer() as saver:
                assert saver.plan().exists
    finally:
        dynamodb.delete_table(TableName=name)
