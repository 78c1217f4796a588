"""Where the elements of a serialized list begin and end.

LangGraph's serializer writes a list (of messages, say) as a msgpack array. Cut between
its elements, a message gives the same bytes wherever it stands in the list.

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


def element_offsets(data: bytes) -> list[int] | None:
    """The offset of each element of a msgpack array, and of its end.

    `None` for anything else, and for a list that is not worth the walk.
    """
    if not data:
        return None
    count, position = _array(data)
    if count * _MIN_AVERAGE > len(data) or not count:
        return None
    offsets = [position]
    budget = count * _VALUES_AN_ELEMENT
    try:
        for _ in range(count):
            position, walked = _skip(data, position, budget)
            budget -= walked
            if budget < 0:
                return None
            offsets.append(position)
    except (IndexError, KeyError):
        return None  # not msgpack, whatever its first byte says
    return offsets if position == len(data) else None


def _array(data: bytes) -> tuple[int, int]:
    """The number of elements and the size of the header; 0 elements if it is no array."""
    first = data[0]
    if first & 0xF0 == 0x90:  # noqa: PLR2004 - the format's own numbers, here and below
        return first & 0x0F, 1
    if first in {0xDC, 0xDD}:
        size = _COUNTS[first][1]
        return int.from_bytes(data[1 : 1 + size], "big"), 1 + size
    return 0, 0


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
