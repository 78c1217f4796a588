"""Templates of LangChain messages: what a process keeps of one instead of its bytes.

A template is a message as its bytes read. A message that equals it is the one that is
stored, so it need not be serialized again; and it makes other messages without
deserializing them. Each message that it makes is an object of its own: what a graph does to
it in place changes neither the template nor another reader's message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
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

_EMPTY_DICT: dict[str, Any] = {}
_EMPTY_LIST: list[Any] = []

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

_fields_of = attrgetter("__dict__")
_extra_of = attrgetter("__pydantic_extra__")
_kind_of = attrgetter("kind")
_filled_of = attrgetter("filled")
_do_all = deque[None](maxlen=0).extend


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What the templates of many messages have in common.

    Attributes:
        kind: The messages' class.
        dicts: The fields that hold an empty one: most of a message's containers are empty.
        lists: The same.
        filled: The fields that hold one that is not empty.
        numbers: The fields that hold a number, at any depth.
        fields_set: What pydantic keeps under this name.
    """

    kind: type[BaseMessage]
    dicts: tuple[str, ...]
    lists: tuple[str, ...]
    filled: tuple[str, ...]
    numbers: tuple[str, ...]
    fields_set: frozenset[str]


_shape = lru_cache(maxsize=1024)(Shape)


@dataclass(frozen=True, slots=True)
class Template:
    """A message as its bytes read, to make others of."""

    fields: dict[str, Any]
    shape: Shape

    @classmethod
    def of(cls, message: BaseMessage) -> Template:
        """Copy a message.

        Raises:
            TypeError: It holds more than plain data.
        """
        kind = type(message)
        if kind not in KINDS or message.__pydantic_extra__ or message.__pydantic_private__:
            raise TypeError("more than a message's own fields")
        fields: dict[str, Any] = {}
        dicts, lists, filled, numbers = [], [], [], []
        for name, value in message.__dict__.items():
            if value is None or type(value) is str:
                fields[name] = value
            elif type(value) is dict and not value:
                fields[name] = _EMPTY_DICT
                dicts.append(name)
            elif type(value) is list and not value:
                fields[name] = _EMPTY_LIST
                lists.append(name)
            else:
                fields[name] = _copy(value)
                if type(value) in _NESTS:
                    filled.append(name)
                if _holds_number(value):
                    numbers.append(name)
        names = (tuple(dicts), tuple(lists), tuple(filled), tuple(numbers))
        return cls(fields, _shape(kind, *names, frozenset(message.__pydantic_fields_set__)))

    def matches(self, message: BaseMessage) -> bool:
        """Whether the message is what this template makes."""
        if type(message) is not self.shape.kind or message.__pydantic_extra__:
            return False
        try:
            return message.__dict__ == self.fields and self._is_exactly(message)
        except Exception:  # noqa: BLE001 - of what a graph put into a field
            return False

    def _is_exactly(self, message: BaseMessage) -> bool:
        """Whether the numbers of an equal message are of the same types."""
        return all(
            _exactly(message.__dict__[name]) == _exactly(self.fields[name])
            for name in self.shape.numbers
        )


@dataclass(frozen=True, slots=True)
class Templates:
    """Those of a list's first messages, in columns.

    A long list takes longer to fetch from memory than to compare, so what each message needs
    is close together or shared.
    """

    fields: tuple[dict[str, Any], ...] = ()
    shapes: tuple[Shape, ...] = ()

    @classmethod
    def of(cls, templates: Iterable[Template]) -> Templates:
        """Arrange templates."""
        listed = list(templates)
        return cls(tuple(one.fields for one in listed), tuple(one.shape for one in listed))

    def __len__(self) -> int:
        return len(self.fields)

    def __add__(self, more: Templates) -> Templates:
        return Templates(self.fields + more.fields, self.shapes + more.shapes)

    def __getitem__(self, number: int) -> Template:
        return Template(self.fields[number], self.shapes[number])

    @property
    def overhead(self) -> int:
        """About how many bytes of memory they take, beside the messages' own."""
        return 400 * len(self) + 350 * sum(map(len, map(_filled_of, self.shapes)))

    def first(self, count: int) -> Templates:
        """The first so many."""
        return Templates(self.fields[:count], self.shapes[:count])

    def make(self) -> list[BaseMessage]:
        """The messages, equal to and independent of all others."""
        made = list(map(dict.copy, self.fields))
        for fields, shape in zip(made, self.shapes, strict=True):
            for name in shape.dicts:
                fields[name] = {}
            for name in shape.lists:
                fields[name] = []
            for name in shape.filled:
                fields[name] = _copy(fields[name])
        messages: list[BaseMessage] = list(map(_new, map(_kind_of, self.shapes)))
        _do_all(map(_fields, messages, made))
        _do_all(map(_fields_set, messages, self._fields_sets()))
        _do_all(map(_extra, messages, [{} for _ in messages]))
        _do_all(map(_private, messages, repeat(None)))
        return messages

    def _fields_sets(self) -> list[set[str]]:
        """A set for each message; those of this list that miss no field share one.

        All that pydantic does with it is to add the fields that are assigned to.
        """
        shared = {
            shape: set(shape.fields_set)
            for shape in set(self.shapes)
            if shape.fields_set.issuperset(shape.kind.model_fields)
        }
        return [shared.get(shape) or set(shape.fields_set) for shape in self.shapes]

    def count_same(self, messages: Sequence[BaseMessage]) -> int:
        """How many messages at the start are what their templates make."""
        if self._all_same(messages[: len(self)]):
            return len(self)
        for number, message in enumerate(messages[: len(self)]):
            if not self[number].matches(message):
                return number
        return min(len(self), len(messages))

    def _all_same(self, messages: Sequence[BaseMessage]) -> bool:
        """The usual case, compared in one sweep."""
        if tuple(map(type, messages)) != tuple(map(_kind_of, self.shapes)):
            return False
        try:
            if tuple(map(_fields_of, messages)) != self.fields or any(map(_extra_of, messages)):
                return False
            return all(
                self[number]._is_exactly(messages[number])
                for number, shape in enumerate(self.shapes)
                if shape.numbers
            )
        except Exception:  # noqa: BLE001 - of what a graph put into a field
            return False


NONE = Templates()
"""Of a list that is not known."""


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


def _exactly(value: Any) -> bytes | None:
    try:
        return ormsgpack.packb(value, option=_EXACT)
    except ormsgpack.MsgpackEncodeError:
        return None


def templates_of(messages: Iterable[Any]) -> Templates | None:
    """A template of each message; `None` if one of them is more than plain data."""
    try:
        return Templates.of(map(Template.of, messages))
    except (TypeError, AttributeError):  # not plain, or not a message after all
        return None
