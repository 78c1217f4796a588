"""What DynamoDB asks for units and bytes: the package's list, which needs no import of it."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent.parent / "src" / "langgraph_checkpoint_dynamodb"

# By its path: some savers' environments do not have what the package needs.
ON_DEMAND: Any = runpy.run_path(str(_PACKAGE / "maintenance" / "prices.py"))["ON_DEMAND"]
MILLION = 1_000_000


def per_1000_turns(write_units: float, read_units: float, turns: int) -> float:
    return float(ON_DEMAND.units(write_units, read_units)) / turns * 1000


def as_json() -> dict[str, object]:
    return {
        "region": ON_DEMAND.region,
        "date": ON_DEMAND.date,
        "source": ON_DEMAND.source,
        "million_write_units": round(ON_DEMAND.write_unit * MILLION, 6),
        "million_read_units": round(ON_DEMAND.read_unit * MILLION, 6),
        "gigabyte_month": ON_DEMAND.byte_month * 1024**3,
    }
