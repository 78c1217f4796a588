"""Numbers with their nouns, for messages."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number with its noun in the singular or the plural: "1 thread", "2 threads"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
