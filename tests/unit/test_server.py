"""The checkpointer of a LangGraph server: what its environment variables mean."""

from __future__ import annotations

import os
from typing import Any

import pytest

from langgraph_checkpoint_dynamodb import ConfigurationError, DynamoDBConfig, DynamoDBSaver, server

TABLE = {server.TABLE: "chats"}
STACK = {server.STACK: "checkpoints"}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(server.PREFIX)]:
        monkeypatch.delenv(name)


async def opened(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> DynamoDBConfig:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with server.checkpointer() as saver:
        assert isinstance(saver, DynamoDBSaver)
        return saver.config


async def test_a_table_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    config = await opened(monkeypatch, TABLE)
    assert config.table_config.table_name == "chats"
    assert not config.table_config.enable_ttl
    assert (config.region_name, config.endpoint_url) == (None, None)


async def test_every_variable_of_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        **TABLE,
        server.REGION: "eu-central-1",
        server.ENDPOINT_URL: "http://localhost:8000",
        server.TTL_SECONDS: "3600",
        server.DEPLOY: "False",
    }
    config = await opened(monkeypatch, variables)
    assert (config.region_name, config.endpoint_url) == ("eu-central-1", "http://localhost:8000")
    assert config.table_config.enable_ttl
    assert config.table_config.ttl_seconds == 3600


async def test_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    async def from_stack(name: str, *, config: DynamoDBConfig, ttl_seconds: int) -> DynamoDBSaver:
        asked.append((name, config.region_name, config.endpoint_url, ttl_seconds))
        return DynamoDBSaver(config)

    monkeypatch.setattr(DynamoDBSaver, "afrom_stack", from_stack)
    more = {server.REGION: "eu-west-1", server.ENDPOINT_URL: "https://aws", server.TTL_SECONDS: "9"}
    await opened(monkeypatch, {**STACK, **more, server.DEPLOY: "0"})
    assert asked == [("checkpoints", "eu-west-1", "https://aws", 9)]


@pytest.mark.parametrize("deploy", ["true", "TRUE", "1", "false", "0"])
async def test_only_deploy_makes_a_table(deploy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    async def asetup(saver: DynamoDBSaver) -> None:
        calls.append(saver.config.table_config.table_name)

    monkeypatch.setattr(DynamoDBSaver, "asetup", asetup)
    await opened(monkeypatch, {**TABLE, server.DEPLOY: deploy})
    assert calls == (["chats"] if deploy.lower() in {"true", "1"} else [])


async def test_a_failed_deploy_closes_the_saver(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []

    async def asetup(saver: DynamoDBSaver) -> None:
        raise RuntimeError("refused")

    async def aclose(saver: DynamoDBSaver) -> None:
        closed.append(True)

    monkeypatch.setattr(DynamoDBSaver, "asetup", asetup)
    monkeypatch.setattr(DynamoDBSaver, "aclose", aclose)
    with pytest.raises(RuntimeError, match="refused"):
        await opened(monkeypatch, {**TABLE, server.DEPLOY: "1"})
    assert closed == [True]


@pytest.mark.parametrize(
    ("variables", "shown"),
    [
        ({}, [server.TABLE, server.STACK, "set one of them"]),
        ({**TABLE, **STACK}, ["'chats'", "'checkpoints'", "set one of the two"]),
        ({**STACK, server.DEPLOY: "1"}, [server.DEPLOY, "'1'", "remove"]),
        ({server.TABLE: ""}, [server.TABLE, "''", "give it a value"]),
        ({server.TABLE: "a b"}, [server.TABLE, "'a b'", "3 to 255 characters"]),
        ({server.STACK: "no_name"}, [server.STACK, "'no_name'", "a stack's name"]),
        ({**TABLE, server.REGION: "Frankfurt!"}, [server.REGION, "'Frankfurt!'", "eu-central-1"]),
        ({**TABLE, server.ENDPOINT_URL: "localhost:8000"}, [server.ENDPOINT_URL, "http://"]),
        ({**TABLE, server.TTL_SECONDS: "30d"}, [server.TTL_SECONDS, "'30d'", "seconds"]),
        ({**TABLE, server.TTL_SECONDS: "-1"}, [server.TTL_SECONDS, "'-1'", "seconds"]),
        ({**TABLE, server.TTL_SECONDS: "0"}, [server.TTL_SECONDS, "'0'", "1 or more"]),
        ({**TABLE, server.TTL_SECONDS: "9" * 12}, [server.TTL_SECONDS, "use at most"]),
        ({**STACK, server.TTL_SECONDS: "0"}, [server.STACK, server.TTL_SECONDS, "1 or more"]),
        ({**TABLE, server.DEPLOY: "yes"}, [server.DEPLOY, "'yes'", "true or false"]),
        ({**TABLE, server.PREFIX + "TTL": "9"}, [server.PREFIX + "TTL", *server.VARIABLES]),
    ],
)
async def test_an_error_names_the_variable_its_value_and_a_way_out(
    variables: dict[str, str], shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await opened(monkeypatch, variables)
    assert [part for part in shown if part not in str(caught.value)] == []
