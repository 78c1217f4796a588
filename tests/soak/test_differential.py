"""`soak/differential.py`: the campaign finds wrong savers, and only those."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

import differential
import seen
from langgraph_checkpoint_dynamodb import DynamoDBSaver, VerifyReport

COMPARED = ("graphs", "in_place", "alike", "expiry", "mixed")


class Reference(InMemorySaver):
    """LangGraph's own saver in the place of ours; all of a campaign share one storage."""

    def __init__(self, config: Any, serde: Any) -> None:
        super().__init__(serde=serde)
        self.config = config
        first = config.session.__dict__.setdefault("first", self)
        self.storage, self.writes, self.blobs = first.storage, first.writes, first.blobs

    async def aclose(self) -> None:
        pass

    def close(self) -> None:
        pass

    def verify(self, thread_id: str) -> Any:
        return VerifyReport()


class LosesOrder(DynamoDBSaver):
    """Sorts the keys of every message's `additional_kwargs` that it is given to store."""

    def put(self, config: Any, checkpoint: Any, *args: Any) -> Any:
        for message in checkpoint["channel_values"].get("messages", []):
            message.additional_kwargs = dict(sorted(message.additional_kwargs.items()))
        return super().put(config, checkpoint, *args)


class LosesWrites(DynamoDBSaver):
    """Keeps nothing of a task whose path it has not seen."""

    def put_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        if task_path:
            super().put_writes(config, writes[:1], task_id, task_path)


class ReadsOlder(DynamoDBSaver):
    """Now and then returns the state before the newest."""

    reads = 0

    def get_tuple(self, config: Any) -> Any:
        type(self).reads += 1
        found = super().get_tuple(config)
        if self.reads % 5 == 0 and found and found.parent_config:
            return super().get_tuple(found.parent_config)
        return found


@pytest.mark.parametrize("kind", COMPARED)
def test_two_savers_of_langgraph_do_not_differ(kind: str) -> None:
    figures = differential.run("http://127.0.0.1", 1, 6, only=kind, saver_class=Reference)
    assert figures["cases"] == 6


@pytest.mark.parametrize(
    ("saver_class", "kind"),
    [(LosesOrder, "alike"), (LosesWrites, "graphs"), (ReadsOlder, "readers")],
)
def test_a_wrong_saver_fails_the_campaign(
    endpoint_url: str, saver_class: type[DynamoDBSaver], kind: str
) -> None:
    with pytest.raises(AssertionError, match=f"seed 1, case \\d+, {kind}: AssertionError"):
        differential.run(endpoint_url, 1, 20, only=kind, saver_class=saver_class)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        ("red", differential.fleets.random_values.Color.RED),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ([1], (1,)),
        ({1}, frozenset({1})),
    ],
)
def test_equal_is_not_the_same(one: Any, other: Any) -> None:
    assert seen.exact(one) != seen.exact(other)
    assert seen.difference(seen.exact({"key": one}), seen.exact({"key": other})).startswith("at ")
