"""With a serializer that encrypts, the table holds no plaintext and none of it is read."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Annotated, Any

import pytest
from conftest import MakeSaver
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt
from typing_extensions import TypedDict

from either import Either
from langgraph_checkpoint_dynamodb import (
    CorruptCheckpointError,
    DeserializationError,
    UnsupportedFormatError,
)
from langgraph_checkpoint_dynamodb.format.body import unseal
from langgraph_checkpoint_dynamodb.format.compression import decompress
from play import thread
from threads import new_checkpoint

KEY = b"0123456789abcdef"
SECRETS = [
    *("input-secret", "delta-secret", "parallel-secret", "child-secret", "question-secret"),
    *("answer-secret", "error-secret", "metadata-secret", "large-secret", "update-secret"),
    *("secret_channel", "secret_log", "secret_children", "tag-secret"),
]


def encrypting() -> EncryptedSerializer:
    return EncryptedSerializer.from_pycryptodome_aes(key=KEY)


class Wrapper:
    """Counts what it writes, and does not say what it wraps."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.written = 0

    def dumps_typed(self, value: Any) -> tuple[str, bytes]:
        self.written += 1
        kind, data = self.inner.dumps_typed(value)
        return str(kind), data

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        return self.inner.loads_typed(data)


def join(before: list[Any] | None, writes: Any) -> list[Any]:
    return [*(before or []), *(one for write in writes for one in write)]


class State(TypedDict, total=False):
    secret_channel: Annotated[list[Any], operator.add]
    secret_log: Annotated[list[Any], DeltaChannel(join, snapshot_frequency=3)]


class Child(TypedDict, total=False):
    secret_children: list[Any]


def graph() -> Any:
    """Parallel nodes, a subgraph, an interrupt, an error, a delta channel, large values."""
    failed = []

    def fan_out(_: Any) -> list[Send]:
        return [Send("work", {"secret_channel": [f"parallel-secret {n}"]}) for n in range(3)]

    def work(given: Any) -> Any:
        return {"secret_channel": ["large-secret " * 2_000, given], "secret_log": ["delta-secret"]}

    def ask(_: Any) -> Any:
        answer = interrupt({"ask": "question-secret"})
        if not failed:
            failed.append(True)
            raise ValueError("error-secret")
        return {"secret_channel": [answer]}

    def in_child(_: Any) -> Any:
        return {"secret_children": ["child-secret" * 500]}

    inner = StateGraph(Child).add_node("node", in_child).add_edge(START, "node")
    return (
        StateGraph(State)
        .add_node("work", work)
        .add_node("ask", ask)
        .add_node("child", inner.compile(checkpointer=True))
        .add_conditional_edges(START, fan_out, ["work"])
        .add_edge("work", "ask")
        .add_edge("ask", "child")
    )


def attributes(value: Any) -> list[bytes]:
    """All that stands in an item, also within what is compressed."""
    if isinstance(value, dict):
        return [part for one in value.values() for part in attributes(one)]
    if isinstance(value, list):
        return [part for one in value for part in attributes(one)]
    if isinstance(value, str):
        return [value.encode()]
    stored = bytes(value)
    found = [stored]
    for read_bytes in (unseal, partial(decompress, limit=1 << 20)):  # a body; a chunk
        with suppress(CorruptCheckpointError, UnsupportedFormatError):
            found.append(read_bytes(stored))
    return found


def found_in(items: list[dict[str, Any]]) -> set[str]:
    stored = [part for item in items for part in attributes(item)]
    return {secret for secret in SECRETS if any(secret.encode() in part for part in stored)}


@pytest.mark.parametrize("serde", [None, "encrypted", "wrapped"])
async def test_what_a_graph_leaves_in_the_table(
    make_saver: MakeSaver, mode: str, scan: Callable[[str], list[Any]], serde: str | None
) -> None:
    chosen = {None: None, "encrypted": encrypting(), "wrapped": Wrapper(encrypting())}[serde]
    saver = make_saver(mode=mode, serde=chosen, enable_ttl=True, ttl_seconds=3600)
    saver.clock = lambda: time.time() + 10**9  # so that the engine deletes nothing
    compiled = Either(graph().compile(checkpointer=saver), use_async=mode != "sync")
    config = {**thread(), "metadata": {"note": "metadata-secret"}, "tags": ["tag-secret"]}
    await compiled.invoke({"secret_channel": ["input-secret"]}, config)
    with pytest.raises(ValueError, match="error-secret"):
        await compiled.invoke(Command(resume="answer-secret"), config)
    await compiled.invoke(None, config)
    await compiled.update_state(config, {"secret_channel": ["update-secret"]}, as_node="work")
    await compiled.get_state_history(config)
    found = found_in(scan(saver.config.table_config.table_name))
    # Tags are no part of a checkpoint; that the rest is found shows that the search works.
    assert found == (set(SECRETS) - {"tag-secret"} if serde is None else set())


async def plant(
    make_saver: MakeSaver, mode: str, serde: Any, **settings: Any
) -> tuple[Either, Either, Any]:
    """A checkpoint with a write by a saver without encryption, and a saver with it."""
    plain = Either(make_saver(mode=mode), use_async=mode != "sync")
    values = {"kept": ["plaintext"] * 2_000, "other": 1}
    config = await plain.put(thread(), new_checkpoint(**values), {}, dict.fromkeys(values, "1"))
    await plain.put_writes(config, [("other", 2)], "task")
    table_name = plain.target.config.table_config.table_name
    saver = make_saver(mode=mode, table_name=table_name, deploy=False, serde=serde, **settings)
    return plain, Either(saver, use_async=mode != "sync"), config


@pytest.mark.parametrize("serde", [encrypting(), Wrapper(encrypting())], ids=["own", "wrapped"])
async def test_plaintext_is_refused(make_saver: MakeSaver, mode: str, serde: Any) -> None:
    _, client, config = await plant(make_saver, mode, serde)
    match = r"thread 'thread', checkpoint '.*': the checkpoint's header is not encrypted"
    for read_it in (
        client.get_tuple(config),
        client.list(thread()),
        client.get_delta_channel_history(config=config, channels=["kept"]),
        client.prune(["thread"]),
    ):
        with pytest.raises(DeserializationError, match=match):
            await read_it
    with pytest.raises(DeserializationError, match="writes header is not encrypted"):
        await client.put_writes(config, [("other", 3)], "task")
    await client.delete_thread("thread")


async def test_a_table_moves_to_encryption(
    make_saver: MakeSaver, mode: str, scan: Callable[[str], list[Any]]
) -> None:
    plain, moving, config = await plant(make_saver, mode, encrypting(), allow_plaintext=True)
    found = await moving.get_tuple(config)
    assert found.pending_writes == [("task", "other", 2)]
    # A channel that did not change is encrypted all the same.
    checkpoint = new_checkpoint(**{**found.checkpoint["channel_values"], "other": 2})
    head = await moving.put(found.config, checkpoint, {}, {"other": "2"})
    await moving.prune(["thread"])
    table_name = plain.target.config.table_config.table_name
    await moving.copy_thread("thread", "copy")  # chunks that are an hour old go with a prune
    strict = make_saver(mode=mode, table_name=table_name, deploy=False, serde=encrypting())
    read_again = await Either(strict, use_async=mode != "sync").get_tuple(head)
    assert read_again.checkpoint["channel_values"] == {"kept": ["plaintext"] * 2_000, "other": 2}
    later = moving.target.clock() + 2 * 3600
    moving.target.clock = lambda: later
    await moving.prune(["thread", "copy"])
    stored = [part for item in scan(table_name) for part in attributes(item)]
    assert not any(b"plaintext" in part for part in stored)


async def test_another_key_is_told_as_what_it_is(make_saver: MakeSaver, mode: str) -> None:
    saver = make_saver(mode=mode, serde=encrypting())
    client = Either(saver, use_async=mode != "sync")
    config = await client.put(thread(), new_checkpoint(a=1), {}, {"a": "1"})
    for serde, named in (
        (EncryptedSerializer.from_pycryptodome_aes(key=KEY[::-1]), "ValueError: MAC check failed"),
        (JsonPlusSerializer(), "Unknown serialization type"),
    ):
        saver.serde = serde
        with pytest.raises(DeserializationError, match=f"{named}.*another serializer or encrypt"):
            await client.get_tuple(config)


def test_each_serializer_is_asked_once_whether_it_encrypts(make_saver: MakeSaver) -> None:
    saver = make_saver(serde=Wrapper(JsonPlusSerializer()))
    for _ in range(3):
        assert saver.get_tuple(thread()) is None
    assert saver.serde.written == 1  # type: ignore[attr-defined]
    assert not saver._context().encrypts
    saver.serde = Wrapper(encrypting())
    assert saver._context().encrypts


def test_one_that_only_reads_counts_as_one_that_does_not_encrypt(make_saver: MakeSaver) -> None:
    class Reader(JsonPlusSerializer):
        def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
            raise NotImplementedError

    assert not make_saver(serde=Reader())._context().encrypts
