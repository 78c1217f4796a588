"""The headers of bodies: everything of a checkpoint, or of a task's writes, except the values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from ..errors import CorruptCheckpointError
from ..format import keys
from ..format.body import Body, Typed
from ..runtime.context import Context
from .serializer import deserialize, serialize


@dataclass(frozen=True, slots=True)
class CheckpointHeader:
    """Everything of a checkpoint except its values."""

    checkpoint: dict[str, Any]
    metadata: CheckpointMetadata
    parent_id: str | None
    channels: list[str]
    checkpoint_ns: str | None
    """Only if the key has a hash of it."""


@dataclass(frozen=True, slots=True)
class WritesHeader:
    """Everything of a task's writes except their values."""

    task_path: str
    indexes: list[int]
    channels: list[str]
    task_id: str | None
    """Only if the key has a hash of it."""


def checkpoint_header(serde: SerializerProtocol, header: CheckpointHeader) -> Typed:
    """Serialize a checkpoint's header, without the checkpoint id, which is in the key."""
    checkpoint = {name: value for name, value in header.checkpoint.items() if name != "id"}
    content = [checkpoint, header.metadata, header.parent_id, header.channels, header.checkpoint_ns]
    return serialize(serde, content, "the checkpoint or its metadata")


def read_checkpoint_header(context: Context, body: Body, where: str) -> CheckpointHeader:
    """Undo `checkpoint_header`.

    Raises:
        DeserializationError: The serde cannot read the header.
        CorruptCheckpointError: The header is not one of a checkpoint.
    """
    content = deserialize(context, body.header, where, "the checkpoint's header")
    match content:
        case [dict(checkpoint), dict(metadata), parent_id, [*channels], str() | None as ns, *_] if (
            len(channels) == len(body.records)
            and _are_names(channels)
            and (not parent_id or keys.is_checkpoint_id(parent_id))
            and isinstance(checkpoint.get("channel_versions"), dict)
        ):
            return CheckpointHeader(checkpoint, metadata, parent_id or None, channels, ns)  # type: ignore[arg-type]
    raise CorruptCheckpointError(f"{where}: a checkpoint header of an unknown shape")


def _are_names(channels: Sequence[Any]) -> bool:
    """Whether all are strings, and all different, so that no channel hides another's value."""
    return all(isinstance(channel, str) for channel in channels) and len(set(channels)) == len(
        channels
    )


def has_deltas(metadata: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether a checkpoint is of a graph with delta channels.

    LangGraph counts the supersteps of delta channels in the metadata. It has no counters if the
    checkpoint stores all of them as snapshots.
    """
    return bool(metadata.get("counters_since_delta_snapshot")) or any(
        isinstance(value, _DeltaSnapshot) for value in values.values()
    )


def unstored_deltas(header: CheckpointHeader, where: str) -> dict[str, int]:
    """The supersteps since the last snapshot, by delta channel without a value in the checkpoint.

    LangGraph's metadata has them in `counters_since_delta_snapshot`: for each channel a pair of
    updates and supersteps.

    Raises:
        CorruptCheckpointError: The metadata has another shape.
    """
    counters = header.metadata.get("counters_since_delta_snapshot") or {}
    try:
        return {
            channel: int(steps)
            for channel, (_, steps) in counters.items()
            if channel not in header.channels
        }
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise CorruptCheckpointError(
            f"{where}: metadata 'counters_since_delta_snapshot' of an unknown shape: {counters!r}"
        ) from error


def whole_checkpoint(
    header: CheckpointHeader, checkpoint_id: str, values: dict[str, Any]
) -> Checkpoint:
    """The complete checkpoint, as LangGraph put it."""
    return {**header.checkpoint, "id": checkpoint_id, "channel_values": values}  # type: ignore[typeddict-item]


def read_writes_header(context: Context, body: Body, where: str) -> WritesHeader:
    """Undo the header of `encode_writes`.

    Raises:
        DeserializationError: The serde cannot read the header.
        CorruptCheckpointError: The header is not one of a task's writes.
    """
    match deserialize(context, body.header, where, "a task's writes header"):
        case [str(path), [*indexes], [*channels], str() | None as task_id, *_] if (
            len(indexes) == len(channels) == len(body.records)
            and all(type(index) is int for index in indexes)
            and all(isinstance(channel, str) for channel in channels)
        ):
            return WritesHeader(path, indexes, channels, task_id)
    raise CorruptCheckpointError(f"{where}: a writes header of an unknown shape")
