"""Packed states of messages: equal only if they are stored alike, and nothing shared."""

from __future__ import annotations

import copy
import datetime
import enum
import gc
import math
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, RemoveMessage
from langgraph.checkpoint.serde._msgpack import SAFE_MSGPACK_TYPES
from pydantic import BaseModel

from langgraph_checkpoint_dynamodb.serialization.message_prototypes import (
    KINDS,
    count_same,
    make_messages,
    prototype,
    prototypes,
    prototypes_read,
)
from messages import by_serde, some_message, state_of


class Color(str, enum.Enum):
    RED = "red"


class Count(enum.IntEnum):
    ONE = 1


class Text(str):
    pass


class Number(int):
    pass


class Things(list):  # type: ignore[type-arg]
    pass


class Mapping(dict):  # type: ignore[type-arg]
    pass


class Pair(NamedTuple):
    a: int
    b: int


@dataclass
class Point:
    x: int = 1


class Model(BaseModel):
    x: int = 1


def holding(value: Any) -> AIMessage:
    """A message that holds exactly this, past pydantic's validation."""
    message = AIMessage("text", id="1")
    message.additional_kwargs["value"] = value
    return message


def test_langgraph_reads_these_classes_under_every_allowlist() -> None:
    assert {(kind.__module__, kind.__name__) for kind in KINDS} <= SAFE_MSGPACK_TYPES


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (True, 1),
        (False, 0),
        (1, 1.0),
        (0.0, -0.0),
        (2**53, float(2**53)),
        ("a", b"a"),
        (None, False),
        ("", None),
        ([], {}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}}),
        ([1, [True]], [1, [1]]),
        ("1", 1),
    ],
    ids=str,
)
def test_equal_is_not_enough(one: Any, other: Any) -> None:
    first, second = prototype(holding(one)), prototype(holding(other))
    assert first is not None
    assert second is not None
    assert first != second
    assert prototype(holding(copy.deepcopy(one))) == first


@pytest.mark.parametrize(
    "value",
    [
        *(Color.RED, Count.ONE, Text("red"), Number(1), Things([1]), Mapping(a=1)),
        *((1, 2), Pair(1, 2), {1, 2}, frozenset({1}), Point(), Model(), uuid.UUID(int=1)),
        *(datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc), datetime.date(2020, 1, 1)),
        *(datetime.time(1), 2**70, 1j, int, {1: "a key that is no text"}, {None: 1}),
        *({Color.RED: 1}, {Text("red"): 1}, "\ud800"),
    ],
    ids=repr,
)
def test_what_is_more_than_plain_data_has_no_prototype(value: Any) -> None:
    for message in (
        holding(value),
        holding([value]),
        holding({"deep": {"down": value}}),
    ):
        assert prototype(message) is None


def test_what_is_subclassed_in_a_field_has_no_prototype() -> None:
    for content in (Color.RED, Text("red")):
        message = HumanMessage("text")
        message.content = content
        assert prototype(message) is None


def test_what_holds_itself_has_no_prototype() -> None:
    value: list[Any] = []
    value.append(value)
    assert prototype(holding(value)) is None
    for _ in range(5_000):
        value = [value]
    assert prototype(holding(value)) is None


def test_fields_of_the_users_own_have_no_prototype() -> None:
    extra = HumanMessage("text", own="field")
    assert extra.__pydantic_extra__
    assert prototype(extra) is None


def test_what_is_not_a_number_is_what_it_is() -> None:
    (made,) = make_messages([prototype(holding(math.nan)) or b""])
    assert math.isnan(made.additional_kwargs["value"])
    assert prototype(holding(math.nan)) == prototype(holding(float("nan")))
    for value in (math.inf, -math.inf, -0.0):
        (made,) = make_messages([prototype(holding(value)) or b""])
        assert repr(made.additional_kwargs["value"]) == repr(value)


def test_two_classes_with_the_same_fields_differ() -> None:
    assert prototype(AIMessage("a")) != prototype(HumanMessage("a"))


def test_what_is_no_message_has_none() -> None:
    own = type("HumanMessage", (HumanMessage,), {})
    assert prototypes([HumanMessage("a"), own("a"), "a", None])[1:] == [None, None, None]


def test_a_message_of_which_not_all_fields_were_set_is_not_made() -> None:
    """What the serializer reads has all fields set; one that has not would be made otherwise."""
    whole, part = by_serde([HumanMessage("a"), HumanMessage("b")])
    part.__pydantic_fields_set__.discard("name")
    first, second = prototypes_read([whole, part])
    assert first is not None
    assert second is None


@given(some_message)
def test_messages_made_of_one_prototype_share_nothing(message: BaseMessage) -> None:
    read = by_serde(message)
    (packed,) = prototypes_read([read])
    assert packed is not None
    one, other = make_messages([packed, packed])
    assert state_of(one) == state_of(other) == state_of(read)
    assert not mutables(one) & mutables(other)
    assert prototype(one) == packed


def mutables(message: BaseMessage) -> set[int]:
    """The ids of all that can be changed in a message."""
    found: set[int] = set()
    left: list[Any] = [
        message.__dict__,
        message.__pydantic_fields_set__,
        message.__pydantic_extra__,
    ]
    while left:
        value = left.pop()
        if isinstance(value, dict | list | set):
            found.add(id(value))
            left += value.values() if isinstance(value, dict) else value
    return found


def test_a_made_message_is_one_of_pydantics() -> None:
    read = by_serde(AIMessage("text", id="1", tool_calls=[]))
    (made,) = make_messages(prototypes_read([read]))  # type: ignore[arg-type]
    assert made == read
    assert made.model_copy(deep=True) == read
    assert made.model_dump() == read.model_dump()
    assert by_serde(made) == read
    made.content = "another"
    assert made.content == "another"
    assert made.pretty_repr() != read.pretty_repr()
    assert make_messages([]) == []
    assert make_messages([prototype(by_serde(RemoveMessage(id="7"))) or b""])[0].id == "7"


def test_the_collector_is_left_as_it_was() -> None:
    made_of = [prototype(HumanMessage("a")) or b""]
    assert gc.isenabled()
    make_messages(made_of)
    assert gc.isenabled()
    gc.disable()
    try:
        make_messages(made_of)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_no_collection_starts_while_messages_are_made() -> None:
    made_of = [prototype(HumanMessage("a")) or b""] * 3000
    started: list[int] = []

    def note(phase: str, _: dict[str, int]) -> None:
        started.append(phase == "start")

    gc.collect()
    gc.callbacks.append(note)
    try:
        messages = make_messages(made_of)
    finally:
        gc.callbacks.remove(note)
    assert len(messages) == 3000
    assert sum(started) <= 1  # after the last message was made


def test_threads_that_make_messages_at_once_leave_the_collector_enabled() -> None:
    made_of = [prototype(HumanMessage("a")) or b""] * 300
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: make_messages(made_of), range(200)))
    assert gc.isenabled()


@pytest.mark.parametrize("length", [1, 63, 64, 65, 127, 128, 129, 300])
def test_the_same_are_counted_across_blocks(length: int) -> None:
    messages = [HumanMessage(f"text {number}") for number in range(length)]
    before = [one for one in prototypes(messages) if one]
    assert count_same(before, messages) == length
    assert count_same(before, [*messages, AIMessage("more")]) == length
    assert count_same(before, messages[:-1]) == length - 1
    for number in {0, length // 2, length - 1}:
        edited = [*messages]
        edited[number] = HumanMessage(f"text {number}", name="other")
        assert count_same(before, edited) == number
        edited[number] = HumanMessage(f"text {number}", own="field")
        assert count_same(before, edited) == number
