"""A checkpoint to store, as a snapshot of the caller's arguments."""

from __future__ import annotations

from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    get_checkpoint_metadata,
)

from ..directory import entries
from ..format import keys
from ..format.thread_entries import Activity
from ..runtime.context import Context, ThreadNamespace
from ..serialization.snapshots import snapshot
from . import fencing
from .fencing import Fence


@dataclass(frozen=True, slots=True)
class Put:
    """A checkpoint to store: a snapshot, so the caller may change its own objects.

    Attributes:
        place: Its thread and namespace.
        checkpoint: The checkpoint.
        metadata: Its metadata.
        parent_id: The checkpoint that it continues.
        new_versions: The versions of the channels that changed.
        fence: How it is fenced; `None` without fencing.
        owner: The owner of its thread, if it has one.
        is_copy: Whether it was copied from another saver; see `copied_threads`. If it is stored
            already, it is not replaced.
    """

    place: ThreadNamespace
    checkpoint: Checkpoint
    metadata: CheckpointMetadata
    parent_id: str | None
    new_versions: ChannelVersions
    fence: Fence | None = None
    owner: str | None = None
    is_copy: bool = False

    @classmethod
    def of(
        cls,
        context: Context,
        place: ThreadNamespace,
        parent_id: str | None,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> Put:
        """A snapshot of a caller's arguments, which have been checked."""
        merged = snapshot(get_checkpoint_metadata(config, metadata))
        fence = fencing.fence_for(context, place, config, checkpoint["id"], merged, parent_id)
        owner = entries.find_owner(context, merged, config) if context.thread_index else None
        copied = snapshot(dict(checkpoint))
        return cls(place, copied, merged, parent_id, dict(new_versions), fence, owner)

    def activity(self, context: Context) -> Activity:
        """The activity of its thread. A copied checkpoint has the time at which it was made."""
        made_at = keys.made_at(self.id) if self.is_copy else None
        at = context.now if made_at is None else made_at
        created = None if self.parent_id else at
        begins = self.parent_id is None and not self.place.checkpoint_ns
        return Activity(self.place.thread_id, at, self.owner, created, begins=begins)

    @property
    def id(self) -> str:
        """The checkpoint's id."""
        return self.checkpoint["id"]
