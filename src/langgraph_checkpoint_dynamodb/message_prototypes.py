"""Prototypes of LangChain messages: what a process keeps of one to compare and to make others.

A prototype is the packed state of a message as its stored bytes read: its class and its fields.
A message is the one that is stored if it packs to the same bytes. So equal is the same only if
types and the order of keys are the same too, and each message made of a prototype is an object of
its own down to the last container.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from operator import itemgetter
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

from .elements import array_header

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

# Nothing but plain data is packed: an Enum is not its value, nor a subclass what it derives from.
_EXACT = (
    ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
)
_pack = ormsgpack.packb

# A model's state, set below its own `__setattr__`.
_new = BaseMessage.__new__
_set_fields = BaseModel.__dict__["__dict__"].__set__
_set_fields_set = BaseMessage.__pydantic_fields_set__.__set__  # type: ignore[attr-defined]
_set_extra = BaseMessage.__pydantic_extra__.__set__  # type: ignore[union-attr]
_set_private = BaseMessage.__pydantic_private__.__set__  # type: ignore[union-attr]
_do_all = deque[None](maxlen=0).extend


def _more_of(message: BaseMessage) -> Any:
    return message.__pydantic_extra__ or message.__pydantic_private__


def prototype(message: BaseMessage) -> bytes | None:
    """The state of a message of one of the `KINDS`; `None` if it is more than plain data."""
    if _more_of(message):
        return None
    try:
        return _pack([type(message).__name__, message.__dict__], option=_EXACT)
    except (TypeError, ValueError, RecursionError):
        return None


def prototypes(messages: Sequence[Any]) -> list[bytes | None]:
    """A prototype of each message; `None` for what is none, or is more than plain data."""
    try:
        if KINDS.issuperset(map(type, messages)) and not any(map(_more_of, messages)):
            return [
                _pack([type(message).__name__, message.__dict__], option=_EXACT)
                for message in messages
            ]
    except (TypeError, ValueError, RecursionError):
        pass  # one by one, then: a long list takes a third less time so
    return [prototype(message) if type(message) in KINDS else None for message in messages]


def prototypes_read(messages: Sequence[Any]) -> list[bytes | None]:
    """Prototypes of messages that were just read; `None` for one that they would not make."""
    return [
        made
        if made is not None and message.__pydantic_fields_set__ == message.__dict__.keys()
        else None
        for message, made in zip(messages, prototypes(messages), strict=True)
    ]


def make_messages(made_of: Sequence[bytes]) -> list[BaseMessage]:
    """Messages equal to those that the prototypes were made of."""
    pairs = ormsgpack.unpackb(array_header(len(made_of)) + b"".join(made_of))
    fields = list(map(itemgetter(1), pairs))
    messages: list[BaseMessage] = [_new(_BY_NAME[name]) for name, _ in pairs]  # type: ignore[arg-type]
    _do_all(map(_set_fields, messages, fields))
    _do_all(map(_set_fields_set, messages, map(set, fields)))
    _do_all(map(_set_extra, messages, [{} for _ in messages]))
    _do_all(map(_set_private, messages, [None] * len(messages)))
    return messages
