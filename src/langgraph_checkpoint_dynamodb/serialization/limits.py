"""Checks the size of checkpoints against `max_checkpoint_bytes`, and estimates sizes of values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import ConfigurationError, InvalidInputError
from ..format.body import Record
from ..runtime.context import Context

_MAX_WALK = 400
"""Objects that are visited to estimate the size of a value: about 50 microseconds."""


def check_size(context: Context, wanted: Iterable[tuple[int, Record]], where: str) -> None:
    """Refuse to load more than `max_bytes`; `wanted` is as for `chunk_reader.load`.

    Raises:
        ConfigurationError: The records claim more.
    """
    size = sum(record.size for _, record in wanted)
    if size > context.max_bytes:
        raise ConfigurationError(
            f"max_checkpoint_bytes={context.max_bytes} is too low for {where}: its values and "
            f"pending writes have {size} bytes; if they are not forged, raise the limit in "
            "DynamoDBConfig"
        )


def check_new(context: Context, sizes: dict[str, int], where: str) -> None:
    """Refuse to store what a reader would refuse to load; `sizes` are in bytes, by channel.

    Raises:
        InvalidInputError: The values are larger than `max_bytes`.
    """
    size = sum(sizes.values())
    if size > context.max_bytes:
        largest = max(sizes, key=lambda channel: sizes[channel])
        raise InvalidInputError(
            f"{where}: values of {size} bytes, most of them in channel {largest!r}, over "
            f"max_checkpoint_bytes={context.max_bytes}: store less, or raise it in DynamoDBConfig "
            "for every process that reads the table"
        )


def estimate_bytes(value: Any) -> int | None:
    """Estimate the size of a small value: the total length of its strings, without dict keys.

    Returns:
        `None` for a value of too many objects, or with an object of unknown size.
    """
    size = 0
    objects = _MAX_WALK
    stack = [value]
    while stack:
        one = stack.pop()
        objects -= 1
        match one:
            case str() | bytes() | bytearray():
                size += len(one)
            case dict():
                stack += one.values()
            case list() | tuple() | set():
                stack += one
            case None | bool() | int() | float():
                pass
            case _:  # such as a message; an object without a `__dict__` has an unknown size
                fields = getattr(one, "__dict__", None)
                if fields is None:
                    return None
                stack.append(fields)
        if objects < len(stack):
            return None
    return size
