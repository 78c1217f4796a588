"""Templates of LangChain messages: what a process keeps of one instead of its bytes.

A template is a message as its bytes read. A message that equals it is the one that is
stored, so it need not be serialized again; and it makes other messages without
deserializing them. Each message that it makes is an object of its own: what a graph does to
it in place changes neither the template nor another reader's message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

_NESTS = frozenset({dict, list})

# A number equals others of other types (1, 1.0, True), so what holds one is compared as bytes.
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
_fields = BaseModel.__dict__["__dict__"].__set__
_fields_set = BaseMessage.__pydantic_fields_set__.__set__  # type: ignore[attr-defined]
_extra = BaseMessage.__pydantic_extra__.__set__  # type: ignore[union-attr]
_private = BaseMessage.__pydantic_private__.__set__  # type: ignore[union-attr]


class Template:
    """A message as its bytes read, to make others of."""

    __slots__ = ("_dicts", "_fields_set", "_filled", "_lists", "fields", "is_exact", "kind")

    def __init__(self, message: BaseMessage) -> None:
        """Copy a message.

        Raises:
            TypeError: It holds more than plain data.
        """
        self.kind = type(message)
        if self.kind not in KINDS or message.__pydantic_extra__ or message.__pydantic_private__:
            raise TypeError("more than a message's own fields")
        self.fields = {name: _copy(value) for name, value in message.__dict__.items()}
        self._fields_set = frozenset(message.__pydantic_fields_set__)
        # Most of a message's containers are empty.
        self._dicts = [name for name, value in self.fields.items() if value == {}]
        self._lists = [name for name, value in self.fields.items() if value == []]
        self._filled = [
            (name, value) for name, value in self.fields.items() if value and type(value) in _NESTS
        ]
        self.is_exact = not any(map(_holds_number, self.fields.values()))

    def make(self) -> BaseMessage:
        """A message, equal to and independent of all others."""
        fields = self.fields.copy()
        for name in self._dicts:
            fields[name] = {}
        for name in self._lists:
            fields[name] = []
        for name, value in self._filled:
            fields[name] = _copy(value)
        message: BaseMessage = _new(self.kind)
        _fields(message, fields)
        _fields_set(message, set(self._fields_set))
        _extra(message, {})
        _private(message, None)
        return message

    def matches(self, message: BaseMessage) -> bool:
        """Whether the message is what this template makes."""
        if type(message) is not self.kind or message.__pydantic_extra__:
            return False
        try:
            if message.__dict__ != self.fields:
                return False
        except Exception:  # noqa: BLE001 - of what a graph put into a field
            return False
        return self.is_exact or _exactly(message.__dict__) == _exactly(self.fields)


def _copy(value: Any) -> Any:
    """Plain data, copied.

    Raises:
        TypeError: It is not plain.
    """
    kind = type(value)
    if value is None or kind in {str, bool, int, float}:
        return value
    if kind is list:
        return [_copy(one) for one in value]
    if kind is dict and all(type(name) is str for name in value):
        return {name: _copy(one) for name, one in value.items()}
    raise TypeError(f"a {kind.__name__}")


def _holds_number(value: Any) -> bool:
    if type(value) in _NESTS:
        return any(map(_holds_number, value.values() if type(value) is dict else value))
    return type(value) in {bool, int, float}


def _exactly(fields: dict[str, Any]) -> bytes | None:
    try:
        return ormsgpack.packb(fields, option=_EXACT)
    except ormsgpack.MsgpackEncodeError:
        return None


def templates_of(messages: Iterable[Any]) -> tuple[Template, ...] | None:
    """A template of each message; `None` if one of them is more than plain data."""
    try:
        return tuple(map(Template, messages))
    except (TypeError, AttributeError):  # not plain, or not a message after all
        return None


def count_same(templates: Sequence[Template], messages: Sequence[BaseMessage]) -> int:
    """How many messages at the start are what their templates make."""
    if _all_same(templates, messages[: len(templates)]):
        return len(templates)
    count = 0
    for template, message in zip(templates, messages, strict=False):
        if not template.matches(message):
            break
        count += 1
    return count


def _all_same(templates: Sequence[Template], messages: Sequence[BaseMessage]) -> bool:
    """The usual case, compared in one sweep."""
    if [template.kind for template in templates] != list(map(type, messages)):
        return False
    try:
        if [template.fields for template in templates] != [one.__dict__ for one in messages]:
            return False
    except Exception:  # noqa: BLE001 - of what a graph put into a field
        return False
    return not any(one.__pydantic_extra__ for one in messages) and all(
        template.is_exact or template.matches(message)
        for template, message in zip(templates, messages, strict=True)
    )
