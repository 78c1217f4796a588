"""Sizes of items; each expected value was measured on DynamoDB Local, by consumed units."""

from __future__ import annotations

from typing import Any

import pytest

from langgraph_checkpoint_dynamodb.format.item_size import item_size, write_units


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "é"}, 2),
        ({"B": b"abc"}, 3),
        ({"N": "0"}, 1),
        ({"N": "12"}, 2),
        ({"N": "123"}, 3),
        ({"N": "-5"}, 3),
        ({"N": "0.5"}, 2),
        ({"N": "1000"}, 2),
        ({"N": "1e20"}, 2),
        ({"N": "1795373518"}, 6),
        ({"N": "1795373500"}, 5),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["ab", "c"]}, 3),
        ({"NS": ["1", "22"]}, 4),
        ({"BS": [b"ab"]}, 2),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}]}, 6),
        ({"M": {}}, 3),
        ({"M": {"x": {"S": "ab"}}}, 7),
    ],
)
def test_a_value_has_the_size_that_the_engine_bills(value: dict[str, Any], size: int) -> None:
    assert item_size({"name": value}) == len("name") + size


@pytest.mark.parametrize(("size", "units"), [(1, 1), (1024, 1), (1025, 2), (400_000, 391)])
def test_a_write_unit_is_for_1024_bytes(size: int, units: int) -> None:
    assert write_units(size) == units
