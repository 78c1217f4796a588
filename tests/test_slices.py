"""Large lists go through LangGraph's serializer in slices: the same bytes, the same values."""

from __future__ import annotations

from typing import Any

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from langgraph_checkpoint_dynamodb import slices

SERDE = JsonPlusSerializer()

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=9)
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
elements = plain | st.text(max_size=20).map(HumanMessage)


class Counted(JsonPlusSerializer):
    """Counts its calls; `type(serde)` is another than LangGraph's."""

    calls = 0

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        self.calls += 1
        return super().dumps_typed(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        self.calls += 1
        return super().loads_typed(data)


def hooked() -> JsonPlusSerializer:
    return JsonPlusSerializer(__unpack_ext_hook__=lambda code, data: (code, bytes(data)))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """A serde whose calls are counted, and that is taken for LangGraph's own."""
    monkeypatch.setattr(slices, "is_langgraphs", lambda _: True)
    return Counted()


@given(st.lists(elements, max_size=40), st.integers(1, 40), st.integers(0, 4000))
def test_bytes_and_values_are_those_of_one_call(some: list[Any], times: int, padding: int) -> None:
    value = [*some * times, "x" * padding, b"y" * padding * 30]
    whole = SERDE.dumps_typed(value)
    assert slices.dumps(SERDE, value) == whole
    found = slices.loads(SERDE, whole)
    assert found == SERDE.loads_typed(whole) == value
    assert list(map(type, found)) == list(map(type, value))


@pytest.mark.parametrize("count", [15, 16, 33, 65_535, 65_536])
def test_any_number_of_elements(count: int) -> None:
    value = [f"{number:>80}" for number in range(count)]
    whole = SERDE.dumps_typed(value)
    assert slices.dumps(SERDE, value) == whole
    assert slices.loads(SERDE, whole) == value


@pytest.mark.parametrize("size", [100, 1000])
def test_a_slice_has_about_32_kb(counted: Counted, size: int) -> None:
    value = ["x" * size] * (3_200_000 // size)
    whole = slices.dumps(counted, value)
    fewest = 100
    assert fewest * 0.8 <= counted.calls <= fewest * 1.2 + 2
    counted.calls = 0
    slices.loads(counted, whole)
    assert fewest * 0.9 <= counted.calls <= fewest * 1.2


@pytest.mark.parametrize("serde", [Counted(), hooked()], ids=["a subclass", "a hook"])
def test_another_serde_gets_a_list_whole(serde: SerializerProtocol) -> None:
    value = [HumanMessage("x" * 1000)] * 200
    whole = slices.dumps(serde, value)
    assert whole == SERDE.dumps_typed(value)
    assert len(slices.loads(serde, whole)) == len(value)
    assert getattr(serde, "calls", 2) == 2


def test_a_list_that_needs_pickle_is_pickled_whole() -> None:
    serde = JsonPlusSerializer(pickle_fallback=True)
    value = ["x" * 1000] * 100 + [complex(1, 2)]
    kind, data = slices.dumps(serde, value)
    assert kind == "pickle"
    assert slices.loads(serde, (kind, data)) == value


def test_a_list_that_grows_meanwhile_is_stored_as_it_was(counted: Counted) -> None:
    value = ["x" * 1000] * 200

    class Growing(Counted):
        def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
            value.append("more")
            return super().dumps_typed(obj)

    found = SERDE.loads_typed(slices.dumps(Growing(), value))
    assert found == ["x" * 1000] * 200


@pytest.mark.parametrize(
    "data",
    [
        ormsgpack.packb({"messages": ["x" * 1000] * 200}),
        b"\xdd\0\0\0\xc8" + ormsgpack.packb(["x" * 1000] * 200)[3:],
        ormsgpack.packb(list(range(100_000))),
        ormsgpack.packb("x" * 100_000),
    ],
    ids=["a list in a map", "a long header", "small elements", "no list"],
)
def test_what_is_not_taken_apart_is_read_in_one_call(counted: Counted, data: bytes) -> None:
    assert slices.loads(counted, ("msgpack", data)) == ormsgpack.unpackb(data)
    assert counted.calls == 1


def test_damaged_bytes_are_read_as_in_one_call() -> None:
    _, data = SERDE.dumps_typed(["x" * 1000] * 200)
    with pytest.raises(ormsgpack.MsgpackDecodeError):
        slices.loads(SERDE, ("msgpack", data[:-1]))
    behind = ("msgpack", data + b"\0")
    assert slices.loads(SERDE, behind) == SERDE.loads_typed(behind)
