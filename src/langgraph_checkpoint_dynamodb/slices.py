"""LangGraph's serializer, a slice of a large list at a time.

The serializer goes through a list in one call, during which no other thread gets a turn soon
(see `turns`). Between slices each does.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from . import turns
from .codec import Typed
from .elements import array_at, array_header, element_offsets

MSGPACK = "msgpack"
"""What LangGraph's serializer calls the bytes of a list."""

_BYTES = 32 * 1024
"""A slice of messages of a kilobyte takes half a millisecond."""

_FIRST = 64
"""Elements of the first slice, whose sizes are not known yet."""


def is_langgraphs(serde: SerializerProtocol) -> bool:
    """Whether a serde is LangGraph's own: another may write or read lists in its own way."""
    return type(serde) is JsonPlusSerializer and not getattr(serde, "_custom_unpack_ext_hook", True)


def dumps(serde: SerializerProtocol, value: Any) -> Typed:
    """`serde.dumps_typed`: the same bytes."""
    if type(value) is not list or len(value) <= _FIRST or not is_langgraphs(serde):
        return serde.dumps_typed(value)
    whole = value[:]  # a graph may append to its list meanwhile
    pieces = [array_header(len(whole))]
    done, count = 0, _FIRST
    while done < len(whole):
        part = whole[done : done + count]
        kind, data = serde.dumps_typed(part)
        if kind != MSGPACK:
            return serde.dumps_typed(value)
        pieces.append(data[len(array_header(len(part))) :])
        done += count
        count = max(1, min(count * _BYTES // len(data), 2 * count))
        turns.offer()
    return MSGPACK, b"".join(pieces)


def loads(serde: SerializerProtocol, value: Typed) -> Any:
    """`serde.loads_typed`: the same value."""
    kind, data = value
    if kind != MSGPACK or len(data) <= 2 * _BYTES or not is_langgraphs(serde):
        return serde.loads_typed(value)
    count, begin = array_at(data, 0)
    offsets = element_offsets(data) if data[:begin] == array_header(count) else None
    if offsets is None:
        return serde.loads_typed(value)
    elements: list[Any] = []
    while len(elements) < count:
        first = len(elements)
        end = max(first + 1, bisect_right(offsets, offsets[first] + _BYTES) - 1)
        part = array_header(end - first) + data[offsets[first] : offsets[end]]
        elements += serde.loads_typed((MSGPACK, part))
        turns.offer()
    return elements
