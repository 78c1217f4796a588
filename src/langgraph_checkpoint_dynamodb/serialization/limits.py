"""How large a checkpoint may be, and how large a value is at most."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import CorruptCheckpointError, InvalidInputError
from ..format.body import Body
from ..runtime.context import Context

_MAX_WALK = 400
"""Objects that are looked at to find how large a value is, some 50 microseconds."""


def check_size(context: Context, found: Iterable[Body], where: str) -> None:
    """Refuse to put together more than `max_bytes`.

    Raises:
        CorruptCheckpointError: The records claim more.
    """
    size = sum(record.size for body in found for record in body.records)
    if size > context.max_bytes:
        raise CorruptCheckpointError(
            f"{where}: values and pending writes of {size} bytes, over max_checkpoint_bytes="
            f"{context.max_bytes}; if they are genuine, raise it in DynamoDBConfig"
        )


def check_new(context: Context, sizes: dict[str, int], where: str) -> None:
    """Refuse to store what a reader would refuse to put together.

    Raises:
        InvalidInputError: The values, with their sizes by channel, take over `max_bytes`.
    """
    size = sum(sizes.values())
    if size > context.max_bytes:
        largest = max(sizes, key=lambda channel: sizes[channel])
        raise InvalidInputError(
            f"{where}: values of {size} bytes, most of them in channel {largest!r}, over "
            f"max_checkpoint_bytes={context.max_bytes}: store less, or raise it in DynamoDBConfig "
            "for every process that reads the table"
        )


def bytes_at_most(value: Any) -> int | None:
    """An upper bound of the bytes that a small value holds; `None` if that is not soon found."""
    size = 0
    objects = _MAX_WALK
    left = [value]
    while left:
        one = left.pop()
        objects -= 1
        match one:
            case str() | bytes() | bytearray():
                size += len(one)
            case dict():
                left += one.values()
            case list() | tuple() | set():
                left += one
            case None | bool() | int() | float():
                pass
            case _:  # a message, say; what keeps its content elsewhere is not known
                fields = getattr(one, "__dict__", None)
                if fields is None:
                    return None
                left.append(fields)
        if objects < len(left):
            return None
    return size
