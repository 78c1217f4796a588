"""Where the elements of a serialized list begin and end.

LangGraph's serializer writes a list, such as one of messages, as a msgpack array. If it is cut
between its elements, a message gives the same bytes at any index. A graph's input is a map that
contains the list. It is cut like the list, so the state that the graph makes of it needs no
further chunks.

https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

_MIN_AVERAGE_BYTES = 64
"""Lists of smaller elements are cut as plain bytes, because finding the elements would cost more
than it saves."""

_MAX_VALUES_PER_ELEMENT = 32
"""Lists whose elements have more nested values on average are cut as plain bytes."""

# Per first byte of a value: its size in bytes, first byte included.
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
# Per first byte: how many bytes its length field has, and how many bytes precede the data.
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
# Per first byte: how many values an entry has, and how many bytes its count field has.
_COUNTS = {0xDC: (1, 2), 0xDD: (1, 4), 0xDE: (2, 2), 0xDF: (2, 4)}


_MAX_MAP_BYTES = 1024
"""A map is cut like the list in it if it has at most so many bytes before and after the list."""


def element_offsets(data: bytes) -> list[int] | None:
    """The offset of each element of a msgpack array, and the end of the last.

    The array is the value itself, or the first array in a map that has little else.

    Returns:
        `None` for any other value, and for a list with very small or deeply nested elements.
    """
    try:
        start = _find_array(data)
        return None if start is None else _offsets_at(data, start)
    except (IndexError, KeyError):
        return None  # it only looked like msgpack


def _find_array(data: bytes) -> int | None:
    first = data[0]
    if first & 0xF0 != 0x80:  # noqa: PLR2004 - the numbers of the format, here and below
        return 0
    position = 1
    for _ in range(first & 0x0F):
        position, _ = _skip(data, position, 1)  # the key
        if position > _MAX_MAP_BYTES:
            return None
        if array_at(data, position)[0]:
            return position
        position, _ = _skip(data, position, _MAX_VALUES_PER_ELEMENT)
    return None


def _offsets_at(data: bytes, start: int) -> list[int] | None:
    count, position = array_at(data, start)
    if count * _MIN_AVERAGE_BYTES > len(data) - start or not count:
        return None
    offsets = [position]
    budget = count * _MAX_VALUES_PER_ELEMENT
    for _ in range(count):
        position, walked = _skip(data, position, budget)
        budget -= walked
        if budget < 0:
            return None
        offsets.append(position)
    trailing = len(data) - position
    return offsets if 0 <= trailing <= (_MAX_MAP_BYTES if start else 0) else None


def array_at(data: bytes, start: int) -> tuple[int, int]:
    """The number of elements and the offset of the first; 0 elements if it is not an array."""
    first = data[start]
    if first & 0xF0 == 0x90:  # noqa: PLR2004
        return first & 0x0F, start + 1
    if first in {0xDC, 0xDD}:
        end = start + 1 + _COUNTS[first][1]
        return int.from_bytes(data[start + 1 : end], "big"), end
    return 0, start


def array_header(count: int) -> bytes:
    """The header of a msgpack array of `count` elements."""
    if count < 16:  # noqa: PLR2004
        return bytes([0x90 | count])
    if count < 1 << 16:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")


def _skip(data: bytes, position: int, budget: int) -> tuple[int, int]:
    """The position after a value, and how many values it contains, itself included.

    It stops early if these are more than `budget`.
    """
    remaining = walked = 1
    while remaining and walked <= budget:
        first = data[position]
        remaining -= 1
        nested = 0
        if first in _SIZES:
            position += _SIZES[first]
        elif first in _LENGTHS:
            size, header = _LENGTHS[first]
            position += header + int.from_bytes(data[position + 1 : position + 1 + size], "big")
        elif first in _COUNTS:
            values, size = _COUNTS[first]
            nested = values * int.from_bytes(data[position + 1 : position + 1 + size], "big")
            position += 1 + size
        elif first & 0xF0 == 0x80:  # noqa: PLR2004
            nested, position = 2 * (first & 0x0F), position + 1
        elif first & 0xF0 == 0x90:  # noqa: PLR2004
            nested, position = first & 0x0F, position + 1
        else:
            raise KeyError(first)
        remaining += nested
        walked += nested
    return position, walked
