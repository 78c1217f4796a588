"""The value of a channel, also of a delta channel, whose checkpoints store its writes alone.

The saver's `get_delta_channel_history` extends the expiry of what it reads. A look must change
nothing, so the ancestors are read here, one by one.
"""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from ..saver.saver import DynamoDBSaver
from ..serialization.plain_data import NamedData
from .connection import NotFoundError

_REMOVE, _REMOVE_ALL = "remove", "__remove_all__"
"""The type of LangGraph's `RemoveMessage`, and the id with which it removes all of them."""


def list_of(saver: DynamoDBSaver, found: CheckpointTuple, channel: str) -> list[Any]:
    """A channel's value as a list.

    Raises:
        NotFoundError: The checkpoint has no such channel, or it is no list.
    """
    values = found.checkpoint["channel_values"]
    if channel in values:
        value = _stored(values[channel])
    elif channel in found.checkpoint["channel_versions"]:
        value = _rebuilt(saver, found, channel)
    else:
        value = None
    if isinstance(value, list):
        return value
    lists = [name for name, one in values.items() if isinstance(_stored(one), list)]
    raise NotFoundError(
        f"channel {channel!r} of checkpoint {found.config['configurable']['checkpoint_id']!r} is "
        f"no list: pass --channel with one of these: {', '.join(sorted(lists)) or 'there is none'}"
    )


def _stored(value: Any) -> Any:
    return value.value if isinstance(value, _DeltaSnapshot) else value


def _rebuilt(saver: DynamoDBSaver, found: CheckpointTuple, channel: str) -> list[Any]:
    """The last stored value with the writes since, by the rule of LangGraph's messages."""
    writes: list[Any] = []  # newest first
    value: list[Any] = []
    while found.parent_config is not None:
        parent = saver.get_tuple(found.parent_config)
        if parent is None:
            raise NotFoundError(
                f"channel {channel!r} cannot be rebuilt: the ancestor "
                f"{found.parent_config['configurable']['checkpoint_id']!r} was deleted or has "
                "expired"
            )
        own = [one for _, name, one in parent.pending_writes or () if name == channel]
        writes += reversed(own)
        if channel in parent.checkpoint["channel_values"]:
            value = list(_stored(parent.checkpoint["channel_values"][channel]) or ())
            break
        found = parent
    for write in reversed(writes):
        value = _add(value, write if isinstance(write, list) else [write])
    return value


def _add(value: list[Any], written: list[Any]) -> list[Any]:
    """Append what was written; an element with the id of another replaces it."""
    for one in written:
        kind, name = _field(one, "type"), _field(one, "id")
        same = [place for place, old in enumerate(value) if name and _field(old, "id") == name]
        if kind == _REMOVE:
            removed = range(len(value)) if name == _REMOVE_ALL else same
            value = [old for place, old in enumerate(value) if place not in removed]
        elif same:
            value = [one if place in same else old for place, old in enumerate(value)]
        else:
            value = [*value, one]
    return value


def _field(one: Any, name: str) -> Any:
    data = one.data if isinstance(one, NamedData) else one
    return data.get(name) if isinstance(data, dict) else None
