"""A LangGraph server's checkpointer that finds its table by a stack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import threads
from clouds import Cloud, run_moto
from either import Either
from langgraph_checkpoint_dynamodb import ConfigurationError, StackError, server
from stacks import TEMPLATE_FILE

pytestmark = pytest.mark.aio


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with run_moto(tmp_path_factory.mktemp("moto")) as found:
        found.client("cloudformation").create_stack(
            StackName="checkpoints",
            TemplateBody=TEMPLATE_FILE.read_text(),
            Parameters=[{"ParameterKey": "TableName", "ParameterValue": "chats"}],
            Capabilities=["CAPABILITY_IAM"],
        )
        yield found


@pytest.fixture(autouse=True)
def variables(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**cloud.environment, server.STACK: "checkpoints"}.items():
        monkeypatch.setenv(name, value)


async def test_the_table_of_the_stack() -> None:
    async with server.checkpointer() as saver:
        assert saver.config.table_config.table_name == "chats"
        client = Either(saver, use_async=True)
        stored = await threads.put(client, threads.config_of("a"), {"x": 1})
        assert await saver.aget_tuple(stored) is not None


async def test_a_stack_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(server.STACK, "elsewhere")
    with pytest.raises(StackError, match="elsewhere"):
        async with server.checkpointer():
            pass


async def test_an_expiry_that_the_stack_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(server.TTL_SECONDS, "3600")
    with pytest.raises(ConfigurationError) as caught:
        async with server.checkpointer():
            pass
    assert f"{server.STACK}='checkpoints', {server.TTL_SECONDS}='3600'" in str(caught.value)
    assert "EnableTtl" in str(caught.value)
