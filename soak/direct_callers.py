"""Callers of the saver itself, who change what they were handed and put it again.

What a child stores for a channel is the value that was put, if its version is a new one or is
named as one, and else the value of its parent. What callers change afterwards changes nothing.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from typing import Any

from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6

import random_values
import seen
from fleet import Fleet
from random_values import message, value

CHANNELS = ("messages", "plain", "nested", "other")


def _read_back(value: Any) -> Any:
    """A value as LangGraph's serializer gives it back: a tuple is a list by then."""
    serde = random_values.serializer()
    return serde.loads_typed(serde.dumps_typed(value))


class Model:
    """The values of each checkpoint as they have to be read."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, dict[str, Any]] = {}
        self.metadata: dict[str, Any] = {}

    def put(self, parent: str | None, made: Any, metadata: Any, new_versions: Any) -> None:
        values = {name: _read_back(one) for name, one in made["channel_values"].items()}
        versions = dict(made["channel_versions"])
        before = self.versions.get(parent or "", {})
        for channel in values:
            same = channel in before and versions[channel] == before[channel]
            if same and channel not in new_versions:
                values[channel] = self.values[parent or ""][channel]
        self.values[made["id"]], self.versions[made["id"]] = values, versions
        self.metadata[made["id"]] = copy.deepcopy(metadata)

    def check(self, found: Any, who: str) -> None:
        at = found.checkpoint["id"]
        for what, held in (
            ("values", (self.values[at], found.checkpoint["channel_values"])),
            ("versions", (self.versions[at], found.checkpoint["channel_versions"])),
        ):
            expected, actual = (seen.exact(dict(sorted(one.items()))) for one in held)
            assert expected == actual, f"{who}, {what}: {seen.difference(expected, actual)}"
        for name, expected in self.metadata[at].items():
            assert found.metadata[name] == expected, f"{who}, metadata {name!r}: {found.metadata}"


class Caller:
    def __init__(
        self, fleet: Fleet, chance: random.Random, name: str, figures: Counter[str]
    ) -> None:
        self.fleet, self.chance, self.name, self.figures = fleet, chance, name, figures
        self.model = Model()
        self.put_ids: list[str] = []

    def config(self, at: str | None = None) -> Any:
        chosen: dict[str, Any] = {"thread_id": self.name, "checkpoint_ns": ""}
        return {"configurable": chosen if at is None else {**chosen, "checkpoint_id": at}}

    def step(self) -> None:
        """Read the newest checkpoint or an old one, change it, and put it as a child."""
        saver = self.chance.choice(self.fleet.savers)
        old = self.put_ids and self.chance.random() < 0.3
        config = self.config(self.chance.choice(self.put_ids) if old else None)
        found = self.call(saver, "get_tuple", config)
        self.figures["reads"] += 1
        if found is None:
            made, parent = empty_checkpoint(), None
        else:
            self.model.check(found, "a reader")
            made, parent = found.checkpoint, found.checkpoint["id"]
        new_versions = self.change(made, saver)
        if self.chance.random() < 0.2 and parent is not None:
            return  # changed, and not put
        metadata = {"source": "loop", "step": len(self.put_ids), "notes": ["kept"]}
        at = found.config if found is not None else self.config()
        made["id"] = str(uuid6())
        self.model.put(parent, made, metadata, new_versions)
        put = self.call(saver, "put", at, made, metadata, new_versions)
        self.figures["turns"] += 1
        self.put_ids.append(made["id"])
        self.write(saver, put)
        self.spoil(made, metadata, new_versions, put)
        for who, reader in (("the same saver", saver), ("a new process", self.fleet.fresh())):
            self.model.check(self.call(reader, "get_tuple", self.config(self.put_ids[-1])), who)

    def call(self, saver: Any, name: str, *args: Any) -> Any:
        if self.chance.random() < 0.4:
            return self.fleet.table.wait(getattr(saver, "a" + name)(*args))
        return getattr(saver, name)(*args)

    def change(self, made: Any, saver: Any) -> dict[str, Any]:
        """Change values in a checkpoint; returns the versions that are named as new."""
        values, versions = made["channel_values"], made["channel_versions"]
        new_versions = {}
        names_all = self.chance.random() < 0.6
        for channel in self.chance.sample(CHANNELS, self.chance.randint(1, 3)):
            self.change_value(values, channel)
            if channel in versions and self.chance.random() < 0.3:
                continue  # in place, under the old version
            versions[channel] = saver.get_next_version(versions.get(channel), None)
            if names_all or self.chance.random() < 0.4:
                new_versions[channel] = versions[channel]
        return new_versions

    def change_value(self, values: dict[str, Any], channel: str) -> None:
        held = values.get(channel)
        if channel == "messages":
            held = values.setdefault(channel, [])
            if held and self.chance.random() < 0.5:
                held[self.chance.randrange(len(held))].content = random_values.text(self.chance)
            else:
                held += [message(self.chance, f"m{len(held) + n}") for n in range(5)]
        elif channel == "nested" and isinstance(held, dict):
            held["changed"] = random_values.nested(self.chance)
        elif channel == "nested":
            values[channel] = {"deep": random_values.nested(self.chance)}
        else:
            values[channel] = value(self.chance)

    def write(self, saver: Any, put: Any) -> None:
        """Pending writes, whose list and values the caller goes on to change."""
        given = [("plain", {"list": [1, 2]}), ("other", random_values.text(self.chance))]
        expected = seen.exact(given)
        self.call(saver, "put_writes", put, given, "task")
        given[0][1]["list"].append(3)  # type: ignore[call-overload, index]
        given.pop()
        found = self.call(saver, "get_tuple", put)
        told = [tuple(one[1:]) for one in found.pending_writes]
        assert seen.exact(told) == expected, f"pending writes: {told}"

    def spoil(self, made: Any, metadata: Any, new_versions: Any, put: Any) -> None:
        made["channel_versions"].clear()
        for held in made["channel_values"].values():
            if isinstance(held, list | dict):
                held.clear()
        made["channel_values"].clear()
        metadata["notes"].append("spoiled")
        new_versions["spoiled"] = "1"
        put["configurable"]["spoiled"] = True


def callers(fleet: Fleet, chance: random.Random, name: str, figures: Counter[str]) -> None:
    caller = Caller(fleet, chance, name, figures)
    for _ in range(8):
        caller.step()
    fresh = fleet.fresh()
    for found in fresh.list(caller.config()):
        caller.model.check(found, "a list")
    report = fresh.verify(name)
    assert report.ok, report
