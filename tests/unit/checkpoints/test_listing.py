"""The ids of a table's threads, from the keys of its items."""

from __future__ import annotations

from typing import Any

import pytest

from fake_table import TABLE, context
from langgraph_checkpoint_dynamodb import CorruptCheckpointError
from langgraph_checkpoint_dynamodb.checkpoints.listing import ThreadScan
from langgraph_checkpoint_dynamodb.format.requests import key, scan_keys


def scanned(scan: ThreadScan, *items: Any) -> Any:
    """What the scan returns first, for a table of one page."""
    operation = scan.next(context())
    assert next(operation) == [scan_keys(TABLE, None)]
    with pytest.raises(StopIteration) as done:
        operation.send([{"Items": list(items)}])
        # The query is accepted: the table's keys are right.
        operation.send([{"Items": []}])
    return done.value.value


def test_what_is_left_out_hides_no_thread() -> None:
    left_out = []

    def is_left_out(item: Any) -> bool:
        left_out.append(item["SK"]["S"])
        return item["SK"]["S"] == "x"

    scan = ThreadScan(scan_keys, is_left_out=is_left_out)
    assert scanned(scan, key("a", "x"), key("b", "x"), key("b", "C##1"), key("b", "x")) == "b"
    assert left_out == ["x", "x", "C##1", "x"]


def test_a_key_that_is_no_string_is_named() -> None:
    """DynamoDB refuses such an item; some emulators store it."""
    with pytest.raises(
        CorruptCheckpointError, match=r"key \{'N': '0'\}, which is no string.*delete"
    ):
        scanned(ThreadScan(scan_keys), {"PK": {"N": "0"}, "SK": {"S": "?"}})
