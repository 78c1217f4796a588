"""Objects are copied as the source stores them, also those that the serializers may not make."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from pydantic import BaseModel

from fake_table import TABLE
from golden_table import KEY, GoldenTable
from langgraph_checkpoint_dynamodb import DeserializationError, SourceTable
from langgraph_checkpoint_dynamodb.migration import other_saver
from langgraph_checkpoint_dynamodb.migration.other_saver import Listed
from langgraph_checkpoint_dynamodb.runtime.effects import AskSaver


@dataclass
class Order:
    price: int


class Buyer(BaseModel):
    name: str


THREAD: Any = {"configurable": {"thread_id": "shop", "checkpoint_ns": ""}}
VALUES = {"order": Order(2), "buyers": [Buyer(name="Ada")], "text": "x", "raw": b"1", "none": None}
WRITES = [("order", Order(3)), ("text", "y")]
STRICT = JsonPlusSerializer(allowed_msgpack_modules=None)
ENCRYPTED = EncryptedSerializer.from_pycryptodome_aes(STRICT, key=KEY)
READER = EncryptedSerializer.from_pycryptodome_aes(
    JsonPlusSerializer(allowed_msgpack_modules=[Order, Buyer]), key=KEY
)


def checkpoint() -> Any:
    versions = dict.fromkeys(VALUES, "1")
    return {**empty_checkpoint(), "channel_values": VALUES, "channel_versions": versions}


def fill(saver: Any) -> Any:
    """Put a checkpoint and writes with objects."""
    versions = dict.fromkeys(VALUES, "1")
    config = saver.put(THREAD, checkpoint(), {"source": "loop", "order": Order(1)}, versions)
    saver.put_writes(config, WRITES, "task")
    return saver


def table_of_0_1_3(table: GoldenTable) -> SourceTable:
    """Items of a thread, as 0.1.3 stores them."""
    made = checkpoint()
    kind, body = STRICT.dumps_typed(made)
    item = {
        "PK": {"S": "shop"},
        "SK": {"S": f"#checkpoint#{made['id']}"},
        "checkpoint_id": {"S": made["id"]},
        "type": {"S": kind},
        "checkpoint": {"B": body},
        "metadata": {"B": STRICT.dumps_typed({"source": "loop", "order": Order(1)})[1]},
    }
    items = [item]
    for index, (channel, value) in enumerate(WRITES):
        kind, body = STRICT.dumps_typed(value)
        key = f"#write#{made['id']}#task#{index:010d}"
        write = {"PK": {"S": "shop"}, "SK": {"S": key}, "task_id": {"S": "task"}}
        write |= {"idx": {"N": str(index)}, "channel": {"S": channel}}
        items.append({**write, "type": {"S": kind}, "value": {"B": body}})
    table.items.update({(one["PK"]["S"], one["SK"]["S"]): one for one in items})
    return SourceTable(layout="0.1.3", table_name=TABLE)


SOURCES = {
    "a saver": lambda _: fill(InMemorySaver(serde=STRICT)),
    "a saver that encrypts": lambda _: fill(InMemorySaver(serde=ENCRYPTED)),
    "a saver of this package": lambda _: fill(GoldenTable().saver(serde=STRICT)),
    "a table": table_of_0_1_3,
}


@pytest.mark.parametrize("at_first_use", [False, True])
@pytest.mark.parametrize("serde", [STRICT, ENCRYPTED], ids=["plaintext", "encrypted"])
@pytest.mark.parametrize("name", SOURCES)
def test_objects_that_are_not_allowed_are_copied_unchanged(
    name: str, serde: Any, at_first_use: bool
) -> None:
    table = GoldenTable()
    source = SOURCES[name](table)
    if at_first_use:
        assert table.saver(serde=serde, read_through=source).get_tuple(THREAD)
    else:
        assert table.saver(serde=serde).migrate(source).ok
    found = table.saver(serde=READER, allow_plaintext=True).get_tuple(THREAD)
    assert found is not None
    assert found.checkpoint["channel_values"] == VALUES
    assert found.metadata == {"source": "loop", "order": Order(1)}
    assert found.pending_writes == [("task", channel, value) for channel, value in WRITES]


class Wrapper(InMemorySaver):
    """Asks another saver, which has a serializer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = fill(InMemorySaver(serde=STRICT))

    def get_tuple(self, config: Any) -> Any:
        return self.inner.get_tuple(config)

    async def aget_tuple(self, config: Any) -> Any:
        return await self.inner.aget_tuple(config)

    def list(self, config: Any, **settings: Any) -> Any:
        return self.inner.list(config, **settings)


class OtherSerializer(JsonPlusSerializer):
    """Not known to store values as LangGraph's does."""


@pytest.mark.parametrize(
    ("make", "serde"),
    [
        (lambda _: Wrapper(), STRICT),
        (SOURCES["a saver"], OtherSerializer()),
        (table_of_0_1_3, OtherSerializer(allowed_msgpack_modules=None)),
    ],
)
def test_what_a_source_returns_as_plain_data_is_not_copied(make: Any, serde: Any) -> None:
    table = GoldenTable()
    source = make(table)
    (failure,) = table.saver(serde=serde).migrate(source).failures
    assert "DeserializationError: " in failure.error
    assert f"{Order.__module__}.Order" in failure.error
    assert not [key for key in table.items if key[1].startswith("C#")]
    with pytest.raises(DeserializationError, match="returned objects as plain data"):
        table.saver(serde=serde, read_through=source).get_tuple(THREAD)


def test_plain_data_from_the_async_methods_of_a_source() -> None:
    wrapper = Wrapper()
    found = wrapper.get_tuple(THREAD)
    operation = other_saver._get(wrapper, "shop", Listed.of(found))
    effect = next(operation)
    assert isinstance(effect, AskSaver)
    with pytest.raises(DeserializationError, match="Order"):
        asyncio.run(effect.aask())  # type: ignore[arg-type]


def test_objects_that_are_allowed_pass_other_serializers() -> None:
    allowed = OtherSerializer(allowed_msgpack_modules=[Order, Buyer])
    table = GoldenTable()
    assert table.saver(serde=allowed).migrate(fill(InMemorySaver(serde=allowed))).ok
    assert table.saver(serde=allowed).get_tuple(THREAD).checkpoint["channel_values"] == VALUES


def test_the_owner_is_found_in_metadata_with_its_objects() -> None:
    source = InMemorySaver()
    source.put(THREAD, checkpoint(), {"user": UUID(int=7)}, {})
    seen = []
    table = GoldenTable()
    saver = table.saver(thread_owner=lambda metadata: seen.append(metadata["user"]))
    assert saver.migrate(source).ok
    assert seen == [UUID(int=7)]
