"""Sums of reports."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def total(one: T, other: T) -> T:
    """A dataclass whose fields are the sums of those of two others."""
    report: Any = one
    return type(one)(
        **{
            field.name: getattr(one, field.name) + getattr(other, field.name)
            for field in fields(report)
        }
    )
