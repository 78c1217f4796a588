"""What a checkpoint says of its thread, whatever was stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.base import CheckpointTuple, empty_checkpoint

import messages
from langgraph_checkpoint_dynamodb.cli import thread_view
from langgraph_checkpoint_dynamodb.serialization.plain_data import NamedData, as_json

ID = "1f1ebbf0-c36d-6f8d-8001-f7a1ff26d422"
CONFIG: Any = {"configurable": {"thread_id": 'a"b', "checkpoint_ns": "", "checkpoint_id": ID}}


def checkpoint(values: Any = None, writes: Any = (), metadata: Any = None) -> CheckpointTuple:
    found = empty_checkpoint()
    found["channel_values"] = values or {}
    return CheckpointTuple(CONFIG, found, metadata or {}, None, list(writes))


def asked(identifier: Any = "i") -> NamedData:
    return NamedData("langgraph.types.Interrupt", {"id": identifier, "value": "why?"})


@pytest.mark.parametrize(
    ("values", "writes", "status", "next_nodes"),
    [
        ({"a": 1}, [], "finished", []),
        ({"branch:to:n": None}, [], "unfinished", ["n"]),
        ({"__start__": {}}, [], "unfinished", ["__start__"]),
        (
            {"__pregel_tasks": [NamedData("langgraph.types.Send", ["n", {}]), "no send"]},
            [],
            "unfinished",
            ["n"],
        ),
        ({"branch:to:n": None}, [("t", "__interrupt__", [asked()])], "interrupted", ["n"]),
        ({"branch:to:n": None}, [("t", "__error__", "E")], "error", ["n"]),
        # Answered: the task has written since.
        (
            {"branch:to:n": None},
            [("t", "__interrupt__", [asked()]), ("t", "__resume__", "yes"), ("t", "a", 1)],
            "unfinished",
            ["n"],
        ),
    ],
)
def test_status_and_next_nodes(values: Any, writes: Any, status: str, next_nodes: Any) -> None:
    found = checkpoint(values, writes)
    assert (thread_view.status(found), thread_view.next_nodes(found)) == (status, next_nodes)


@pytest.mark.parametrize(
    ("ids", "resume"),
    [(["i"], "..."), (["i", "j"], '{"i": ..., "j": ...}'), ([None, None], "...")],
)
def test_the_way_on_is_code(ids: list[Any], resume: str) -> None:
    writes = [(f"t{place}", "__interrupt__", [asked(one)]) for place, one in enumerate(ids)]
    found = checkpoint({"branch:to:n": None}, writes)
    waiting = thread_view.interrupts(found, {"t0": "~__pregel_pull, n"})
    assert waiting[0]["node"] == "n"
    line = thread_view.way_on(found, waiting)
    config = '{"configurable": {"thread_id": "a\\"b"}}'
    assert line == f"graph.invoke(Command(resume={resume}), {config})"
    compile(line, "line", "eval")


def test_a_finished_thread_has_no_way_on() -> None:
    assert thread_view.way_on(checkpoint({"a": 1}), []) is None


def test_the_time_is_that_of_the_id() -> None:
    assert thread_view.when(ID) == "2026-11-29T06:35:20Z"
    assert thread_view.when("no-uuid") is None


def test_messages_have_a_role_in_each_form() -> None:
    human = NamedData("HumanMessage", {"type": "human", "content": "a", "id": "1", "name": None})
    assert thread_view.messages([human, {"role": "user", "content": "b"}, ["ai", "c"], 7]) == [
        {"role": "human", "content": "a", "id": "1"},
        {"role": "user", "content": "b"},
        {"role": "ai", "content": "c"},
        {"role": None, "content": 7},
    ]


named = st.builds(NamedData, st.text(), messages.plain)
anything = messages.plain | named | st.lists(named, max_size=3)
channels = st.sampled_from(
    ["a", "__interrupt__", "__error__", "__resume__", "__pregel_tasks", "branch:to:n", "__start__"]
)


@settings(max_examples=50)
@given(
    st.dictionaries(channels, anything, max_size=4),
    st.lists(st.tuples(st.text(), channels, anything), max_size=4),
    st.dictionaries(st.text(), anything, max_size=3),
    st.lists(anything, max_size=3),
)
def test_nothing_that_is_stored_is_an_exception(
    values: Any, writes: Any, metadata: Any, said: Any
) -> None:
    found = checkpoint(values, writes, metadata)
    waiting = thread_view.interrupts(found, {})
    shown = [
        thread_view.summary(found),
        waiting,
        thread_view.errors(found, {}),
        thread_view.way_on(found, waiting),
        thread_view.messages(said),
    ]
    json.dumps(as_json(shown), allow_nan=False)
