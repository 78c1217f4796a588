"""Puts and reads of one thread on a table in memory."""

from __future__ import annotations

import random
from typing import Any

from langgraph.checkpoint.base import empty_checkpoint

from fake_table import FakeTable
from langgraph_checkpoint_dynamodb.checkpoints import get as gets
from langgraph_checkpoint_dynamodb.checkpoints import put as puts
from langgraph_checkpoint_dynamodb.runtime.context import ThreadNamespace
from langgraph_checkpoint_dynamodb.runtime.effects import Operation

PLACE = ThreadNamespace("thread", "")
LARGE = random.Random(3).randbytes(600_000)


def checkpoint(step: int, **values: Any) -> Any:
    made = empty_checkpoint()
    made["id"] = f"{step:08}"
    made["channel_values"] = values
    made["channel_versions"] = dict.fromkeys(values, f"a{step}")
    return made


def putting(around: Any, step: int, parent: int | None = None, **values: Any) -> Operation[None]:
    made = checkpoint(step, **values)
    parent_id = None if parent is None else f"{parent:08}"
    versions = dict(made["channel_versions"])
    return puts.put(around, puts.Put(PLACE, made, {"step": step}, parent_id, versions))


def put(table: FakeTable, around: Any, step: int, parent: int | None = None, **values: Any) -> None:
    table.run(putting(around, step, parent, **values))


def get(table: FakeTable, around: Any, step: int | None = None) -> Any:
    return table.run(gets.get_tuple(around, PLACE, None if step is None else f"{step:08}"))
