"""A saver that encrypts refuses a single value that is not encrypted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb import (
    DeserializationError,
    SerializationError,
)
from langgraph_checkpoint_dynamodb.checkpoints import get, put, put_writes
from langgraph_checkpoint_dynamodb.runtime.context import ThreadNamespace
from langgraph_checkpoint_dynamodb.serialization.serializer import serialize
from threads import new_checkpoint

KEY = b"0123456789abcdef"


def encrypting() -> EncryptedSerializer:
    return EncryptedSerializer.from_pycryptodome_aes(key=KEY)


def encrypted_with(**plain: str) -> FakeTable:
    """A genuine encrypted checkpoint in which somebody has put a part in plaintext."""
    serde = encrypting()
    table = FakeTable()

    class Partly(EncryptedSerializer):
        def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
            one = JsonPlusSerializer() if obj == plain.get("value") else serde
            return one.dumps_typed(obj)

    around = context(serde=Partly(serde.cipher))
    checkpoint = {**new_checkpoint(a="a value", b="b value"), "id": "1"}
    table.run(
        put.put(
            around, put.Put(ThreadNamespace("t", ""), checkpoint, {}, None, {"a": "1", "b": "1"})
        )
    )
    writes = [("a", "a write"), ("b", "b write")]
    table.run(put_writes.put_writes(around, ThreadNamespace("t", ""), "1", writes, "task", ""))
    return table


@pytest.mark.parametrize(("value", "channel"), [("a value", "a"), ("b write", "b")])
def test_a_single_plain_value_is_refused(value: str, channel: str) -> None:
    table = encrypted_with(value=value)
    reading = get.get_tuple(
        context(serde=encrypting(), encrypts=True), ThreadNamespace("t", ""), "1"
    )
    with pytest.raises(DeserializationError, match=f"channel '{channel}' is not encrypted"):
        table.run(reading)
    whole = encrypted_with()
    reading = get.get_tuple(
        context(serde=encrypting(), encrypts=True), ThreadNamespace("t", ""), "1"
    )
    assert len(whole.run(reading).pending_writes) == 2


@pytest.mark.parametrize("returned", [("json", 3), ("json", "{}"), (b"json", b"{}"), None, ("a",)])
def test_what_a_serializer_returns_is_a_type_and_bytes(returned: Any) -> None:
    serde: Any = SimpleNamespace(dumps_typed=lambda value: returned)
    with pytest.raises(SerializationError, match=r"channel 'a'.* SimpleNamespace "):
        serialize(serde, {}, "channel 'a'")


@pytest.mark.parametrize("data", [b"{}", bytearray(b"{}"), memoryview(b"{}")])
def test_bytes_of_any_kind_are_taken(data: Any) -> None:
    serde: Any = SimpleNamespace(dumps_typed=lambda value: ("json", data))
    assert serialize(serde, {}, "channel 'a'") == ("json", b"{}")
