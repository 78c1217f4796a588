"""Channel versions: LangGraph's own strings, in order, never shared by forks, short."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from langgraph_checkpoint_dynamodb import InvalidInputError
from langgraph_checkpoint_dynamodb.saver.versions import next_version

LANGGRAPHS = InMemorySaver().get_next_version


@pytest.mark.parametrize(
    "start",
    [
        None,
        0,
        7,
        2**40,
        1.0,
        41.25,
        "00000000000000000000000000000007.0.4418120436582",
        "00000000000000000000000000000009.0000000.9999999999",
        pytest.param(LANGGRAPHS(None, None), id="of InMemorySaver"),
    ],
)
def test_versions_increase_and_keep_their_type(start: Any) -> None:
    current = start
    for _ in range(100):
        following = next_version(current)
        if current is not None:
            assert type(following) is type(current)
            assert following > current
        current = following


@pytest.mark.parametrize(("current", "following"), [(0, 1), (7, 8), (2**40, 2**40 + 1), (7.5, 8.5)])
def test_numbers_go_on_as_langgraphs_do(current: float, following: float) -> None:
    assert next_version(current) == following


@given(st.integers(0, 10**32 - 2), st.integers(0, 10**9))
def test_a_string_is_the_count_in_32_digits_and_a_fraction(count: int, fraction: int) -> None:
    made = next_version(f"{count:032}.{fraction / 10**9:016}")
    counted, rest = made.split(".", 1)
    assert counted == f"{count + 1:032}"
    assert re.fullmatch(r"000000\d\.\d{9}", f"{float(rest):017.9f}")
    assert len(made) == 32 + 1 + 16
    assert 0 <= float(rest) < 1


@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_string_versions_sort_across_lengths(count: int, fraction: float) -> None:
    before = next_version(f"{count:032}.{fraction:016}")
    assert next_version(before) > before > f"{count:032}.{fraction:016}"
    assert before > f"{count:032}.9"


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.booleans())
def test_a_thread_goes_to_and_fro_between_savers(turns: list[bool], first: bool) -> None:
    """Whoever counts on reads the other's count, and is always after it."""
    current: Any = next_version(None) if first else LANGGRAPHS(None, None)
    seen = [current]
    for ours in turns:
        current = next_version(current) if ours else LANGGRAPHS(current, None)
        seen.append(current)
    assert sorted(seen) == seen
    assert len(set(seen)) == len(seen)
    assert [int(one.split(".")[0]) for one in seen] == list(range(1, len(seen) + 1))
    assert max(seen) == seen[-1]


@pytest.mark.parametrize(
    "parent",
    [
        None,
        "00000000000000000000000000000007.0.5",
        pytest.param(LANGGRAPHS(None, None), id="of InMemorySaver"),
    ],
)
def test_forks_of_one_checkpoint_never_share_a_version(parent: Any) -> None:
    assert len({next_version(parent) for _ in range(50)}) == 50


def test_versions_stay_as_short_as_they_were() -> None:
    current = None
    for _ in range(2_000):
        current = next_version(current)
    assert len(current) == 49


@pytest.mark.parametrize("current", [b"1", True, [], (1,), 1j, object()])
def test_what_is_no_version_is_refused(current: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"current=.*: a channel version is a str"):
        next_version(current)


@pytest.mark.parametrize("current", ["", ".", "a1.x", "a", "x.1", "1e3.0", "1" * 5_000])
def test_a_string_that_counts_nothing_is_refused(current: str) -> None:
    with pytest.raises(InvalidInputError, match="begins with a whole number and a dot"):
        next_version(current)
