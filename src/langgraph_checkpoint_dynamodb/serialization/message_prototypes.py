"""Prototypes of LangChain messages, for comparing messages and for creating copies.

A prototype is the packed state of a message after a round trip through the serializer: the name
of its class, then its fields. The prototypes of a list can be joined into one msgpack array of
twice as many elements.

A message equals the stored one if it packs to the same bytes, so types and the order of keys count
too. A message that is created from a prototype shares no object with another, down to the last
container.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import chain, repeat, takewhile
from operator import attrgetter
from typing import Any

import ormsgpack
from langchain_core import messages as langchain
from langchain_core.messages import BaseMessage
from pydantic import BaseModel

from ..chunking.msgpack_arrays import array_header
from ..runtime.gc_pause import paused

KINDS = frozenset(
    {
        langchain.AIMessage,
        langchain.ChatMessage,
        langchain.FunctionMessage,
        langchain.HumanMessage,
        langchain.RemoveMessage,
        langchain.SystemMessage,
        langchain.ToolMessage,
    }
)
"""Only the fields of these classes decide their bytes, and LangGraph reads them with any allowlist.
"""

_BY_NAME = {kind.__name__: kind for kind in KINDS}

_BLOCK = 64
"""Messages that are packed or unpacked at once. A buffer for 2,000 messages is so large that the
allocator maps new memory each time: comparing them takes 5 ms, and in blocks 2 ms."""

# Only plain data is packed. An Enum does not equal its value, nor a subclass its base class.
_EXACT = (
    ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
)

# These set a model's state without calling its own `__setattr__`.
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
    """The prototype of a message of one of the `KINDS`; `None` if it has more than plain data."""
    if message.__pydantic_extra__:
        return None
    try:
        pair = [type(message).__name__, message.__dict__]
        return ormsgpack.packb(pair, option=_EXACT)[1:]
    except (TypeError, ValueError, RecursionError):
        return None


def prototypes(messages: Sequence[Any]) -> list[bytes | None]:
    """A prototype of each message; `None` for other objects, and for more than plain data."""
    return [prototype(message) if type(message) in KINDS else None for message in messages]


def prototypes_read(messages: Sequence[Any]) -> list[bytes | None]:
    """Prototypes of messages that were just read.

    `None` for a message that its prototype would not reproduce.
    """
    return [
        made
        if made is not None and message.__pydantic_fields_set__ == message.__dict__.keys()
        else None
        for message, made in zip(messages, prototypes(messages), strict=True)
    ]


def count_same(before: Sequence[bytes], messages: Sequence[BaseMessage]) -> int:
    """How many messages at the start equal the stored ones, given the prototypes of these."""
    for begin in range(0, len(before), _BLOCK):
        known = before[begin : begin + _BLOCK]
        block = messages[begin : begin + len(known)]
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


def _joined(packed: Sequence[bytes]) -> bytes:
    return array_header(2 * len(packed)) + b"".join(packed)


def make_messages(packed: Sequence[bytes]) -> list[BaseMessage]:
    """Create messages from prototypes."""
    with paused():
        flat: list[Any] = []
        for begin in range(0, len(packed), _BLOCK):
            flat += ormsgpack.unpackb(_joined(packed[begin : begin + _BLOCK]))
        fields = flat[1::2]
        messages: list[BaseMessage] = [_new(_BY_NAME[name]) for name in flat[::2]]  # type: ignore[arg-type]
        _do_all(map(_set_fields, messages, fields))
        _do_all(map(_set_fields_set, messages, map(set, fields)))
        _do_all(map(_set_extra, messages, [{} for _ in messages]))
        _do_all(map(_set_private, messages, repeat(None)))
        return messages
