"""Lists of messages, of which only what changed is written and read."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
)
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from fake_table import TABLE, FakeTable, context
from langgraph_checkpoint_dynamodb.checkpoints import get, put
from langgraph_checkpoint_dynamodb.checkpoints.new_checkpoint import Put
from langgraph_checkpoint_dynamodb.chunking.boundaries import Run
from langgraph_checkpoint_dynamodb.chunking.cut import Elements, cut, cut_list
from langgraph_checkpoint_dynamodb.chunking.msgpack_arrays import element_offsets
from langgraph_checkpoint_dynamodb.format import items
from langgraph_checkpoint_dynamodb.format.body import Body, unpack_body
from langgraph_checkpoint_dynamodb.runtime.context import Context, ThreadNamespace
from langgraph_checkpoint_dynamodb.runtime.lru_cache import Cache
from langgraph_checkpoint_dynamodb.serialization import message_memo
from langgraph_checkpoint_dynamodb.storage import chunk_reader
from messages import (
    SERDE,
    by_serde,
    some_message,
    state_of,
)

PLACE = ThreadNamespace("thread", "")


def memo_of(value: list[Any]) -> message_memo.Memo:
    memo = message_memo.remember(by_serde(value), SERDE.dumps_typed(value)[1], (0, []))
    assert memo is not None
    return memo


@given(st.lists(some_message, min_size=1, max_size=4))
def test_a_memo_makes_what_the_serde_reads(given_messages: list[BaseMessage]) -> None:
    memo = memo_of(given_messages)
    assert memo.is_whole
    for _ in range(2):
        assert [*map(state_of, memo.make())] == [*map(state_of, by_serde(given_messages))]


@given(some_message, some_message)
def test_two_messages_of_a_memo_share_nothing_that_can_change(
    one: BaseMessage, other: BaseMessage
) -> None:
    memo = memo_of([one, other])
    before = [*map(state_of, memo.make())]
    for message in memo.make():
        for value in message.__dict__.values():
            if isinstance(value, dict):
                value["changed"] = True
            if isinstance(value, list):
                value.append({"changed": True})
        message.content = "changed"
        message.__pydantic_fields_set__.add("changed")
        message.__pydantic_extra__["changed"] = True  # type: ignore[index]
    assert [*map(state_of, memo.make())] == before


@given(some_message, some_message)
def test_to_assign_to_one_message_leaves_the_other(one: BaseMessage, other: BaseMessage) -> None:
    changed, left = memo_of([one, other]).make()
    before = state_of(left)
    for field in type(changed).model_fields:
        setattr(changed, field, getattr(changed, field))
    changed.content, changed.name = "changed", "changed"
    assert state_of(left) == before


@pytest.mark.parametrize(
    "value",
    [
        [],
        ("a tuple",),
        [AIMessageChunk("a chunk")],
        [HumanMessage("one"), "another"],
        [type("Own", (HumanMessage,), {})("a class of the user's")],
        {"messages": [HumanMessage("in a dict")]},
    ],
    ids=str,
)
def test_other_values_are_left_to_the_serde(value: Any) -> None:
    assert message_memo.handles(SERDE, [HumanMessage("Hello!")])
    assert not message_memo.handles(SERDE, value)


def test_other_serdes_are_left_alone() -> None:
    class Own(JsonPlusSerializer):
        pass

    hooked = JsonPlusSerializer(__unpack_ext_hook__=lambda code, data: None)
    value = [HumanMessage("Hello!")]
    assert message_memo.handles(SERDE, value)
    assert not message_memo.handles(Own(), value)
    assert not message_memo.handles(hooked, value)


def unpacked(thread: Thread) -> Any:
    key = max(key for key in thread.table.items if key[1].startswith("C#"))
    body = unpack_body(items.packed_body(thread.table.items[key]))
    assert isinstance(body, Body)
    return body.records


class Thread:
    """A thread of one list, put by one process and read by it and by a fresh one."""

    def __init__(self) -> None:
        self.table = FakeTable()
        self.own = context()
        self.steps = 0

    def put(self, value: list[Any]) -> None:
        before, self.steps = self.steps, self.steps + 1
        made = empty_checkpoint()
        made["id"] = f"{self.steps:08}"
        made["channel_values"] = {"messages": value}
        made["channel_versions"] = {"messages": f"a{self.steps}"}
        parent = f"{before:08}" if before else None
        new = Put(PLACE, made, {}, parent, dict(made["channel_versions"]))
        self.table.run(put.put(self.own, new))

    def read(self, around: Context | None = None) -> list[Any]:
        found = self.table.run(get.get_tuple(around or context(), PLACE, None))
        value: list[Any] = found.checkpoint["channel_values"]["messages"]
        return value


def apply(value: list[Any], step: tuple[str, Any, int]) -> list[Any]:
    """A step of a graph: a new list, most of its messages the same objects."""
    kind, made, where = step
    at = where % (len(value) + 1)
    lists = {
        "append": [*value, *made],
        "insert": [*value[:at], *made, *value[at:]],
        "drop": value[at:] or made,
        "cut": value[:at] or made,
        "turn": value[::-1],
        "replace": [*value[:at], *made, *value[at + 1 :]],
        "change": value,
    }
    if kind == "change" and value:
        changed = value[at % len(value)]
        changed.content = f"changed in place {where}"
        changed.additional_kwargs["place"] = where
    return lists[kind]


steps = st.lists(
    st.tuples(
        st.sampled_from(["append", "append", "insert", "drop", "cut", "turn", "replace", "change"]),
        st.lists(some_message, min_size=1, max_size=6),
        st.integers(0, 1000),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(steps, st.lists(st.sampled_from(["", "read", "restart"]), min_size=12, max_size=12))
def test_every_list_is_read_as_it_was_put(
    chosen: list[tuple[str, Any, int]], then: list[str]
) -> None:
    thread = Thread()
    value: list[Any] = []
    for step, event in zip(chosen, then, strict=False):
        value = apply(value, copy.deepcopy(step))
        thread.put(value)
        expected = [*map(state_of, by_serde(value))]
        assert [*map(state_of, thread.read())] == expected
        if event == "restart":
            thread.own = context()
        if event:
            value = thread.read(thread.own)
            assert [*map(state_of, value)] == expected


CHANGES: dict[str, Callable[[BaseMessage], Any]] = {
    "content": lambda message: setattr(message, "content", "another"),
    "number for True": lambda message: message.additional_kwargs.update(flag=1),
    "float for number": lambda message: message.additional_kwargs.update(count=1.0),
    "deep": lambda message: message.additional_kwargs["deep"]["list"].append(2),
    "extra": lambda message: setattr(message, "own", "a field of the user's"),
    "name": lambda message: setattr(message, "name", "ada"),
    "tuple": lambda message: message.additional_kwargs.update(deep=("a", "tuple")),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("resumes", [False, True])
def test_a_change_in_place_is_stored(change: str, resumes: bool) -> None:
    thread = Thread()
    details = {"flag": True, "count": 1, "deep": {"list": [1]}}
    value: list[Any] = [
        AIMessage("x" * 900, id=str(number), additional_kwargs=copy.deepcopy(details))
        for number in range(20)
    ]
    thread.put(value)
    if resumes:
        value = thread.read(thread.own)
    CHANGES[change](value[3])
    thread.put([*value, HumanMessage("more")])
    expected = [*map(state_of, by_serde(value))]
    assert [*map(state_of, thread.read())][:-1] == expected
    assert [*map(state_of, thread.read(thread.own))][:-1] == expected


def test_a_value_that_cannot_be_compared_counts_as_changed() -> None:
    class Stubborn(str):
        def __eq__(self, other: object) -> bool:
            raise ValueError("ask something else")

        __hash__ = str.__hash__

    thread = Thread()
    value = [HumanMessage("x" * 900, id=str(number)) for number in range(20)]
    thread.put(value)
    value[3].content = Stubborn("y" * 900)
    thread.put(value)
    assert thread.read()[3].content == "y" * 900


@pytest.mark.parametrize("known_before", [False, True])
def test_a_message_that_changes_between_comparison_and_serialization(known_before: bool) -> None:
    """What is kept of a list is what its bytes say, and never what the graph had before."""
    value: list[Any] = [AIMessage("x" * 300, id=str(number)) for number in range(8)]
    memo = memo_of(value) if known_before else None
    value[3].content = "as it is compared"

    class Changing(JsonPlusSerializer):
        def dumps_typed(self, obj: Any) -> Any:
            value[2].content = value[3].content = "as it is serialized"
            return super().dumps_typed(obj)

    written = message_memo.serialize_list(Changing(), value, memo, frozenset(), "the list")
    assert written is not None
    pieces = cut_list(written.elements)
    stored = pieces.prefix + b"".join(pieces.chunks.get(ref, b"") for ref in pieces.levels[0])
    read_back = SERDE.loads_typed(("msgpack", stored + pieces.suffix))
    made = written.memo(pieces.segments)
    assert made.is_whole
    assert [*map(state_of, made.make())] == [*map(state_of, read_back)]
    # Number 2 was compared and found stored: it is written as it is stored.
    assert read_back[2].content == ("x" * 300 if known_before else "as it is serialized")
    assert read_back[3].content == "as it is serialized"


@given(
    st.lists(st.integers(80, 9000), min_size=1, max_size=60),
    st.lists(st.integers(80, 9000), min_size=1, max_size=9),
)
@settings(max_examples=60, deadline=None)
def test_a_list_cut_on_is_a_list_cut_whole(sizes: list[int], more: list[int]) -> None:
    # No two alike: which of them are stored by themselves depends on what was known.
    made = [AIMessage("x" * size, id=str(n)) for n, size in enumerate((*sizes, *more))]
    first = cut(SERDE.dumps_typed(made[: len(sizes)])[1])
    data = SERDE.dumps_typed(made)[1]
    offsets = element_offsets(data)
    assert offsets is not None
    done = sum(segment.elements for segment in first.segments)
    parts = [*first.segments, Run(data, offsets[done:])]
    on = cut_list(Elements(data[: offsets[0]], parts), first.refs)
    whole = cut(data, first.refs)
    assert (on.prefix, on.levels, on.suffix, on.segments) == (
        whole.prefix,
        whole.levels,
        whole.suffix,
        whole.segments,
    )
    assert on.chunks.items() <= whole.chunks.items()
    assert whole.refs - on.chunks.keys() <= first.refs


def chunk_keys(thread: Thread) -> set[str]:
    return {sort_key for _, sort_key in thread.table.items if sort_key.startswith("S#")}


def said(number: int, text: str = "") -> BaseMessage:
    return HumanMessage(f"{number} {text} " * 100, id=str(number))


@pytest.mark.parametrize("restarts", [False, True])
def test_an_edit_writes_the_segment_around_it_alone(restarts: bool) -> None:
    thread = Thread()
    value = [said(number) for number in range(60)]
    thread.put(value)
    before = chunk_keys(thread)
    for number in (30, 12, 44):
        value = [*value[:number], said(number, "edited"), *value[number + 1 :]]
        if restarts:
            thread.own = context()
            thread.read(thread.own)
        thread.put(value)
    new = len(chunk_keys(thread) - before)
    assert 0 < new <= 3 * 3  # of each edit: its segment, parted at most once, and a list of refs
    assert thread.read() == value


@pytest.mark.parametrize("restarts", [False, True])
def test_a_window_that_drops_its_start_writes_what_a_growing_list_would(restarts: bool) -> None:
    window, growing = Thread(), Thread()
    kept = grown = [said(number) for number in range(12)]
    window.put(kept)
    growing.put(grown)
    for number in range(12, 72):
        kept, grown = [*kept[1:], said(number)], [*grown, said(number)]
        if restarts:
            window.own = context()
            window.read(window.own)
        window.put(kept)
        growing.put(grown)
        assert window.read() == kept
    assert len(chunk_keys(window)) <= len(chunk_keys(growing))


def test_many_small_changes_do_not_part_a_list_into_crumbs() -> None:
    thread = Thread()
    value: list[Any] = []
    for number in range(150):
        short = HumanMessage("Hi.", id=str(number))
        place = 0 if number % 3 else number // 2
        value = [*value[:place], short, *value[place:]]
        thread.put(value)
    assert thread.read() == value
    (record,) = unpacked(thread)
    loaded = thread.table.run(chunk_reader.load(context(), "thread", [(0, record)]))
    sizes = [size for _, size in loaded.content(record, "").leaves[1]]
    assert sum(sizes) / len(sizes) > 400


@pytest.fixture
def serialized(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages each call of the serde gets, or gives."""
    counts: list[int] = []
    for name in ("dumps_typed", "loads_typed"):
        original = getattr(JsonPlusSerializer, name)

        def counting(self: Any, value: Any, original: Any = original) -> Any:
            result = original(self, value)
            lists = [one for one in (value, result) if isinstance(one, list) and one]
            counts.extend(len(one) for one in lists if isinstance(one[0], BaseMessage))
            return result

        monkeypatch.setattr(JsonPlusSerializer, name, counting)
    return counts


def test_a_long_list_is_neither_written_nor_read_again(serialized: list[int]) -> None:
    thread = Thread()
    value: list[Any] = []
    for turn in range(150):
        value = [*value, HumanMessage(f"{turn} " * 60, id=f"q{turn}")]
        thread.put(value)
        value = thread.read(thread.own)
        assert len(value) == turn + 1
    assert max(serialized) < 25
    assert sum(serialized) < 150 * 20


def test_a_process_that_only_reads_remembers_too(serialized: list[int]) -> None:
    thread = Thread()
    thread.put([HumanMessage(f"{number} " * 60, id=str(number)) for number in range(200)])
    serialized.clear()
    reader = context()
    assert [len(thread.read(reader)) for _ in range(3)] == [200] * 3
    assert serialized == [200]


def test_a_memo_that_takes_too_much_of_the_cache_does_not_cost_what_is_known_to_be_stored() -> None:
    thread = Thread()
    thread.own = context(cache=Cache(200_000))
    value = [said(number) for number in range(100)]
    thread.put(value)
    before = chunk_keys(thread)
    thread.table.calls.clear()
    thread.put([*value, said(100)])
    sent = [call for call in thread.table.calls if call.method == "batch_write_item"]
    assert sum(len(call.params["RequestItems"][TABLE]) for call in sent) <= 2
    assert len(chunk_keys(thread) - before) <= 2


def test_what_does_not_fit_into_the_cache_is_read_again(serialized: list[int]) -> None:
    thread = Thread()
    thread.own = context(cache=Cache(10_000))
    value = [HumanMessage(f"{number} " * 60, id=str(number)) for number in range(100)]
    for _ in range(3):
        value = [*value, HumanMessage("more")]
        thread.put(value)
        assert thread.read(thread.own) == value
    assert serialized == [101, 101, 102, 102, 103, 103]
