"""What DynamoDB asks for units and bytes: on-demand list prices."""

REGION = "us-east-1"
DATE = "2026-11-22"
SOURCE = "https://aws.amazon.com/dynamodb/pricing/on-demand/"

MILLION = 1_000_000
WRITE_UNIT = 0.625 / MILLION
READ_UNIT = 0.125 / MILLION
BYTE_MONTH = 0.25 / 1024**3
ITEM_OVERHEAD = 100
"""Bytes that DynamoDB bills for each item on top of its size."""


def units(write_units: float, read_units: float) -> float:
    return write_units * WRITE_UNIT + read_units * READ_UNIT


def per_1000_turns(write_units: float, read_units: float, turns: int) -> float:
    return units(write_units, read_units) / turns * 1000


def storage_month(stored_bytes: float, items: float) -> float:
    return (stored_bytes + items * ITEM_OVERHEAD) * BYTE_MONTH


def as_json() -> dict[str, object]:
    return {
        "region": REGION,
        "date": DATE,
        "source": SOURCE,
        "million_write_units": WRITE_UNIT * MILLION,
        "million_read_units": READ_UNIT * MILLION,
        "gigabyte_month": BYTE_MONTH * 1024**3,
    }
