"""Channel versions: short strings that sort in order and that forks never share."""

from __future__ import annotations

import secrets
from typing import Any

from .errors import InvalidInputError

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_RANDOM_BITS = 32
_RANDOM_CHARACTERS = 6


def next_version(current: Any) -> Any:
    """The version after `current`: a string after `None`, else of the same type.

    A string version is `<length><count>.<random>`: the count in base 36, before
    it a letter for its number of digits (so that `z` sorts before `10`), behind it
    30 random bits (so that two forks of one checkpoint, which both continue from
    the same version, differ). The letter sorts after the digits that the long
    `%032d.%f` strings of LangGraph's own savers begin with.

    A thread that another saver began with `int` or `float` versions goes on with
    numbers: LangGraph takes the `max` over a checkpoint's versions, which a mix
    of numbers and strings has not. Their random part is in the low bits.
    """
    if current is None:
        return _encode(1)
    if isinstance(current, str):
        return _encode(_count(current) + 1)
    if isinstance(current, float):
        return int(current) + 1 + secrets.randbelow(1 << 20) / (1 << 20)
    if isinstance(current, int):
        return ((current >> _RANDOM_BITS) + 1 << _RANDOM_BITS) + secrets.randbits(_RANDOM_BITS)
    raise InvalidInputError(f"current={current!r}: a channel version is a str, an int or a float")


def _encode(count: int) -> str:
    digits = _base_36(count)
    tail = _base_36(secrets.randbelow(36**_RANDOM_CHARACTERS)).rjust(_RANDOM_CHARACTERS, "0")
    return f"{chr(ord('a') + len(digits) - 1)}{digits}.{tail}"


def _base_36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


def _count(version: str) -> int:
    head = version.split(".", 1)[0]
    try:
        return int(head[1:], 36) if head[:1].isalpha() else int(head)
    except ValueError:
        raise InvalidInputError(
            f"current={version[:40]!r}: neither a version of this package nor one of LangGraph's"
        ) from None
