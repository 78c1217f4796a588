"""Prototypes of LangChain messages: what a process keeps of one to compare and to make others.

A prototype is the packed state of a message as its stored bytes read: its class's name and its
fields, one after the other, so that those of a list are joined into one array of twice as many.
A message is the one that is stored if it packs to the same bytes. So equal is the same only if
types and the order of keys are the same too, and each message made of a prototype is an object of
its own down to the last container.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import chain, repeat, takewhile
from operator import attrgetter
from typing import Any

import ormsgpack
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from pydantic import BaseModel

from ..chunking.msgpack_arrays import array_header
from ..runtime.gc_pause import paused

KINDS = frozenset(
    {
        AIMessage,
        ChatMessage,
        FunctionMessage,
        HumanMessage,
        RemoveMessage,
        SystemMessage,
        ToolMessage,
    }
)
"""Their bytes depend on their fields alone, and LangGraph reads them under every allowlist."""

_BY_NAME = {kind.__name__: kind for kind in KINDS}

_BLOCK = 64
"""Messages that are packed or unpacked at once. The buffers of 2,000 are large enough for the
allocator to map anew each time: 5 ms to compare them, and in blocks 2 ms."""

# Nothing but plain data is packed: an Enum is not its value, nor a subclass what it derives from.
_EXACT = (
    ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
)

# A model's state, set below its own `__setattr__`.
_new = BaseMessage.__new__
_set_fields = BaseModel.__dict__["__dict__"].__set__
_set_fields_set = BaseMessage.__pydantic_fields_set__.__set__  # type: ignore[attr-defined]
_set_extra = BaseMessage.__pydantic_extra__.__set__  # type: ignore[union-attr]
_set_private = BaseMessage.__pydantic_private__.__set__  # type: ignore[union-attr]
_extra = attrgetter("__pydantic_extra__")
_fields = attrgetter("__dict__")
_name = attrgetter("__name__")
_do_all = deque[None](maxlen=0).extend


def prototype(message: BaseMessage) -> bytes | None:
    """The state of a message of one of the `KINDS`; `None` if it is more than plain data."""
    if message.__pydantic_extra__:
        return None
    try:
        pair = [type(message).__name__, message.__dict__]
        return ormsgpack.packb(pair, option=_EXACT)[1:]
    except (TypeError, ValueError, RecursionError):
        return None


def prototypes(messages: Sequence[Any]) -> list[bytes | None]:
    """A prototype of each message; `None` for what is none, or is more than plain data."""
    return [prototype(message) if type(message) in KINDS else None for message in messages]


def prototypes_read(messages: Sequence[Any]) -> list[bytes | None]:
    """Prototypes of messages that were just read; `None` for one that they would not make."""
    return [
        made
        if made is not None and message.__pydantic_fields_set__ == message.__dict__.keys()
        else None
        for message, made in zip(messages, prototypes(messages), strict=True)
    ]


def count_same(before: Sequence[bytes], messages: Sequence[BaseMessage]) -> int:
    """How many messages at the start are those that the prototypes were made of."""
    for begin in range(0, len(before), _BLOCK):
        known, block = before[begin : begin + _BLOCK], messages[begin : begin + _BLOCK]
        if not _all_same(known, block):
            pairs = zip(known, block, strict=False)
            return begin + sum(
                1 for _ in takewhile(lambda pair: pair[0] == prototype(pair[1]), pairs)
            )
    return len(before)


def _all_same(before: Sequence[bytes], messages: Sequence[BaseMessage]) -> bool:
    if len(before) != len(messages) or any(map(_extra, messages)):
        return False
    pairs = zip(map(_name, map(type, messages)), map(_fields, messages), strict=True)
    try:
        return ormsgpack.packb(list(chain.from_iterable(pairs)), option=_EXACT) == _joined(before)
    except (TypeError, ValueError, RecursionError):
        return False


def _joined(made_of: Sequence[bytes]) -> bytes:
    return array_header(2 * len(made_of)) + b"".join(made_of)


def make_messages(made_of: Sequence[bytes]) -> list[BaseMessage]:
    """Messages equal to those that the prototypes were made of."""
    with paused():
        flat: list[Any] = []
        for begin in range(0, len(made_of), _BLOCK):
            flat += ormsgpack.unpackb(_joined(made_of[begin : begin + _BLOCK]))
        fields = flat[1::2]
        messages: list[BaseMessage] = [_new(_BY_NAME[name]) for name in flat[::2]]  # type: ignore[arg-type]
        _do_all(map(_set_fields, messages, fields))
        _do_all(map(_set_fields_set, messages, map(set, fields)))
        _do_all(map(_set_extra, messages, [{} for _ in messages]))
        _do_all(map(_set_private, messages, repeat(None)))
        return messages
