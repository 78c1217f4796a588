"""What DynamoDB asks for units and bytes: the only list of prices in this project.

The benchmarks and the command line use it. To renew it, change the figures and the date together.
"""

from __future__ import annotations

from dataclasses import dataclass

ITEM_OVERHEAD = 100
"""Bytes that AWS bills for each stored item beside its size.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""


@dataclass(frozen=True)
class Prices:
    """List prices of a table in on-demand mode and the class `STANDARD`, in US$.

    Attributes:
        region: The AWS Region.
        date: The day on which the prices were read.
        source: The page that has them.
        write_unit: Price of a write request unit.
        read_unit: Price of a read request unit.
        byte_month: Price of a byte that is stored for a month.
    """

    region: str
    date: str
    source: str
    write_unit: float
    read_unit: float
    byte_month: float

    def units(self, write_units: float, read_units: float) -> float:
        """The price of some units."""
        return write_units * self.write_unit + read_units * self.read_unit

    def storage_month(self, stored_bytes: float, items: float) -> float:
        """The price of storing items of so many bytes for a month."""
        return (stored_bytes + items * ITEM_OVERHEAD) * self.byte_month


ON_DEMAND = Prices(
    region="us-east-1",
    date="2026-11-22",
    source="https://aws.amazon.com/dynamodb/pricing/on-demand/",
    write_unit=0.625e-6,
    read_unit=0.125e-6,
    byte_month=0.25 / 1024**3,
)
