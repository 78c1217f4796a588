"""`get_delta_channel_history` by its contract, compared with `InMemorySaver`'s."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from either import Either
from langgraph_checkpoint_dynamodb import CorruptCheckpointError
from play import thread

Writes = list[tuple[str, str, str, Any]]  # task path, task id, channel, value


class Chains:
    """Puts the same checkpoints into our saver and the reference."""

    def __init__(self, client: Either) -> None:
        self.client = client
        self.memory = InMemorySaver()
        self._version: str | None = None

    async def put(
        self,
        parent: Any = None,
        *,
        stored: dict[str, Any] | None = None,
        written: tuple[str, ...] = (),
        writes: Writes = (),  # type: ignore[assignment]
        ns: str = "",
    ) -> Any:
        """A checkpoint that stores some channels; `written` ones have only a version.

        `writes` are its pending writes: they lead to its children.
        """
        before = (await self.client.get_tuple(parent)).checkpoint if parent else empty_checkpoint()
        checkpoint = empty_checkpoint()
        checkpoint["id"] = str(uuid6())
        self._version = self.memory.get_next_version(self._version, None)
        new_versions: Any = dict.fromkeys((*(stored or {}), *written), self._version)
        checkpoint["channel_values"] = stored or {}
        checkpoint["channel_versions"] = {**before["channel_versions"], **new_versions}
        config = parent or thread(checkpoint_ns=ns)
        config = await self.both("put", config, checkpoint, {"step": 0}, new_versions)
        for path, task_id, channel, value in writes:
            await self.both("put_writes", config, [(channel, value)], task_id, path)
        return config

    async def put_writes(self, config: Any, writes: Any, task_id: str, path: str = "") -> None:
        await self.both("put_writes", config, writes, task_id, path)

    async def both(self, method: str, *arguments: Any) -> Any:
        getattr(self.memory, method)(*arguments)
        return await getattr(self.client, method)(*arguments)

    async def history(self, config: Any, *channels: str) -> Any:
        """Ours, after it was found to be the reference's."""
        ours = await self.client.get_delta_channel_history(config=config, channels=channels)
        theirs = self.memory.get_delta_channel_history(config=config, channels=channels)
        assert ours == theirs
        return ours


@pytest.fixture
def chains(client: Either) -> Chains:
    return Chains(client)


def task(n: int, channel: str, value: Any, path: str = "") -> tuple[str, str, str, Any]:
    return (path, f"task {n}", channel, value)


async def test_seed_and_writes_from_the_nearest_snapshot(chains: Chains) -> None:
    a = await chains.put(stored={"d": _DeltaSnapshot([1])}, writes=[task(1, "d", "old")])
    b = await chains.put(a, stored={"d": _DeltaSnapshot([1, 2])}, writes=[task(2, "d", "b")])
    c = await chains.put(b, written=("d",), writes=[task(3, "d", "c")])
    e = await chains.put(c, written=("d",), writes=[task(4, "d", "of the target")])
    found = await chains.history(e, "d")
    assert found["d"]["seed"] == _DeltaSnapshot([1, 2])
    assert found["d"]["writes"] == [("task 2", "d", "b"), ("task 3", "d", "c")]


async def test_without_a_snapshot_there_is_no_seed(chains: Chains) -> None:
    a = await chains.put(writes=[task(1, "d", "a")])
    b = await chains.put(a, written=("d",), writes=[task(2, "d", "b")])
    c = await chains.put(b, written=("d",))
    found = await chains.history(c, "d")
    assert "seed" not in found["d"]
    assert [value for _, _, value in found["d"]["writes"]] == ["a", "b"]


async def test_a_plain_value_from_before_is_a_seed(chains: Chains) -> None:
    a = await chains.put(stored={"d": ["plain"]}, writes=[task(1, "d", "a")])
    b = await chains.put(a, written=("d",))
    assert (await chains.history(b, "d"))["d"]["seed"] == ["plain"]


async def test_none_is_a_seed_and_a_write(chains: Chains) -> None:
    a = await chains.put(stored={"d": None}, writes=[task(1, "d", None)])
    b = await chains.put(a, written=("d",))
    found = await chains.history(b, "d")
    assert found == {"d": {"seed": None, "writes": [("task 1", "d", None)]}}


async def test_writes_are_ordered_by_path_then_task_then_index(chains: Chains) -> None:
    root = await chains.put()
    for n in (7, 11, 0, 3, 9, 1, 10, 2, 8, 4, 6, 5):
        # Task ids run against the paths; without a path, a write comes first.
        await chains.put_writes(root, [("d", f"path {n:02}")], f"{99 - n}", f"~push, {n:010}")
    await chains.put_writes(root, [("d", f"index {n}") for n in range(12)], "50", "~pull, z")
    await chains.put_writes(root, [("x", 0), ("d", "no path b")], "b")
    await chains.put_writes(root, [("d", "no path a")], "a")
    head = await chains.put(root, written=("d",))
    found = await chains.history(head, "d")
    assert [value for _, _, value in found["d"]["writes"]] == [
        *("no path a", "no path b"),
        *(f"index {n}" for n in range(12)),
        *(f"path {n:02}" for n in range(12)),
    ]


async def test_only_ancestors_of_the_target_count(chains: Chains) -> None:
    a = await chains.put(stored={"d": _DeltaSnapshot(["a"])}, writes=[task(1, "d", "shared")])
    left = await chains.put(a, written=("d",), writes=[task(2, "d", "left")])
    right = await chains.put(a, written=("d",), writes=[task(3, "d", "right")])
    left = await chains.put(left, written=("d",), stored={"other": 1})
    right = await chains.put(right, written=("d",))
    for head, own in ((left, "left"), (right, "right")):
        found = await chains.history(head, "d")
        assert [value for _, _, value in found["d"]["writes"]] == ["shared", own]


async def test_each_channel_ends_at_its_own_snapshot(chains: Chains) -> None:
    both = [task(1, "d", "d0"), task(1, "e", "e0")]
    a = await chains.put(stored={"d": _DeltaSnapshot(["d"])}, writes=both)
    b = await chains.put(
        a,
        stored={"e": _DeltaSnapshot(["e"])},
        written=("d",),
        writes=[task(2, "d", "d1"), task(3, "e", "e1")],
    )
    c = await chains.put(b, written=("d", "e"), writes=[task(4, "f", "f2")])
    head = await chains.put(c, written=("f",))
    found = await chains.history(head, "d", "e", "f", "never written")
    assert found["d"]["seed"] == _DeltaSnapshot(["d"])
    assert found["e"] == {"seed": _DeltaSnapshot(["e"]), "writes": [("task 3", "e", "e1")]}
    assert "seed" not in found["f"]
    assert found["never written"] == {"writes": []}


async def test_a_channel_that_nobody_wrote_since_its_snapshot(chains: Chains) -> None:
    a = await chains.put(stored={"d": _DeltaSnapshot(["d"])}, writes=[task(1, "other", 1)])
    b = await chains.put(a, stored={"other": 1}, writes=[task(2, "other", 2), task(3, "d", 3)])
    c = await chains.put(b, stored={"other": 2}, written=("d",))
    assert (await chains.history(b, "d")) == {"d": {"seed": _DeltaSnapshot(["d"]), "writes": []}}
    assert [value for _, _, value in (await chains.history(c, "d"))["d"]["writes"]] == [3]


async def test_newest_checkpoint_is_the_target_unless_one_is_named(chains: Chains) -> None:
    a = await chains.put(writes=[task(1, "d", "a")])
    b = await chains.put(a, written=("d",), writes=[task(2, "d", "b")])
    await chains.put(b, written=("d",))
    assert len((await chains.history(thread(), "d"))["d"]["writes"]) == 2
    assert len((await chains.history(b, "d"))["d"]["writes"]) == 1
    assert len((await chains.history(a, "d"))["d"]["writes"]) == 0


async def test_missing_target_or_channels(chains: Chains) -> None:
    a = await chains.put(writes=[task(1, "d", "a")])
    assert await chains.history(a) == {}
    missing = thread(checkpoint_id=str(uuid6()), checkpoint_ns="")
    assert await chains.history(missing, "d") == {"d": {"writes": []}}
    assert await chains.history(thread("no such thread"), "d") == {"d": {"writes": []}}


async def test_namespaces_have_chains_of_their_own(chains: Chains) -> None:
    heads = []
    for ns in ("", "child:1", "child:10"):
        root = await chains.put(ns=ns, writes=[task(1, "d", ns)])
        heads.append((ns, await chains.put(root, written=("d",))))
    for ns, head in heads:
        assert (await chains.history(head, "d"))["d"]["writes"] == [("task 1", "d", ns)]


async def test_a_long_chain_of_large_writes(chains: Chains) -> None:
    head = await chains.put(stored={"d": _DeltaSnapshot([])})
    for n in range(40):
        await chains.put_writes(head, [("d", bytes([n]) * 40_000 + bytes(range(n)))], "task")
        head = await chains.put(head, written=("d",))
    assert len((await chains.history(head, "d"))["d"]["writes"]) == 40


async def test_a_cut_chain_raises(chains: Chains, dynamodb: Any, scan: Callable[..., Any]) -> None:
    saver = chains.client.target
    table_name = saver.config.table_config.table_name
    a = await chains.put(stored={"d": _DeltaSnapshot(["a"])}, writes=[task(1, "d", "a")])
    b = await chains.put(a, written=("d",), writes=[task(2, "d", "b")])
    head = await chains.put(b, written=("d",))
    lost = a["configurable"]["checkpoint_id"]
    for item in scan(table_name):
        if lost in item["SK"]["S"]:
            key = {name: item[name] for name in ("PK", "SK")}
            dynamodb.delete_item(TableName=table_name, Key=key)
    with pytest.raises(CorruptCheckpointError) as caught:
        await chains.client.get_delta_channel_history(config=head, channels=["d"])
    for fact in ("thread", b["configurable"]["checkpoint_id"], lost, "'d'"):
        assert fact in str(caught.value)
    # A channel that had not been written by then needs nothing of what is lost.
    other = await chains.client.get_delta_channel_history(config=head, channels=["later"])
    assert other == {"later": {"writes": []}}


async def test_prune_keeps_what_the_newest_is_rebuilt_from(chains: Chains) -> None:
    config = await chains.put(stored={"d": _DeltaSnapshot(["gone"])}, writes=[task(1, "d", "x")])
    config = await chains.put(config, stored={"d": _DeltaSnapshot([])}, writes=[task(2, "d", 2)])
    for n in range(3, 6):
        config = await chains.put(config, written=("d",), writes=[task(n, "d", n)])
    checkpoint = empty_checkpoint()
    before = (await chains.client.get_tuple(config)).checkpoint
    checkpoint["id"] = str(uuid6())
    checkpoint["channel_versions"] = before["channel_versions"]
    counters = {"counters_since_delta_snapshot": {"d": (4, 4)}}
    head = await chains.both("put", config, checkpoint, counters, {})
    expected = await chains.history(head, "d")
    assert len(expected["d"]["writes"]) == 4
    await chains.client.prune(["thread"])
    found = await chains.client.get_delta_channel_history(config=head, channels=["d"])
    assert found == expected
    assert len(await chains.client.list(thread())) == 5
