"""Reads the threads of any `BaseCheckpointSaver`: ids by `list`, then each checkpoint by its id.

So one checkpoint is in memory at a time, and those that are here already are not read again.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy as shallow_copy
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from ..runtime.context import Context
from ..runtime.effects import AskSaver, Operation
from ..serialization import plain_data
from .blocked_types import refuse_blocked_types
from .entries import SourceCheckpoint, SourceWrites
from .thread_copy import ThreadCopy


@dataclass(frozen=True, slots=True)
class Listed:
    """A checkpoint that a saver has listed, without its values.

    Attributes:
        config: The config that names it.
        tasks: The tasks with pending writes and their channels, as the saver returns them.
    """

    config: RunnableConfig
    tasks: dict[str, list[str]]

    @classmethod
    def of(cls, found: CheckpointTuple) -> Listed:
        """What to keep of a tuple."""
        tasks: dict[str, list[str]] = {}
        for task_id, channel, _ in found.pending_writes or ():
            tasks.setdefault(task_id, []).append(channel)
        return cls(found.config, tasks)

    @property
    def name(self) -> tuple[str, str]:
        """Its namespace and id."""
        configurable = self.config["configurable"]
        return configurable.get("checkpoint_ns", ""), configurable["checkpoint_id"]


def unchanged(context: Context, source: BaseCheckpointSaver[Any]) -> BaseCheckpointSaver[Any]:
    """The source with a serializer that keeps objects as they are stored, if both have LangGraph's.

    A shallow clone with another `serde`, as LangGraph makes one in `with_allowlist`.
    """
    serde = plain_data.unchanged(source.serde)
    if serde is None or plain_data.unchanged(context.serde) is None:
        return source
    clone = shallow_copy(source)
    clone.serde = serde
    return clone


def list_all(source: BaseCheckpointSaver[Any]) -> Operation[dict[str, list[Listed]]]:
    """The checkpoints of all threads, by thread id."""
    found = yield from _list(source, None)
    threads: dict[str, list[Listed]] = {}
    for one in found:
        threads.setdefault(str(one.config["configurable"]["thread_id"]), []).append(one)
    return threads


def _list(
    source: BaseCheckpointSaver[Any], config: RunnableConfig | None
) -> Operation[list[Listed]]:
    async def listed() -> list[Listed]:
        return [Listed.of(one) async for one in source.alist(config)]

    found: list[Listed] = yield AskSaver(
        lambda: [Listed.of(one) for one in source.list(config)], listed
    )
    return found


def read(
    source: BaseCheckpointSaver[Any], copy: ThreadCopy, listed: Iterable[Listed] | None
) -> Operation[None]:
    """Copy a thread: parents before their children."""
    if listed is None:
        listed = yield from _list(source, {"configurable": {"thread_id": copy.thread_id}})
    for one in sorted(listed, key=lambda listed: listed.name[1]):
        is_here = copy.has_checkpoint(*one.name)
        missing = [
            task
            for task, channels in one.tasks.items()
            if copy.needs_writes(*one.name, task, channels)
        ]
        if is_here and not missing:
            continue
        found = yield from _get(source, copy.thread_id, one)
        if found is None:  # deleted since it was listed
            continue
        if not is_here:
            yield from copy.checkpoint(_checkpoint(found))
        for writes in _writes(found):
            yield from copy.writes(writes)


def _get(
    source: BaseCheckpointSaver[Any], thread_id: str, one: Listed
) -> Operation[CheckpointTuple | None]:
    where = f"thread {thread_id!r}, checkpoint {one.name[1]!r} of the source"

    def get() -> CheckpointTuple | None:
        with refuse_blocked_types(where):
            return source.get_tuple(one.config)

    async def aget() -> CheckpointTuple | None:
        with refuse_blocked_types(where):
            return await source.aget_tuple(one.config)

    found: CheckpointTuple | None = yield AskSaver(get, aget)
    return found


def _checkpoint(found: CheckpointTuple) -> SourceCheckpoint:
    name, parent = Listed.of(found).name, found.parent_config
    parent_id = parent["configurable"].get("checkpoint_id") if parent else None
    return SourceCheckpoint(*name, parent_id, found.checkpoint, found.metadata)


def _writes(found: CheckpointTuple) -> list[SourceWrites]:
    """The writes of each task. A tuple has no task paths, which set the order of replay.

    LangGraph replays the writes of a delta channel in the order in which a saver returns them, so
    the copy has paths that keep this order.
    """
    name = Listed.of(found).name
    tasks: dict[str, list[tuple[str, Any]]] = {}
    for task_id, channel, value in found.pending_writes or ():
        tasks.setdefault(task_id, []).append((channel, value))
    is_sorted = list(tasks) == sorted(tasks)
    return [
        SourceWrites(*name, task_id, None, own, "" if is_sorted else f"{order:08}")
        for order, (task_id, own) in enumerate(tasks.items())
    ]
