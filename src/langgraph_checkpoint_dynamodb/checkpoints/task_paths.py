"""The paths of the tasks that have pending writes, which `CheckpointTuple` does not have."""

from __future__ import annotations

from ..format import items, keys
from ..runtime.context import Context, ThreadNamespace
from ..runtime.effects import Operation
from ..serialization import headers
from ..storage.body_reader import open_bodies
from .checkpoint_items import get_group, name_of


def task_paths(
    context: Context, place: ThreadNamespace, checkpoint_id: str
) -> Operation[dict[str, str]]:
    """The path of each task with writes to a checkpoint, by the task's id.

    LangGraph passes it to `put_writes`. For a node, it is `~__pregel_pull, <node>`.
    """
    group = yield from get_group(context, place, checkpoint_id)
    if group is None:
        return {}
    where = f"{place}, checkpoint {checkpoint_id!r}"
    opened = yield from open_bodies(context, place.thread_id, group.writes, where)
    found = {}
    for item, one in zip(group.writes, opened, strict=True):
        header = headers.read_writes_header(context, one.body, where)
        part = items.parse_key(item).task or ""
        found[name_of(part, header.task_id, keys.task, where)] = header.task_path
    return found
