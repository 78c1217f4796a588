"""Reads stored values as data: nothing that the bytes name is imported, called or made.

LangGraph's serializer stores an object as the name of its class and the data to make it from. It
imports the class when it reads, so whoever can write to the table chooses what runs
(`JsonPlusSerializer` in `langgraph/checkpoint/serde/jsonplus.py`). `DataSerializer` returns the
name and the data.
"""

from __future__ import annotations

import copy
import json
import math
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import ormsgpack
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import (
    EXT_DELTA_SNAPSHOT,
    EXT_NUMPY_ARRAY,
    JsonPlusSerializer,
)
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from ..format.body import Typed
from .serializer import MSGPACK, is_encrypted, is_langgraphs

TYPE, DATA = "$type", "$data"
"""The keys of a JSON object that stands for what JSON does not have."""

_ENCRYPTED = "{} is encrypted: set LANGGRAPH_AES_KEY to the key of the graph"

_MAX_DEPTH = 100
"""How deep objects are read, and JSON is made: far below Python's own limit."""


@dataclass(frozen=True, slots=True)
class NamedData:
    """An object that was not made.

    Attributes:
        type: The name of its class, or of its encoding.
        data: What it would be made from: the argument, or the arguments as a list or a dict.
    """

    type: str
    data: Any


class DataSerializer:
    """LangGraph's serializer, for reading only; objects are read as `NamedData`.

    The decision is by what the bytes are, not by an allowlist: `LANGGRAPH_STRICT_MSGPACK` changes
    nothing here.
    """

    def dumps_typed(self, obj: Any) -> NoReturn:
        """Refuse to serialize.

        Raises:
            TypeError: Always. What was read as data cannot be stored as it was.
        """
        raise TypeError(f"a {type(obj).__name__} is not stored by a serializer that only reads")

    def loads_typed(self, data: Typed) -> Any:
        """The value as data.

        Raises:
            ValueError: The value is encrypted, or its bytes are not of its type.
        """
        kind, content = data
        if kind == "json":
            return json.loads(content)
        return _read(data, lambda packed: _unpack(packed, 0))


class UnchangedSerializer(JsonPlusSerializer):
    """Copies values from one saver to another: what is loaded is dumped as it was.

    Objects are loaded as `ormsgpack.Ext`, in the form in which they are stored, and what is not
    msgpack (JSON, a pickle) as its bytes. So a copy needs none of a graph's classes, and runs
    nothing.
    """

    def loads_typed(self, data: Typed) -> Any:
        """The value.

        Raises:
            ValueError: The value is encrypted, or its bytes are not of its type.
        """
        return _read(data, _unpack_kept)

    def dumps_typed(self, obj: Any) -> Typed:
        """The type and bytes of a value that was loaded."""
        return (obj.type, obj.data) if isinstance(obj, NamedData) else super().dumps_typed(obj)


def _read(data: Typed, unpack: Callable[[bytes], Any]) -> Any:
    kind, content = data
    if is_encrypted(kind):
        raise ValueError(_ENCRYPTED.format(kind))
    match kind:
        case "null":
            return None
        case "bytes":
            return content
        case _ if kind == MSGPACK:
            return unpack(content)
    return NamedData(kind, content)


def unchanged(serde: SerializerProtocol) -> SerializerProtocol | None:
    """A serializer for copies: reads what another stores, with its objects as `ormsgpack.Ext`.

    So no class is imported, and none is turned into its data because it is missing or not in the
    serializer's allowlist. What is read is stored as it was.

    Returns:
        The serializer; `None` for one that is neither LangGraph's nor an encryption of it.
    """
    if isinstance(serde, EncryptedSerializer):
        inner = unchanged(serde.serde)
        return None if inner is None else EncryptedSerializer(serde.cipher, inner)
    if not is_langgraphs(serde):
        return None
    made = copy.copy(serde)
    made._custom_unpack_ext_hook, made._unpack_ext_hook = True, _kept  # type: ignore[attr-defined]
    return made


def _kept(code: int, content: bytes) -> Any:
    """An object as it is stored. `put` has to know the snapshots of delta channels."""
    if code != EXT_DELTA_SNAPSHOT:
        return ormsgpack.Ext(code, content)
    return _DeltaSnapshot(_unpack_kept(content))


def _unpack_kept(content: bytes) -> Any:
    return ormsgpack.unpackb(content, ext_hook=_kept, option=ormsgpack.OPT_NON_STR_KEYS)


def reader_of(serde: SerializerProtocol) -> SerializerProtocol:
    """A serializer that reads as data what another has stored.

    For a serializer that is neither LangGraph's nor an encryption of it, it is that one itself.
    """
    if isinstance(serde, EncryptedSerializer):
        return EncryptedSerializer(serde.cipher, reader_of(serde.serde))
    return DataSerializer() if is_langgraphs(serde) else serde


def _unpack(content: bytes, depth: int) -> Any:
    hook = partial(_object, depth + 1)
    return ormsgpack.unpackb(content, ext_hook=hook, option=ormsgpack.OPT_NON_STR_KEYS)


def _object(depth: int, code: int, content: bytes) -> Any:
    """An object of msgpack's extension types, as LangGraph numbers them."""
    unread = NamedData(f"msgpack extension {code}", content)
    if depth > _MAX_DEPTH:
        return unread
    try:
        data = _unpack(content, depth)
    except ValueError:
        return unread
    if code == EXT_DELTA_SNAPSHOT:
        return _DeltaSnapshot(data)  # of LangGraph itself: a tuple of the value
    if code == EXT_NUMPY_ARRAY:
        return NamedData("numpy.ndarray", data)
    match data:
        case [str(module), str(name), argument, *_] if 0 <= code < EXT_NUMPY_ARRAY:
            return NamedData(f"{module}.{name}", argument)
    return unread


def as_json(value: Any, depth: int = 0) -> Any:
    """A value of `DataSerializer` as what JSON has, without loss.

    What JSON does not have becomes an object with the keys `$type` and `$data`.
    """
    if depth > _MAX_DEPTH:
        return _marked(f"nested deeper than {_MAX_DEPTH}", None)
    nested = partial(as_json, depth=depth + 1)
    made: Any
    match value:
        case None | bool() | int() | str():
            made = value
        case float():
            made = value if math.isfinite(value) else _marked("float", str(value))
        case bytes():
            made = _marked("bytes", b64encode(value).decode())
        case NamedData(name, data):
            made = _marked(name, nested(data))
        case _DeltaSnapshot():
            made = _marked("langgraph delta snapshot", nested(value.value))
        case dict() if all(isinstance(key, str) for key in value):
            made = {key: nested(one) for key, one in value.items()}
        case dict():
            made = _marked("dict", [[nested(key), nested(one)] for key, one in value.items()])
        case list() | tuple():
            made = [nested(one) for one in value]
        case _:
            made = _marked(type(value).__name__, str(value))
    return made


def _marked(name: str, data: Any) -> dict[str, Any]:
    return {TYPE: name, DATA: data}
