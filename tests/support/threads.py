"""Threads made of plain puts, for tests that need no graph."""

from __future__ import annotations

import random
from typing import Any

from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6

from either import Either
from play import thread

LARGE = random.Random(11).randbytes(40_000)


def config_of(thread_id: str, **configurable: Any) -> Any:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": "", **configurable}}


async def put(
    client: Either,
    parent: Any,
    values: dict[str, Any],
    metadata: dict[str, Any] | None = None,
    **versions: str,
) -> Any:
    """Put a child of `parent` (a config) whose values have all changed.

    `versions` are those of channels that have one but no stored value.
    """
    checkpoint = empty_checkpoint()
    checkpoint["id"] = str(uuid6())
    checkpoint["channel_values"] = values
    checkpoint["channel_versions"] = {
        **{name: client.target.get_next_version(None, None) for name in values},
        **versions,
    }
    changed = {name: checkpoint["channel_versions"][name] for name in values}
    return await client.put(parent, checkpoint, metadata or {}, changed)


async def chain(
    client: Either, thread_id: str, count: int, ns: str = "", **metadata: Any
) -> list[Any]:
    """Put a chain of checkpoints, each with a large value of its own and a write."""
    configs = []
    parent = config_of(thread_id, checkpoint_ns=ns)
    for step in range(count):
        values = {"step": step, "document": LARGE, "own": random.Random(step).randbytes(9_000)}
        parent = await put(client, parent, values, {"step": step, **metadata})
        await client.put_writes(parent, [("own", LARGE[step:])], f"task-{step}")
        configs.append(parent)
    return configs


async def load_all(client: Either, thread_id: str) -> list[Any]:
    """Every checkpoint of a thread, read whole."""
    return await client.list({"configurable": {"thread_id": thread_id}})


def new_checkpoint(**values: Any) -> Any:
    """A checkpoint whose channels all have version "1"."""
    checkpoint = empty_checkpoint()
    checkpoint["id"] = str(uuid6())
    checkpoint["channel_values"] = values
    checkpoint["channel_versions"] = dict.fromkeys(values, "1")
    return checkpoint


COUNTERS: dict[str, Any] = {"counters_since_delta_snapshot": {"log": (1, 1)}}


async def put_values(client: Either, config: Any = None, /, step: int = 1, **values: Any) -> Any:
    """Put a checkpoint with a version of "1" for each value; the thread is `play.thread()`'s."""
    versions = dict.fromkeys(values, "1")
    return await client.put(config or thread(), new_checkpoint(**values), {"step": step}, versions)
