"""The elements of a serialized list, found without decoding it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from langgraph_checkpoint_dynamodb.chunking.msgpack_arrays import element_offsets

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.binary(max_size=40).map(lambda data: ormsgpack.Ext(7, data))
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(values, min_size=1), st.binary(min_size=64, max_size=70_000))
def test_offsets_part_a_list_into_its_elements(elements: list[Any], padding: bytes) -> None:
    # Long enough on average to be walked at all.
    elements = [[element, padding] for element in elements]
    data = ormsgpack.packb(elements)
    offsets = element_offsets(data)
    assert offsets is not None
    assert [data[begin:end] for begin, end in pairwise(offsets)] == list(
        map(ormsgpack.packb, elements)
    )


@pytest.mark.parametrize("size", [1, 15, 16, 65_535, 65_536])
def test_every_size_of_list(size: int) -> None:
    data = ormsgpack.packb(["x" * 100] * size)
    offsets = element_offsets(data)
    assert offsets is not None
    assert len(offsets) == size + 1


@pytest.mark.parametrize("size", [0, 31, 32, 255, 256, 65_535, 65_536, 200_000])
@pytest.mark.parametrize("kind", [str, bytes, ormsgpack.Ext])
def test_every_size_of_element(size: int, kind: type) -> None:
    made = {str: "x" * size, bytes: b"x" * size, ormsgpack.Ext: ormsgpack.Ext(1, b"x" * size)}
    data = ormsgpack.packb([made[kind], b"y" * 200])
    offsets = element_offsets(data)
    assert offsets is not None
    assert data[offsets[1] : offsets[2]] == ormsgpack.packb(b"y" * 200)


def test_messages_of_langgraph_are_elements() -> None:
    messages = [HumanMessage("Hello!", id="1"), AIMessage("Hi.", id="2")]
    serde = JsonPlusSerializer()
    data = serde.dumps_typed(messages)[1]
    offsets = element_offsets(data)
    assert offsets is not None
    alone = [serde.dumps_typed(message)[1] for message in messages]
    assert [data[begin:end] for begin, end in pairwise(offsets)] == alone


@pytest.mark.parametrize(
    "around", [{}, {"request": "more"}, {"count": 1, "tags": {"a": "b"}}], ids=str
)
def test_a_list_in_a_map_is_found(around: dict[str, Any]) -> None:
    messages = [HumanMessage("x" * 200, id=str(number)) for number in range(20)]
    serde = JsonPlusSerializer()
    alone = serde.dumps_typed(messages)[1]
    wanted = element_offsets(alone)
    assert wanted is not None
    for value in ({"messages": messages, **around}, {**around, "messages": messages}):
        data = serde.dumps_typed(value)[1]
        offsets = element_offsets(data)
        assert offsets is not None
        assert data[offsets[0] : offsets[-1]] == alone[wanted[0] :]
        assert [end - begin for begin, end in pairwise(offsets)] == [
            end - begin for begin, end in pairwise(wanted)
        ]


@pytest.mark.parametrize(
    "value",
    [
        {"document": "x" * 2000, "messages": ["y" * 100] * 9},
        {"messages": ["y" * 100] * 9, "document": "x" * 2000},
        {"one": {"messages": ["y" * 100] * 9}},
    ],
    ids=["behind much", "before much", "deeper"],
)
def test_a_list_that_is_not_most_of_a_map_is_left(value: Any) -> None:
    assert element_offsets(ormsgpack.packb(value)) is None


@given(st.binary(max_size=300))
def test_anything_else_is_none_and_never_an_error(data: bytes) -> None:
    for given_data in (
        data,
        b"\x92" + data,
        b"\xdc\x00\x03" + data,
        b"\xdd\xff\xff\xff\xff" + data,
    ):
        offsets = element_offsets(given_data)
        assert offsets is None or offsets[-1] <= len(given_data)


@pytest.mark.parametrize(
    "value",
    [[], {}, "text", b"bytes", {"messages": []}, list(range(1000)), [[0] * 100_000]],
    ids=str,
)
def test_what_is_not_worth_the_walk(value: Any) -> None:
    assert element_offsets(ormsgpack.packb(value)) is None
