"""What a checkpoint says about its thread: pure functions of what was read.

The names of channels are LangGraph's (`langgraph/_internal/_constants.py`, `langgraph/pregel`):
`branch:to:<node>` has a value while the node is to run next, `__start__` while an input waits, and
`__pregel_tasks` has the `Send`s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME, SCHEDULED, TASKS

from ..format.keys import made_at
from ..serialization.plain_data import NamedData
from .output import Row

START = "__start__"
_TO_NODE = "branch:to:"
_SPECIAL = frozenset({ERROR, INTERRUPT, RESUME, SCHEDULED})
_NODE_PATH = "~__pregel_pull, "

FINISHED, INTERRUPTED, FAILED, UNFINISHED = "finished", "interrupted", "error", "unfinished"


def when(checkpoint_id: str) -> str | None:
    """The time in a checkpoint id, as ISO 8601 in UTC."""
    made = made_at(checkpoint_id)
    if made is None:
        return None
    return in_utc(datetime.fromtimestamp(made, timezone.utc))


def in_utc(time: datetime) -> str:
    """A time in UTC to the second, in the short form of ISO 8601."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def summary(found: CheckpointTuple) -> Row:
    """A checkpoint without its values."""
    configurable = found.config["configurable"]
    parent = (found.parent_config or {}).get("configurable", {})
    metadata: Mapping[str, Any] = found.metadata
    return {
        "made": when(configurable["checkpoint_id"]),
        "step": metadata.get("step"),
        "source": metadata.get("source"),
        "status": status(found),
        "next": next_nodes(found),
        "checkpoint_id": configurable["checkpoint_id"],
        "parent_id": parent.get("checkpoint_id"),
        "checkpoint_ns": configurable["checkpoint_ns"],
    }


def status(found: CheckpointTuple) -> str:
    """`finished`, `interrupted`, `error`, or `unfinished`: it runs, was killed, or is paused."""
    if interrupts(found, {}):
        return INTERRUPTED
    if any(channel == ERROR for _, channel, _ in found.pending_writes or ()):
        return FAILED
    return UNFINISHED if next_nodes(found) else FINISHED


def next_nodes(found: CheckpointTuple) -> list[str]:
    """The nodes that run next."""
    values = found.checkpoint["channel_values"]
    nodes = [START] if START in values else []
    nodes += [name.removeprefix(_TO_NODE) for name in values if name.startswith(_TO_NODE)]
    sends = values.get(TASKS)
    for send in sends if isinstance(sends, list) else ():
        match send:
            case NamedData(_, [str(node), *_]):
                nodes.append(node)
    return nodes


def interrupts(found: CheckpointTuple, paths: Mapping[str, str]) -> list[Row]:
    """The interrupts that wait for an answer: of tasks that have written nothing since.

    Args:
        found: The checkpoint.
        paths: The path of each task, by its id.
    """
    writes = found.pending_writes or []
    done = {task for task, channel, _ in writes if channel not in _SPECIAL}
    return [
        {
            "node": node_of(paths.get(task)),
            "task_id": task,
            "interrupt_id": one.data.get("id"),
            "value": one.data.get("value"),
        }
        for task, channel, value in writes
        if channel == INTERRUPT and task not in done
        for one in (value if isinstance(value, list) else [value])
        if isinstance(one, NamedData) and isinstance(one.data, dict)
    ]


def errors(found: CheckpointTuple, paths: Mapping[str, str]) -> list[Row]:
    """The tasks that failed, with their errors."""
    return [
        {"node": node_of(paths.get(task)), "task_id": task, "error": value}
        for task, channel, value in found.pending_writes or ()
        if channel == ERROR
    ]


def node_of(path: str | None) -> str | None:
    """The node in a task's path; the path itself for another kind of task."""
    return None if path is None else path.removeprefix(_NODE_PATH)


def way_on(found: CheckpointTuple, waiting: Sequence[Row]) -> str | None:
    """The line of code that continues a thread; `None` for a finished one."""
    configurable = found.config["configurable"]
    if status(found) == FINISHED or configurable["checkpoint_ns"]:
        return None  # a subgraph is continued with the graph that encloses it
    config = f'{{"configurable": {{"thread_id": {_quoted(configurable["thread_id"])}}}}}'
    if not waiting:
        return f"graph.invoke(None, {config})"
    if len(waiting) == 1 or not all(isinstance(one["interrupt_id"], str) for one in waiting):
        return f"graph.invoke(Command(resume=...), {config})"
    answers = ", ".join(f"{_quoted(one['interrupt_id'])}: ..." for one in waiting)
    return f"graph.invoke(Command(resume={{{answers}}}), {config})"


def _quoted(value: object) -> str:
    """A string as Python and JSON write it."""
    return json.dumps(str(value))


def is_internal(channel: str) -> bool:
    """Whether a channel is LangGraph's own, and not one of the state."""
    return channel.startswith(("__", _TO_NODE, "join:"))


def messages(values: Sequence[Any]) -> list[Row]:
    """Messages as rows: role, content, id and the rest of their fields."""
    return [_message(value) for value in values]


def _message(value: Any) -> Row:
    data = value.data if isinstance(value, NamedData) else value
    if isinstance(data, dict) and "content" in data:
        role = data.get("type") or data.get("role")
        rest = {name: one for name, one in data.items() if name not in {"type", "content"} and one}
        return {"role": role, "content": data["content"], **rest}
    if isinstance(data, list) and len(data) == 2:  # noqa: PLR2004 - a pair of role and content
        return {"role": data[0], "content": data[1]}
    return {"role": None, "content": value}
