"""Where the elements of a serialized list begin and end.

LangGraph's serializer writes a list (of messages, say) as a msgpack array. Cut between
its elements, a message gives the same bytes wherever it stands in the list. A graph's
input is a map that holds the list: cut as the list is, it gives the same pieces, and the
state that it becomes needs no others.

https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

_MIN_AVERAGE = 64
"""Lists of smaller elements are cut as plain bytes: there would be more to walk than to gain."""

_VALUES_AN_ELEMENT = 32
"""Values nested in lists and maps, on average, up to which a list is walked."""

# The first byte of a value: how many bytes it takes in all.
_SIZES = {
    **dict.fromkeys([*range(0x80), *range(0xE0, 0x100), 0xC0, 0xC2, 0xC3], 1),
    **{0xA0 | size: 1 + size for size in range(32)},
    0xCC: 2,
    0xCD: 3,
    0xCE: 5,
    0xCF: 9,
    0xD0: 2,
    0xD1: 3,
    0xD2: 5,
    0xD3: 9,
    0xCA: 5,
    0xCB: 9,
    0xD4: 3,
    0xD5: 4,
    0xD6: 6,
    0xD7: 10,
    0xD8: 18,
}
# How many bytes its length takes, and how many stand before the data beside it.
_LENGTHS = {
    0xC4: (1, 2),
    0xC5: (2, 3),
    0xC6: (4, 5),  # binary
    0xC7: (1, 3),
    0xC8: (2, 4),
    0xC9: (4, 6),  # extension
    0xD9: (1, 2),
    0xDA: (2, 3),
    0xDB: (4, 5),  # string
}
# How many values each of its entries is, and how many bytes its count takes.
_COUNTS = {0xDC: (1, 2), 0xDD: (1, 4), 0xDE: (2, 2), 0xDF: (2, 4)}


_MAX_AROUND = 1024
"""Bytes before a list in a map, and behind it, up to which the map is cut as the list."""


def element_offsets(data: bytes) -> list[int] | None:
    """The offset of each element of a msgpack array, and of its end.

    The array is the value, or the first one in a map that is little else. `None` for
    anything else, and for a list that is not worth the walk.
    """
    try:
        start = _find_array(data)
        return None if start is None else _walk(data, start)
    except (IndexError, KeyError):
        return None  # not msgpack, whatever its first byte says


def _find_array(data: bytes) -> int | None:
    first = data[0]
    if first & 0xF0 != 0x80:  # noqa: PLR2004 - the format's own numbers, here and below
        return 0
    position = 1
    for _ in range(first & 0x0F):
        position, _ = _skip(data, position, 1)  # the key
        if position > _MAX_AROUND:
            return None
        if array_at(data, position)[0]:
            return position
        position, _ = _skip(data, position, _VALUES_AN_ELEMENT)
    return None


def _walk(data: bytes, start: int) -> list[int] | None:
    count, position = array_at(data, start)
    if count * _MIN_AVERAGE > len(data) - start or not count:
        return None
    offsets = [position]
    budget = count * _VALUES_AN_ELEMENT
    for _ in range(count):
        position, walked = _skip(data, position, budget)
        budget -= walked
        if budget < 0:
            return None
        offsets.append(position)
    behind = len(data) - position
    return offsets if 0 <= behind <= (_MAX_AROUND if start else 0) else None


def array_at(data: bytes, start: int) -> tuple[int, int]:
    """The number of elements, and where the first one begins; 0 elements if it is no array."""
    first = data[start]
    if first & 0xF0 == 0x90:  # noqa: PLR2004
        return first & 0x0F, start + 1
    if first in {0xDC, 0xDD}:
        end = start + 1 + _COUNTS[first][1]
        return int.from_bytes(data[start + 1 : end], "big"), end
    return 0, start


def array_header(count: int) -> bytes:
    """How a msgpack array of so many elements begins."""
    if count < 16:  # noqa: PLR2004
        return bytes([0x90 | count])
    if count < 1 << 16:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")


def _skip(data: bytes, position: int, budget: int) -> tuple[int, int]:
    """The position behind a value, and how many values it is made of."""
    left = walked = 1
    while left and walked <= budget:
        first = data[position]
        left -= 1
        inner = 0
        if first in _SIZES:
            position += _SIZES[first]
        elif first in _LENGTHS:
            size, before = _LENGTHS[first]
            position += before + int.from_bytes(data[position + 1 : position + 1 + size], "big")
        elif first in _COUNTS:
            values, size = _COUNTS[first]
            inner = values * int.from_bytes(data[position + 1 : position + 1 + size], "big")
            position += 1 + size
        elif first & 0xF0 == 0x80:  # noqa: PLR2004
            inner, position = 2 * (first & 0x0F), position + 1
        elif first & 0xF0 == 0x90:  # noqa: PLR2004
            inner, position = first & 0x0F, position + 1
        else:
            raise KeyError(first)
        left += inner
        walked += inner
    return position, walked
