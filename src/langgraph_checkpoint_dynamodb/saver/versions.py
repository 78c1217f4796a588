"""Channel versions in the format of LangGraph's savers, which can continue each other's threads."""

from __future__ import annotations

import secrets
from typing import Any

from ..errors import InvalidInputError

_FRACTIONS = 10**9


def next_version(current: Any) -> Any:
    """The version after `current`: a string for `None`, else of the type of `current`.

    A string is a count of 32 digits, a dot, and a random fraction, which makes the versions of two
    forks of a checkpoint different. LangGraph's savers for memory, SQLite and Postgres and
    LangGraph Server also write `f"{count:032}.{fraction:016}"`, and read the count before the dot.
    The fraction here has 9 random digits, about 30 bits: random digits do not compress, and each
    checkpoint stores them.

    A thread that another saver started with `int` or `float` versions keeps that type: LangGraph
    takes the `max` of a checkpoint's versions, and numbers do not compare with strings.

    Raises:
        InvalidInputError: `current` is not a version.
    """
    if current is None:
        return _text(1)
    if isinstance(current, str):
        return _text(_count(current) + 1)
    if isinstance(current, int | float) and not isinstance(current, bool):
        return current + 1
    raise InvalidInputError(f"current={current!r}: a channel version is a str, int or float")


def _text(count: int) -> str:
    return f"{count:032}.{secrets.randbelow(_FRACTIONS) / _FRACTIONS:016.9f}"


def _count(version: str) -> int:
    try:
        return int(version.split(".", 1)[0])
    except ValueError:
        raise InvalidInputError(
            f"current={version[:40]!r}: a channel version begins with a whole number and a dot, "
            "as in LangGraph's savers"
        ) from None
