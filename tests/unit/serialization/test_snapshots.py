"""Snapshots: the caller's containers copied at the door, and nothing else changed."""

from __future__ import annotations

import copy
import dataclasses
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.types import Interrupt, Send
from pydantic import BaseModel

from langgraph_checkpoint_dynamodb import SerializationError
from langgraph_checkpoint_dynamodb.serialization.snapshots import snapshot
from messages import some_message

SERDE = JsonPlusSerializer()


class Pair(NamedTuple):
    first: Any
    second: Any = None


@dataclasses.dataclass
class Plain:
    items: Any


@dataclasses.dataclass(frozen=True)
class Frozen:
    items: Any


@dataclasses.dataclass(slots=True)
class Slotted:
    items: Any


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenSlotted:
    items: Any


class Own(dict):  # type: ignore[type-arg]
    """With an attribute beside what it holds."""

    note = "class"


class OwnList(list):  # type: ignore[type-arg]
    pass


class OwnTuple(tuple):  # type: ignore[type-arg]
    __slots__ = ()


class Model(BaseModel):
    items: list[Any] = []


# Each holds a list, which the caller goes on to change.
HOLDERS: dict[str, Callable[[list[Any]], Any]] = {
    "list": lambda inner: [inner],
    "deeper": lambda inner: [{"a": [{"b": (inner,)}]}],
    "dict": lambda inner: {"a": inner},
    "tuple": lambda inner: (inner, 1),
    "named tuple": lambda inner: Pair(inner, 1),
    "delta snapshot": _DeltaSnapshot,
    "dataclass": Plain,
    "frozen": Frozen,
    "slotted": Slotted,
    "frozen and slotted": FrozenSlotted,
    "deque": lambda inner: deque([inner], maxlen=5),
    "ordered": lambda inner: OrderedDict(a=inner),
    "default": lambda inner: defaultdict(list, a=inner),
    "own dict": lambda inner: Own(a=inner),
    "own list": lambda inner: OwnList([inner]),
    "send": lambda inner: Send("node", {"a": inner}),
    "send of a list": lambda inner: Send("node", inner),
    "interrupt": lambda inner: Interrupt(value=inner, id="1"),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_what_the_caller_changes_later_is_not_in_it(name: str) -> None:
    inner = [1, 2]
    value = HOLDERS[name](inner)
    taken = snapshot(value)
    expected = HOLDERS[name]([1, 2])
    inner.append(3)
    assert taken == expected
    assert taken != value
    assert type(taken) is type(value)
    assert SERDE.dumps_typed(taken) == SERDE.dumps_typed(expected)


@pytest.mark.parametrize("name", HOLDERS)
def test_the_callers_own_is_left_as_it_was(name: str) -> None:
    inner = [1, 2]
    value = HOLDERS[name](inner)
    taken = snapshot(value)
    assert value == HOLDERS[name]([1, 2])
    inner.append(3)
    assert value == HOLDERS[name]([1, 2, 3])
    assert taken is not value


@pytest.mark.parametrize(
    ("value", "change"),
    [
        ([1], lambda value: value.append(2)),
        ({"a": 1}, lambda value: value.update(b=2)),
        ({1}, lambda value: value.add(2)),
        (bytearray(b"a"), lambda value: value.extend(b"b")),
        (deque([1]), lambda value: value.append(2)),
        (OrderedDict(a=1), lambda value: value.update(b=2)),
        (defaultdict(int, a=1), lambda value: value["b"]),
        (Plain(1), lambda value: setattr(value, "items", 2)),
        (Slotted(1), lambda value: setattr(value, "items", 2)),
        (Send("node", 1), lambda value: setattr(value, "arg", 2)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_container_itself_is_copied(value: Any, change: Callable[[Any], Any]) -> None:
    before = copy.deepcopy(value)
    taken = snapshot(value)
    change(value)
    assert taken == before
    assert taken != value


def test_kinds_keep_what_belongs_to_them() -> None:
    assert snapshot(deque([[1]], maxlen=3)).maxlen == 3
    made = snapshot(defaultdict(list, a=[1]))
    assert made["new"] == []
    own = Own(a=[1])
    own.note = "instance"
    assert snapshot(own).note == "instance"
    ordered = OrderedDict(a=1, b=[2])
    ordered.move_to_end("a")
    assert list(snapshot(ordered)) == ["b", "a"]
    assert list(snapshot({"b": [1], "a": [2]})) == ["b", "a"]
    assert snapshot(Pair([1]))._fields == ("first", "second")
    assert hash(snapshot(Frozen((1,)))) == hash(Frozen((1,)))


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 1, 1.5, 1j, "text", b"bytes", (), (1, "a"), Pair(1, 2), frozenset({1})),
        *(HumanMessage("Hello!"), AIMessage("Hi."), Model(items=[1]), Plain, len),
        *(OwnTuple((1,)), ((1, (2, (3,))),)),
    ],
    ids=repr,
)
def test_what_is_no_container_that_can_change_is_the_same_object(value: Any) -> None:
    assert snapshot(value) is value
    assert snapshot([value])[0] is value
    assert snapshot({"a": value})["a"] is value
    assert snapshot((value, [1]))[0] is value


def test_what_occurs_twice_does_so_in_the_copy() -> None:
    inner = [1]
    taken = snapshot({"a": inner, "b": (inner, [inner]), "c": Plain(inner)})
    assert taken["a"] is taken["b"][0] is taken["b"][1][0] is taken["c"].items
    assert taken["a"] is not inner
    # Equal is not the same.
    one, other = snapshot([[1], [1]])
    assert one is not other


def test_what_holds_itself_does_so_in_the_copy() -> None:
    value: list[Any] = [1]
    value.append(value)
    taken = snapshot(value)
    assert taken[1] is taken is not value
    mapping: dict[str, Any] = {}
    mapping["list"] = [mapping]
    made = snapshot(mapping)
    assert made["list"][0] is made is not mapping
    plain = Plain([])
    plain.items.append(plain)
    copied = snapshot(plain)
    assert copied.items[0] is copied is not plain
    queue: deque[Any] = deque()
    queue.append(queue)
    turned = snapshot(queue)
    assert turned[0] is turned is not queue


class RefusesCopy(dict):  # type: ignore[type-arg]
    def __copy__(self) -> Any:
        raise TypeError("not me")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("not me")


class NeedsArguments(list):  # type: ignore[type-arg]
    def __init__(self, required: Any) -> None:
        super().__init__([required])

    def __reduce_ex__(self, protocol: Any) -> Any:
        return (NeedsArguments, ())


@dataclasses.dataclass
class Unset:
    """A dataclass whose field was deleted."""

    items: Any = None
    more: Any = dataclasses.field(init=False)


class WithoutMake(tuple):  # type: ignore[type-arg]
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [RefusesCopy(a=[1]), NeedsArguments([1]), Unset([1]), WithoutMake(([1],))],
    ids=lambda value: type(value).__name__,
)
def test_what_refuses_to_be_copied_is_taken_as_it_is(value: Any) -> None:
    taken = snapshot({"odd": value, "fine": [1], "again": value})
    assert taken["odd"] is value
    assert taken["again"] is value
    taken["fine"].append(2)


def test_what_is_nested_more_deeply_than_can_be_copied_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(2_000):
        deep = [deep]
    with pytest.raises(SerializationError, match="too deep to copy"):
        snapshot(deep)


def test_a_depth_that_a_serializer_takes_is_copied() -> None:
    value: list[Any] = [0]
    innermost = value
    for _ in range(126):
        value = [{"a": value}]
    taken = snapshot(value)
    innermost[0] = 1
    for _ in range(126):
        taken = taken[0]["a"]
    assert taken == [0]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | some_message
    | st.builds(Model, items=st.lists(st.integers(-9, 9), max_size=2)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=5) | st.integers(0, 9), inner, max_size=4),
        st.tuples(inner, inner),
        st.builds(Pair, inner, inner),
        st.builds(Plain, inner),
        st.builds(FrozenSlotted, inner),
        st.builds(Send, st.just("node"), inner),
        st.builds(_DeltaSnapshot, inner),
        st.lists(inner, max_size=3).map(deque),
        st.dictionaries(st.text(max_size=5), inner, max_size=3).map(OrderedDict),
        st.dictionaries(st.text(max_size=5), inner, max_size=3).map(Own),
        st.sets(st.integers(0, 9)),
        st.frozensets(st.integers(0, 9)),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(values)
def test_it_is_stored_as_the_value_would_be(value: Any) -> None:
    """Byte for byte: else a value would look changed to who compares what is stored."""
    assert SERDE.dumps_typed(snapshot(value)) == SERDE.dumps_typed(value)


@settings(max_examples=300, deadline=None)
@given(values)
def test_no_container_is_shared(value: Any) -> None:
    assert not containers(value) & containers(snapshot(value))


def containers(value: Any) -> set[int]:
    """The ids of all lists, dicts and so on in a value, not in its messages and models."""
    found: set[int] = set()
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, list | dict | deque | set | Send) or dataclasses.is_dataclass(one):
            found.add(id(one))
        match one:
            case dict():
                left += one.values()
            case list() | tuple() | deque():
                left += one
            case Send():
                left.append(one.arg)
            case Plain() | FrozenSlotted():
                left.append(one.items)
    return found
