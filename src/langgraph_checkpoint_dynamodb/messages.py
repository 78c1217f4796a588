"""Lists of LangChain messages: what did not change is neither written nor read again.

A conversation is one list, and LangGraph hands over all of it at every step. A
*memo* is what a process keeps of a stored list: a template of each message, which
is what reading it gives, and the segments that it was cut into. A message that
equals its template is the one that is stored, so it is not serialized again; and
a template makes the message without deserializing it.

Every message that is read is an object of its own: what a graph does to it in place
changes neither a template nor another reader's message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
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
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from pydantic import BaseModel

from .chunking import Elements
from .codec import Typed
from .elements import element_offsets
from .leaves import Segment

TYPE = "msgpack"
"""What the serde calls the bytes of a list."""

_KINDS = frozenset(
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

_MAX_MESSAGES = 8192
"""A list of more is not remembered: a memo would take as much memory as the state itself."""

_MAX_NEW = 64
"""Messages that are worth a template at once. More, and they may never be read."""

MEMO_SPEED = 8
"""How many times faster than its bytes a memo is made or used."""

_TEMPLATE_BYTES = 1400  # memory beside the message's own text

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


class _Template:
    """A message as its bytes read, to make others of."""

    __slots__ = ("_dicts", "_fields_set", "_filled", "_lists", "fields", "is_exact", "kind")

    def __init__(self, message: BaseMessage) -> None:
        """Copy a message.

        Raises:
            TypeError: It holds more than plain data.
        """
        self.kind = type(message)
        if self.kind not in _KINDS or message.__pydantic_extra__ or message.__pydantic_private__:
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


@dataclass(frozen=True, slots=True)
class Memo:
    """What is kept of a stored list of messages.

    Attributes:
        templates: Of its first messages, or of all.
        segments: Of its first messages.
        elements: How many messages it has.
    """

    templates: tuple[_Template, ...]
    segments: tuple[Segment, ...]
    elements: int

    @property
    def is_whole(self) -> bool:
        """Whether the list can be made without its bytes."""
        return len(self.templates) == self.elements

    @property
    def overhead(self) -> int:
        """About how many bytes of memory it takes, beside the messages' own."""
        return _TEMPLATE_BYTES * len(self.templates) + 300 * len(self.segments)

    @property
    def work(self) -> int:
        """How many bytes would take as long to deserialize as `make` takes."""
        return _TEMPLATE_BYTES * len(self.templates) // MEMO_SPEED

    def make(self) -> list[BaseMessage]:
        """The list."""
        return [template.make() for template in self.templates]


@dataclass(frozen=True, slots=True)
class Written:
    """A list as it is to be stored."""

    elements: Elements
    templates: tuple[_Template, ...]

    def memo(self, segments: tuple[Segment, ...]) -> Memo:
        """What to keep of it, once it has been cut."""
        new = len(self.elements.offsets) - 1
        return Memo(self.templates, segments, self.elements.stored.elements + new)


def serves(serde: SerializerProtocol) -> bool:
    """Whether a serde is LangGraph's own: another may write or read messages in its own way."""
    return type(serde) is JsonPlusSerializer and not getattr(serde, "_custom_unpack_ext_hook", True)


def handles(serde: SerializerProtocol, value: Any) -> bool:
    """Whether a value is a list that this module can take, under this serde."""
    return (
        serves(serde)
        and type(value) is list
        and 0 < len(value) <= _MAX_MESSAGES
        and _KINDS.issuperset(map(type, value))
    )


def remember(messages: Sequence[BaseMessage], memo: Memo | None = None) -> Memo | None:
    """A memo of a list that was just read; `memo` is an older one of the same list."""
    made = _templates(messages)
    return Memo(made, memo.segments if memo else (), len(messages)) if made else None


def write(
    messages: Sequence[BaseMessage],
    memo: Memo | None,
    known: Set[bytes],
    serialize: Callable[[Sequence[BaseMessage]], Typed],
    load: Callable[[Typed], Any],
) -> Written | None:
    """Serialize what a list has beyond the one before it.

    Args:
        messages: The list.
        memo: Of the list before it, if there is one.
        known: Chunks that are stored.
        serialize: The serde's, of a list.
        load: Its reverse.

    Returns:
        `None` if the bytes are not a list of as many elements.
    """
    templates = memo.templates if memo else ()
    same = _count_same(templates, messages)
    before = _unchanged(memo.segments, same, known) if memo else ()
    first = before[-1].elements if before else 0
    kind, data = serialize(messages[first:])
    offsets = element_offsets(data)
    if kind != TYPE or offsets is None or len(offsets) != len(messages) - first + 1:
        return None
    elements = Elements(_header(len(messages)), before, data, offsets)
    found = _find(templates[same:], messages[same:])
    new = [number for number, one in enumerate(found) if one is None]
    if len(new) <= _MAX_NEW:
        # Read back: a template is what the bytes say, and not what the graph put.
        at = [same - first + number for number in new]
        parts = [data[offsets[number] : offsets[number + 1]] for number in at]
        made = _templates(load((TYPE, _header(len(new)) + b"".join(parts)))) if new else ()
        for number, template in zip(new, made or (), strict=False):
            found[number] = template
    end = found.index(None) if None in found else len(found)
    whole = [template for template in found[:end] if template is not None]
    return Written(elements, (*templates[:same], *whole))


def _count_same(templates: Sequence[_Template], messages: Sequence[BaseMessage]) -> int:
    """How many messages at the start are what their templates make."""
    if _all_same(templates, messages[: len(templates)]):
        return len(templates)
    count = 0
    for template, message in zip(templates, messages, strict=False):
        if not template.matches(message):
            break
        count += 1
    return count


def _all_same(templates: Sequence[_Template], messages: Sequence[BaseMessage]) -> bool:
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


def _unchanged(segments: Sequence[Segment], same: int, known: Set[bytes]) -> tuple[Segment, ...]:
    """The segments that hold none but the first `same` messages, and whose leaves are stored."""
    count = 0
    for segment in segments:
        if segment.elements > same or not all(ref in known for ref in segment.refs):
            break
        count += 1
    return tuple(segments[:count])


def _find(
    templates: Iterable[_Template], messages: Sequence[BaseMessage]
) -> list[_Template | None]:
    """The template of each message by its id: it may stand elsewhere now."""
    by_id = {template.fields.get("id"): template for template in templates}
    ids = [message.__dict__.get("id") for message in messages]
    found = [by_id.get(one) if type(one) is str else None for one in ids]
    return [
        template if template is not None and template.matches(message) else None
        for template, message in zip(found, messages, strict=True)
    ]


def _templates(messages: Iterable[Any]) -> tuple[_Template, ...] | None:
    try:
        return tuple(map(_Template, messages))
    except (TypeError, AttributeError):  # not plain, or not a message after all
        return None


def _header(count: int) -> bytes:
    """How a msgpack array of so many elements begins."""
    if count < 16:  # noqa: PLR2004 - the format's own numbers
        return bytes([0x90 | count])
    return b"\xdc" + count.to_bytes(2, "big")
