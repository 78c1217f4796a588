"""Bad input: the error it gets, what the message says, and that nothing was sent."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from conftest import MakeSaver
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver

from capacity import Costs
from either import Either
from langgraph_checkpoint_dynamodb import (
    InvalidInputError,
    SerializationError,
)
from play import thread
from threads import config_of, put

NO_THREAD: dict[str, Any] = {
    "no config": None,
    "not a mapping": "thread",
    "no configurable": {},
    "configurable is None": {"configurable": None},
    "no thread_id": {"configurable": {}},
    "thread_id is None": thread(None),  # type: ignore[arg-type]
    "thread_id is empty": thread(""),
    "thread_id is bytes": thread(b"1"),  # type: ignore[arg-type]
    "thread_id is a bool": thread(True),  # type: ignore[arg-type]
    "thread_id over 2,048 bytes": thread("é" * 1025),
    "thread_id is no Unicode": thread("\ud800"),
    "checkpoint_ns is a list": thread(checkpoint_ns=["ns"]),
    "checkpoint_id is a number": thread(checkpoint_id=1),
}

METHODS: dict[str, Callable[[Either, Any], Any]] = {
    "get_tuple": lambda client, config: client.get_tuple(config),
    "get": lambda client, config: client.get(config),
    "put": lambda client, config: client.put(config, empty_checkpoint(), {"step": 1}, {}),
    "put_writes": lambda client, config: client.put_writes(config, [("a", 1)], "task"),
    "get_delta_channel_history": lambda client, config: client.get_delta_channel_history(
        config=config, channels=["a"]
    ),
    "list": lambda client, config: client.list(config),
}

BAD_CALLS: dict[str, tuple[str, Callable[[Either], Any]]] = {
    "put_writes without checkpoint_id": (
        "checkpoint_id",
        lambda client: client.put_writes(thread(), [("a", 1)], "task"),
    ),
    "before without checkpoint_id": (
        "before",
        lambda client: client.list(thread(), before=thread()),
    ),
    "before without configurable": (
        "configurable",
        lambda client: client.list(thread(), before={}),
    ),
    "limit below 0": ("limit=-1", lambda client: client.list(thread(), limit=-1)),
    "limit that is no number": ("limit='1'", lambda client: client.list(thread(), limit="1")),
    "filter that is no mapping": ("filter", lambda client: client.list(thread(), filter=["a"])),
    "unknown strategy": (
        "'keep_latest', 'delete', 'delete_all'",
        lambda client: client.prune(["1"], strategy="keep_all"),
    ),
    "keep_last of none": ("keep_last=0", lambda client: client.prune(["1"], keep_last=0)),
    "keep_last that is no number": (
        "strategy='delete'",
        lambda client: client.prune(["1"], keep_last=True),
    ),
    "keep_last of what is deleted": (
        "keep_last=1",
        lambda client: client.prune(["1"], strategy="delete", keep_last=1),
    ),
    "older_than of what is deleted": (
        "older_than=datetime.timedelta(days=1)",
        lambda client: client.prune(["1"], strategy="delete", older_than=timedelta(days=1)),
    ),
    "older_than without a unit": (
        "older_than=30: use a datetime.timedelta from 0 up, such as timedelta(days=30)",
        lambda client: client.prune(["1"], older_than=30),
    ),
    "older_than in seconds": (
        "older_than=0.5: use a datetime.timedelta",
        lambda client: client.prune(["1"], older_than=0.5),
    ),
    "older_than in the future": (
        "older_than=datetime.timedelta(days=-1)",
        lambda client: client.prune(["1"], older_than=timedelta(days=-1)),
    ),
    "metadata of the config that is no mapping": (
        "config['metadata']=5.5: use a mapping",
        lambda client: client.put({**thread(), "metadata": 5.5}, empty_checkpoint(), {}, {}),
    ),
    **{
        f"run_id of the {where} that is no Unicode": (
            "run_id='\\ud800' contains a lone surrogate",
            lambda client, config=config, metadata=metadata: client.put(
                config, empty_checkpoint(), metadata, {}
            ),
        )
        for where, config, metadata in (
            ("metadata", thread(), {"run_id": "\ud800"}),
            ("config's metadata", {**thread(), "metadata": {"run_id": "\ud800"}}, {}),
            ("configurable", {"configurable": {"thread_id": "1", "run_id": "\ud800"}}, {}),
        )
    },
    "progress that cannot be called": (
        "progress=5: use a function",
        lambda client: client.migrate(InMemorySaver(), progress=5),
    ),
    "verify of nothing": ("thread_id", lambda client: client.verify("")),
    "prune of one string": ("thread_ids", lambda client: client.prune("thread")),
    "prune of an empty thread": ("thread_id", lambda client: client.prune(["1", ""])),
    "delete of nothing": ("thread_id", lambda client: client.delete_thread("")),
    "delete of None": ("thread_id", lambda client: client.delete_thread(None)),
    "runs as one string": ("run_ids", lambda client: client.delete_for_runs("run")),
    "prune of bytes": ("thread_ids", lambda client: client.prune(b"thread")),
    "prune of one number": ("thread_ids=1", lambda client: client.prune(1)),
    "prune of a bool": ("entry of thread_ids=True", lambda client: client.prune(["1", True])),
    "keep_last of what is deleted as the server says": (
        "strategy='delete_all'",
        lambda client: client.prune(["1"], strategy="delete_all", keep_last=1),
    ),
    "delete of a bool": ("thread_id=False", lambda client: client.delete_thread(False)),
    "verify of bytes": ("thread_id=b'1'", lambda client: client.verify(b"1")),
    "runs as bytes": ("run_ids", lambda client: client.delete_for_runs(b"run")),
    "no runs": ("run_ids=None", lambda client: client.delete_for_runs(None)),
    "runs that are bytes": ("a UUID or an int", lambda client: client.delete_for_runs([b"1"])),
    "runs that are bools": ("entry of run_ids=True", lambda client: client.delete_for_runs([True])),
    "copy of a bool": ("source_thread_id=True", lambda client: client.copy_thread(True, "2")),
    "copy from nothing": ("source_thread_id", lambda client: client.copy_thread("", "2")),
    "copy to nothing": ("target_thread_id", lambda client: client.copy_thread("1", "")),
    "force that is no bool": ("force='no'", lambda client: client.destroy(force="no")),
    "task_id that is no string": (
        "task_id",
        lambda client: client.put_writes(thread(checkpoint_id="1"), [("a", 1)], None),
    ),
}


@pytest.fixture
def costs() -> Costs:
    return Costs()


@pytest.fixture
def offline(make_saver: MakeSaver, mode: str, costs: Costs) -> Either:
    """A saver that has no table, and needs none to find a mistake."""
    saver = make_saver(mode=mode, costs=costs, deploy=False)
    return Either(saver, use_async=mode != "sync")


# `None` as a config is fine for `list`: it lists every thread.
WITHOUT_THREAD = [(m, c) for m in METHODS for c in NO_THREAD if (m, c) != ("list", "no config")]


@pytest.mark.parametrize(("method", "case"), WITHOUT_THREAD)
async def test_no_usable_thread(offline: Either, costs: Costs, method: str, case: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await METHODS[method](offline, NO_THREAD[case])
    assert any(word in str(caught.value) for word in ("configurable", "thread_id", "checkpoint_"))
    assert costs.requests == 0


@pytest.mark.parametrize("case", BAD_CALLS)
async def test_bad_call(offline: Either, costs: Costs, case: str) -> None:
    fact, call = BAD_CALLS[case]
    with pytest.raises(InvalidInputError) as caught:
        await call(offline)
    assert fact in str(caught.value)
    assert costs.requests == 0


def test_list_refuses_before_it_is_iterated(make_saver: MakeSaver) -> None:
    saver = make_saver(deploy=False)
    for method in (saver.list, saver.alist):
        with pytest.raises(InvalidInputError):
            method(thread(), limit=-1)


class Unwritable:
    """Nothing that a serializer knows."""

    def __reduce__(self) -> Any:
        raise TypeError("cannot be written")


async def test_unserializable_value_names_its_channel(offline: Either, costs: Costs) -> None:
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"] = {"fine": 1, "the channel": Unwritable()}
    checkpoint["channel_versions"] = {"fine": "1", "the channel": "1"}
    with pytest.raises(SerializationError, match="'the channel'"):
        await offline.put(thread(), checkpoint, {"step": 1}, {"fine": "1", "the channel": "1"})
    writes = [("fine", 1), ("the channel", Unwritable())]
    with pytest.raises(SerializationError, match="'the channel'"):
        await offline.put_writes(thread(checkpoint_id="1"), writes, "task")
    assert costs.requests == 0


@pytest.mark.parametrize("name", ["1", "x" * 2048, "é" * 1024, " ", "\x00", "🧵"])
async def test_any_thread_id_that_a_key_can_hold(client: Either, name: str) -> None:
    config = await client.put(thread(name), empty_checkpoint(), {"step": 1}, {})
    found = await client.get_tuple(thread(name))
    assert found.config == config
    assert found.config["configurable"]["thread_id"] == name


IDS: dict[str, Any] = {"str": "42", "int": 42, "UUID": UUID("0d0c1bd2-3cd3-4b0f-9d3b-6c7a35a2a8ee")}

ITERABLES: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "generator": iter,
    "keys": lambda ids: dict.fromkeys(ids).keys(),
}


@pytest.mark.parametrize("kind", IDS)
async def test_every_method_takes_every_kind_of_thread_id(client: Either, kind: str) -> None:
    thread_id, text = IDS[kind], str(IDS[kind])
    await client.put(thread(thread_id), empty_checkpoint(), {"step": 1}, {})
    assert len(await client.list(thread(text))) == 1
    assert await client.get_tuple(thread(thread_id)) == await client.get_tuple(thread(text))
    assert (await client.verify(thread_id)).checkpoints == 1
    await client.copy_thread(thread_id, 7)
    assert len(await client.list(thread("7"))) == 1
    await client.delete_thread(thread_id)
    assert await client.list(thread(text)) == []
    await client.copy_thread(7, thread_id)
    await client.prune([thread_id, 7], strategy="delete_all")
    assert (await client.verify()).threads == 0


@pytest.mark.parametrize("iterable", ITERABLES)
async def test_any_iterable_of_ids_is_read_once(client: Either, iterable: str) -> None:
    made = ITERABLES[iterable]
    for thread_id in ("1", "2", "3"):
        for run_id in (*map(str, IDS.values()), "another"):
            await client.put(thread(thread_id), empty_checkpoint(), {"run_id": run_id}, {})
    await client.delete_for_runs(made(list(IDS.values())))
    assert [one.metadata["run_id"] for one in await client.list(None)] == ["another"] * 3
    await client.put(thread("1"), empty_checkpoint(), {"step": 1}, {})
    await client.prune(made([1, "2"]))
    assert len(await client.list(thread("1"))) == 1
    await client.prune(made(["1", 2]), strategy="delete")
    assert [one.config["configurable"]["thread_id"] for one in await client.list(None)] == ["3"]


@pytest.mark.parametrize("path", [None, 5, ["a"], b"a"])
async def test_a_task_path_that_is_no_string_is_refused(client: Either, path: Any) -> None:
    config = await put(client, config_of("t"), {"a": 1})
    with pytest.raises(InvalidInputError, match="task_path"):
        await client.put_writes(config, [("a", 1)], "task", path)
    assert await client.get_tuple(config)


@pytest.mark.parametrize("values", [None, [1], 5, {5: 1}, {b"a": 1}, {"\ud800": 1}])
async def test_channel_values_that_cannot_be_read_back_are_refused(
    client: Either, values: Any
) -> None:
    checkpoint = {**empty_checkpoint(), "channel_values": values}
    with pytest.raises(InvalidInputError, match="channel_values"):
        await client.put(config_of("t"), checkpoint, {}, {})
    assert await client.get_tuple(config_of("t")) is None


@pytest.mark.parametrize("limit", [10**9, sys.maxsize, 10**30])
async def test_a_limit_over_all_pages_lists_everything(client: Either, limit: int) -> None:
    config = config_of("t")
    for step in range(3):
        config = await put(client, config, {"a": step})
    for one in (config_of("t"), None, {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}):
        assert len(await client.list(one, limit=limit)) == 3
