"""How large an item is to DynamoDB."""

from __future__ import annotations

from typing import Any


def item_bytes(item: dict[str, Any]) -> int:
    """An item's size by DynamoDB's rules, for the types that items here have."""
    total = 0
    for name, typed in item.items():
        ((kind, value),) = typed.items()
        total += len(name.encode())
        match kind:
            case "S":
                total += len(value.encode())
            case "B":
                total += len(value)
            case "N":
                digits = value.strip("-").replace(".", "").strip("0")
                total += (len(digits) + 1) // 2 + 1 + value.startswith("-")
            case _:
                raise NotImplementedError(kind)
    return total
