"""`InMemorySaver`, with the methods it lacks, as a model of what ours must answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.base.id import UUID
from langgraph.checkpoint.memory import InMemorySaver

_1582 = 12_219_292_800  # seconds from a UUID's epoch to 1970

Ids = tuple[str, str, str]  # thread, namespace, checkpoint


class CutChainError(Exception):
    """A delta channel's value cannot be rebuilt: an ancestor is gone."""


class Model(InMemorySaver):
    """The reference, extended in the plainest way that meets the interface."""

    clock: Callable[[], float] = time.time

    def tuples(self) -> list[CheckpointTuple]:
        return list(self.list(None))

    def may_copy(self, source: str, target: str) -> bool:
        """Whether the target holds nothing but what an earlier copy has put there."""
        return self._stored(target).items() <= self._stored(source).items()

    def _stored(self, thread_id: str) -> dict[Any, str]:
        """What ours keeps in an item of its own, in a form that compares by value."""
        items: dict[Any, Any] = {}
        for ns, checkpoints in self.storage[thread_id].items():
            for checkpoint_id, stored in checkpoints.items():
                items[ns, checkpoint_id] = stored
                writes = self.writes.get((thread_id, ns, checkpoint_id), {})
                for (task_id, index), write in sorted(writes.items()):
                    special = min(index, 0)
                    items.setdefault((ns, checkpoint_id, task_id, special), {})[index] = write
        return {key: repr(item) for key, item in items.items()}

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        for ns, checkpoints in list(self.storage[source_thread_id].items()):
            self.storage[target_thread_id][ns].update(checkpoints)
        for stored in (self.writes, self.blobs):
            for (thread_id, *rest), value in list(stored.items()):
                if thread_id == source_thread_id:
                    copied = dict(value) if isinstance(value, dict) else value
                    stored[(target_thread_id, *rest)] = copied  # type: ignore[index]

    def prune(
        self,
        thread_ids: Sequence[str],
        *,
        strategy: str = "keep_latest",
        keep_last: int | None = None,
        older_than: timedelta | None = None,
    ) -> None:
        for thread_id in thread_ids:
            if strategy == "delete":
                self.delete_thread(thread_id)
                continue
            for ns, checkpoints in self.storage[thread_id].items():
                newest_first = sorted(checkpoints, reverse=True)
                wanted = newest_first[: keep_last or 1]
                if older_than is not None:
                    since = self.clock() - older_than.total_seconds()
                    wanted += [one for one in newest_first if UUID(one).time / 1e7 - _1582 >= since]
                self._keep(thread_id, ns, wanted)

    def _keep(self, thread_id: str, ns: str, wanted: Iterable[str]) -> None:
        kept = {needed for one in wanted for needed in self._needed(thread_id, ns, one)}
        self._drop((thread_id, ns, one) for one in self.storage[thread_id][ns].keys() - kept)

    def _needed(self, thread_id: str, ns: str, checkpoint_id: str) -> Iterable[str]:
        """A checkpoint, and its ancestors back to each delta channel's snapshot."""
        found = self._get(thread_id, ns, checkpoint_id)
        assert found is not None
        counters = found.metadata.get("counters_since_delta_snapshot") or {}
        missing = counters.keys() - found.checkpoint["channel_values"].keys()
        yield found.checkpoint["id"]
        while missing and found.parent_config:
            parent_id = found.parent_config["configurable"]["checkpoint_id"]
            found = self._get(thread_id, ns, parent_id)
            if found is None:
                return
            missing = missing - found.checkpoint["channel_values"].keys()
            missing = missing & found.checkpoint["channel_versions"].keys()  # written by then
            yield parent_id

    def _get(self, thread_id: str, ns: str, checkpoint_id: str) -> CheckpointTuple | None:
        configurable = {"thread_id": thread_id, "checkpoint_ns": ns, "checkpoint_id": checkpoint_id}
        return self.get_tuple({"configurable": configurable})

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        stay: dict[tuple[str, str], list[str]] = {}
        for found in self.tuples():
            thread_id, ns, checkpoint_id = ids(found)
            others = stay.setdefault((thread_id, ns), [])
            if found.metadata.get("run_id") not in run_ids:
                others.append(checkpoint_id)
        for (thread_id, ns), wanted in stay.items():
            self._keep(thread_id, ns, wanted)

    def _drop(self, doomed: Iterable[Ids]) -> None:
        for thread_id, ns, checkpoint_id in list(doomed):
            del self.storage[thread_id][ns][checkpoint_id]
            self.writes.pop((thread_id, ns, checkpoint_id), None)

    def get_delta_channel_history(
        self, *, config: Any, channels: Sequence[str]
    ) -> Mapping[str, Any]:
        found = super().get_delta_channel_history(config=config, channels=channels)
        open_ended = {name for name, entry in found.items() if "seed" not in entry}
        at = self.get_tuple(config)
        while at and at.parent_config and open_ended:
            parent = self.get_tuple(at.parent_config)
            if parent is None and open_ended & at.checkpoint["channel_versions"].keys():
                raise CutChainError(at.parent_config)
            at = parent
        return found


def ids(found: CheckpointTuple) -> Ids:
    configurable = found.config["configurable"]
    return configurable["thread_id"], configurable["checkpoint_ns"], configurable["checkpoint_id"]


def answer(found: CheckpointTuple | None) -> Any:
    """All that a checkpoint tuple says, in a form that compares by value."""
    if found is None:
        return None
    parent = found.parent_config and found.parent_config["configurable"]["checkpoint_id"]
    return {
        "ids": ids(found),
        "checkpoint": dict(found.checkpoint),
        "metadata": dict(found.metadata),
        "parent": parent,
        "writes": found.pending_writes,
    }
