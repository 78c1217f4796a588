"""Values as data: nothing that stored bytes name is imported or run, and nothing is lost."""

from __future__ import annotations

import json
import os
import pickle
import sys
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import ormsgpack
import pytest
from hypothesis import assume, given
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.types import Interrupt, Send

import messages
from langgraph_checkpoint_dynamodb.serialization.plain_data import (
    DataSerializer,
    NamedData,
    UnchangedSerializer,
    as_json,
)

LANGGRAPHS = JsonPlusSerializer()
DATA = DataSerializer()
COPY = UnchangedSerializer()


class Color(Enum):
    RED = "red"


@dataclass
class Point:
    x: int


def read(value: Any) -> Any:
    return DATA.loads_typed(LANGGRAPHS.dumps_typed(value))


@given(messages.plain)
def test_plain_values_are_themselves(value: Any) -> None:
    assert read(value) == value
    assume("inf" not in repr(value))
    assert json.loads(json.dumps(as_json(read(value)), allow_nan=False)) == value


@pytest.mark.parametrize(
    ("value", "name", "data"),
    [
        (UUID(int=1), "uuid.UUID", UUID(int=1).hex),
        (Decimal("1.50"), "decimal.Decimal", "1.50"),
        (Path("/a/b"), "pathlib.PosixPath", ["/", "a", "b"]),
        (Color.RED, f"{__name__}.Color", "red"),
        (Point(3), f"{__name__}.Point", {"x": 3}),
        ({1}, "builtins.set", [1]),
        (Send("node", {"a": 1}), "langgraph.types.Send", ["node", {"a": 1}]),
    ],
)
def test_an_object_is_its_name_and_its_data(value: Any, name: str, data: Any) -> None:
    found = read({"in": [value]})
    assert found == {"in": [NamedData(name, data)]}
    assert as_json(found) == {"in": [{"$type": name, "$data": data}]}


def test_a_message_is_its_fields() -> None:
    found = read(HumanMessage("hi", id="m"))
    assert found.type == "langchain_core.messages.human.HumanMessage"
    assert (found.data["type"], found.data["content"], found.data["id"]) == ("human", "hi", "m")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"ab", {"$type": "bytes", "$data": "YWI="}),
        (float("nan"), {"$type": "float", "$data": "nan"}),
        ({1: "a"}, {"$type": "dict", "$data": [[1, "a"]]}),
        (_DeltaSnapshot(["a"]), {"$type": "langgraph delta snapshot", "$data": ["a"]}),
        (None, None),
    ],
)
def test_what_json_does_not_have_is_marked(value: Any, shown: Any) -> None:
    assert as_json(read(value)) == shown


def test_an_interrupt_has_its_value_and_id() -> None:
    found = read(Interrupt("why?", id="i"))
    assert found.type == "langgraph.types.Interrupt"
    assert (found.data["value"], found.data["id"]) == ("why?", "i")


# Hostile values. LangGraph's serializer runs each of these unless LANGGRAPH_STRICT_MSGPACK is set.


def hostile(code: int, *content: Any) -> tuple[str, bytes]:
    return "msgpack", ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(content)))


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that leaves a mark when it is imported, and when a class of it is made."""
    mark = tmp_path / "mark"
    code = f"open({str(mark)!r}, 'a').write('imported')\n\ndef make(*a, **k):\n    pass\n"
    (tmp_path / "hostile_module.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "hostile_module", raising=False)
    return mark


@pytest.mark.parametrize(
    ("code", "content"),
    [(0, "a"), (1, ["a"]), (2, {"a": 1}), (3, "a"), (4, {"a": 1}), (5, {"a": 1})],
)
def test_nothing_that_the_bytes_name_is_imported(module: Path, code: int, content: Any) -> None:
    value = hostile(code, "hostile_module", "make", content, "make")
    assert DATA.loads_typed(value) == NamedData("hostile_module.make", content)
    assert "hostile_module" not in sys.modules
    assert not module.exists()
    JsonPlusSerializer(allowed_msgpack_modules=True).loads_typed(value)
    assert module.exists() == (code != 3)  # so the module would have run


def test_no_command_is_run(tmp_path: Path) -> None:
    command = f"touch {tmp_path}/run"
    found = DATA.loads_typed(hostile(1, "os", "system", [command]))
    assert found == NamedData("os.system", [command])
    assert not (tmp_path / "run").exists()


def test_a_pickle_is_bytes(tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "made"),)

    content = pickle.dumps(Runs())
    assert DATA.loads_typed(("pickle", content)) == NamedData("pickle", content)
    assert not (tmp_path / "made").exists()


def test_json_of_langchain_makes_no_object() -> None:
    made = {"lc": 2, "type": "constructor", "id": ["os", "system"], "args": ["true"]}
    assert DATA.loads_typed(("json", json.dumps(made).encode())) == made


def test_what_is_nested_without_end_is_cut_off() -> None:
    value = b"\xc0"
    for _ in range(3000):
        value = ormsgpack.packb(ormsgpack.Ext(0, ormsgpack.packb(["m", "n", 0])[:-1] + value))
    shown = json.dumps(as_json(DATA.loads_typed(("msgpack", value))))
    assert "msgpack extension 0" in shown


def test_deep_lists_are_marked() -> None:
    value: Any = []
    for _ in range(500):
        value = [value]
    assert "nested deeper than 100" in json.dumps(as_json(value))


@pytest.mark.parametrize("content", [b"\xc1", b"\x93\x01", b""])
def test_an_extension_that_is_no_object_is_bytes(content: bytes) -> None:
    found = DATA.loads_typed(("msgpack", ormsgpack.packb(ormsgpack.Ext(5, content))))
    assert found == NamedData("msgpack extension 5", content)


def test_an_encrypted_value_needs_the_key() -> None:
    encrypted = EncryptedSerializer.from_pycryptodome_aes(key=b"k" * 16)
    value = encrypted.dumps_typed(UUID(int=1))
    with pytest.raises(ValueError, match="LANGGRAPH_AES_KEY"):
        DATA.loads_typed(value)
    reader = EncryptedSerializer.from_pycryptodome_aes(DATA, key=b"k" * 16)
    assert reader.loads_typed(value) == NamedData("uuid.UUID", UUID(int=1).hex)


def test_nothing_is_stored() -> None:
    with pytest.raises(TypeError, match="only reads"):
        DATA.dumps_typed(1)


# Copies of values


@pytest.mark.parametrize(
    "value",
    [
        *(None, b"ab", bytearray(b"ab"), 1.5, "text", [1, [2]], {"a": {1: 2}}, UUID(int=1)),
        *({"at": Decimal("1.50"), "who": [HumanMessage("hi", id="m")]}, _DeltaSnapshot(["a"])),
        {"nested": [_DeltaSnapshot([UUID(int=2)])]},
    ],
)
def test_what_is_copied_is_stored_as_it_was(value: Any) -> None:
    stored = LANGGRAPHS.dumps_typed(value)
    assert COPY.dumps_typed(COPY.loads_typed(stored)) == stored


@given(messages.plain)
def test_plain_values_are_copied(value: Any) -> None:
    stored = LANGGRAPHS.dumps_typed(value)
    assert COPY.dumps_typed(COPY.loads_typed(stored)) == stored


@pytest.mark.parametrize("stored", [("pickle", b"\x80"), ("json", b"{}"), ("other", b"")])
def test_other_encodings_are_copied(stored: Any) -> None:
    assert COPY.dumps_typed(COPY.loads_typed(stored)) == stored


def test_a_copy_imports_nothing(module: Path) -> None:
    stored = hostile(1, "hostile_module", "make", ["a"])
    assert COPY.dumps_typed(COPY.loads_typed(stored)) == stored
    assert not module.exists()
    assert isinstance(COPY.loads_typed(LANGGRAPHS.dumps_typed(_DeltaSnapshot([]))), _DeltaSnapshot)


def test_only_what_was_loaded_is_dumped() -> None:
    with pytest.raises(TypeError, match="not msgpack serializable"):
        COPY.dumps_typed([object()])
