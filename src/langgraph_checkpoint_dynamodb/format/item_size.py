"""The size of an item, by DynamoDB's rules.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..runtime.effects import Item

_NESTED_BYTES = 3  # of a list or a map, beside a byte for each entry
_FLAG_BYTES = 1  # of a boolean or null

WRITE_UNIT_BYTES = 1024
"""A write unit is for this much of an item, begun or full."""


def item_size(item: Item) -> int:
    """An item's size in bytes: its attributes' names and values."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def write_units(size: int) -> int:
    """The write units that an item of `size` bytes takes to be written, or to be deleted."""
    return -(-size // WRITE_UNIT_BYTES)


def _value_size(typed: dict[str, Any]) -> int:
    ((kind, value),) = typed.items()
    size = _SIZES.get(kind)
    return _FLAG_BYTES if size is None else size(value)


def _number_size(text: str) -> int:
    """A byte for each two significant digits, one for the exponent and one for a minus sign."""
    digits = text.lower().partition("e")[0].lstrip("-").replace(".", "").strip("0")
    return -(-len(digits) // 2) + 1 + text.startswith("-")


_SIZES: Mapping[str, Callable[[Any], int]] = {
    "S": lambda value: len(value.encode()),
    "N": _number_size,
    "B": len,
    "SS": lambda value: sum(len(one.encode()) for one in value),
    "NS": lambda value: sum(map(_number_size, value)),
    "BS": lambda value: sum(map(len, value)),
    "L": lambda value: _NESTED_BYTES + sum(1 + _value_size(one) for one in value),
    "M": lambda value: _NESTED_BYTES + len(value) + item_size(value),
}
