"""No call of the saver blocks the event loop, the first ones included: BlockBuster raises if so."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockBuster
from conftest import MakeSaver
from langchain_core.messages import HumanMessage

from either import Either
from langgraph_checkpoint_dynamodb.drivers.sessions import _loader
from langgraph_checkpoint_dynamodb.infra.template import shipped_template
from threads import config_of, put

LENGTHS = (0, 1, 64, 65, 300, 10_000)


@pytest.fixture(params=[pytest.param("async", marks=pytest.mark.aio), "threads"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fresh(make_saver: MakeSaver, mode: str) -> Any:
    """A saver that has made no async client yet, as in a new process."""
    table_name = make_saver().config.table_config.table_name
    _loader.cache_clear()
    return make_saver(mode=mode, table_name=table_name, deploy=False)


@pytest.fixture
def watched(fresh: Any) -> Iterator[None]:
    guard = BlockBuster()
    guard.activate()
    yield
    guard.deactivate()


def values() -> dict[str, Any]:
    chance = random.Random(1)
    lists = {f"list of {length}": list(range(length)) for length in LENGTHS}
    chats = {
        f"chat of {length}": [HumanMessage(f"m{n} " + "x" * 100, id=str(n)) for n in range(length)]
        for length in LENGTHS[:-1]
    }
    large = {"text": "abc " * 50_000, "bytes": chance.randbytes(2_000_000)}
    return {**lists, **chats, **large}


async def test_every_call_is_clean(fresh: Any, mode: str, watched: None) -> None:
    client = Either(fresh, use_async=True)
    parent = await put(client, config_of("thread"), values())
    await client.put_writes(parent, list(values().items()), "task")
    child = await put(client, parent, {"more": 1, **values()})
    for config in (parent, child, config_of("thread")):
        found = await client.get_tuple(config)
        assert found.checkpoint["channel_values"].items() >= values().items()
    assert len(await client.list(config_of("thread"))) == 2
    await client.copy_thread("thread", "copy")
    assert (await client.verify("copy")).ok
    await client.prune(["copy"])
    await client.delete_thread("copy")


async def test_a_chat_that_grows_and_is_read_by_a_new_process(
    fresh: Any, make_saver: MakeSaver, mode: str, watched: None
) -> None:
    client = Either(fresh, use_async=True)
    config = config_of("thread")
    messages: list[Any] = []
    for number in range(100):
        messages.append(HumanMessage(f"m{number} " + "x" * 300, id=str(number)))
        config = await put(client, config, {"messages": list(messages)})
    fresh._cache.clear()  # as a new process
    assert (await client.get_tuple(config)).checkpoint["channel_values"] == {"messages": messages}


async def test_table_operations_read_their_files_in_threads(
    fresh: Any, mode: str, watched: None
) -> None:
    shipped_template.cache_clear()
    client = Either(fresh, use_async=True)
    assert (await client.plan()).exists
    await client.setup()
    await client.destroy()


async def test_an_export_uses_its_file_in_threads(
    make_saver: MakeSaver, mode: str, tmp_path: Path
) -> None:
    saver = make_saver(mode=mode, thread_owner="user_id")
    client = Either(saver, use_async=True)
    await put(client, config_of("thread", user_id="ada"), {"value": "x" * 100_000})
    guard = BlockBuster()
    guard.activate()
    try:
        assert await client.export_threads("ada", tmp_path / "ada.jsonl") == 1
    finally:
        guard.deactivate()
    assert (tmp_path / "ada.jsonl").stat().st_size > 100_000
