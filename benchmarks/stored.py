"""Bytes that a table holds, by DynamoDB's own rules for the size of an item.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from collections.abc import Callable
from typing import Any

CONTAINER = 3  # bytes that a list or map costs, whatever is in it
ELEMENT = 1  # bytes that each element of a list or map costs on top of its size


def table_bytes(client: Any, table: str) -> tuple[int, int]:
    """Bytes and number of the items of a table. The scan reads every one of them."""
    size = count = 0
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        size += sum(map(item_bytes, page["Items"]))
        count += page["Count"]
    return size, count


def item_bytes(item: dict[str, dict[str, Any]]) -> int:
    """Size of an item in the form of the low-level API: names and values count."""
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items())


def value_bytes(attribute: dict[str, Any]) -> int:
    ((kind, value),) = attribute.items()
    return SIZES[kind](value)


def number_bytes(number: str) -> int:
    """One byte for two significant digits, one for the exponent, one for a minus sign."""
    mantissa = number.lower().partition("e")[0]
    digits = mantissa.lstrip("+-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + number.startswith("-")


def list_bytes(values: list[dict[str, Any]]) -> int:
    return CONTAINER + sum(ELEMENT + value_bytes(each) for each in values)


def map_bytes(values: dict[str, dict[str, Any]]) -> int:
    return CONTAINER + ELEMENT * len(values) + item_bytes(values)


SIZES: dict[str, Callable[[Any], int]] = {
    "S": lambda text: len(text.encode()),
    "B": len,
    "N": number_bytes,
    "BOOL": lambda _: 1,
    "NULL": lambda _: 1,
    "SS": lambda texts: sum(len(each.encode()) for each in texts),
    "BS": lambda blobs: sum(map(len, blobs)),
    "NS": lambda numbers: sum(map(number_bytes, numbers)),
    "L": list_bytes,
    "M": map_bytes,
}
