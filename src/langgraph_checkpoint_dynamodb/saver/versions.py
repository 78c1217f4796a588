"""Channel versions, in the form of LangGraph's own savers, so that each continues the other's."""

from __future__ import annotations

import secrets
from typing import Any

from ..errors import InvalidInputError

_FRACTIONS = 10**9


def next_version(current: Any) -> Any:
    """The version after `current`: a string after `None`, else of the same type.

    A string is the count in 32 digits, a dot, and a random fraction, by which two forks of one
    checkpoint differ. LangGraph's savers for memory, SQLite and Postgres and LangGraph
    Server write `f"{count:032}.{fraction:016}"` too, and read the count in front of the dot.
    The fraction here has 9 digits, about 30 bits: what is random takes up space in every
    checkpoint.

    A thread that another saver began with `int` or `float` versions goes on with numbers:
    LangGraph takes the `max` over a checkpoint's versions, which a mix with strings has not.

    Raises:
        InvalidInputError: `current` is no version.
    """
    if current is None:
        return _text(1)
    if isinstance(current, str):
        return _text(_count(current) + 1)
    if isinstance(current, int | float) and not isinstance(current, bool):
        return current + 1
    raise InvalidInputError(f"current={current!r}: a channel version is a str, an int or a float")


def _text(count: int) -> str:
    return f"{count:032}.{secrets.randbelow(_FRACTIONS) / _FRACTIONS:016.9f}"


def _count(version: str) -> int:
    try:
        return int(version.split(".", 1)[0])
    except ValueError:
        raise InvalidInputError(
            f"current={version[:40]!r}: a channel version begins with a whole number and a dot, as "
            "LangGraph's do"
        ) from None
