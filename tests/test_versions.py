"""Channel versions: in order, never shared by forks, short."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from langgraph_checkpoint_dynamodb import InvalidInputError
from langgraph_checkpoint_dynamodb.versions import next_version


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
        "a1.x",
        "bzz.x",
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


@given(st.integers(1, 10**9))
def test_string_versions_sort_across_lengths(count: int) -> None:
    before = next_version(f"{count:032}.0.1")
    assert next_version(before) > before > f"{count:032}.0.9"


@pytest.mark.parametrize(
    "parent", [None, 7, 7.5, "a1.aaaaaa", "00000000000000000000000000000007.0.5"]
)
def test_forks_of_one_checkpoint_never_share_a_version(parent: Any) -> None:
    assert len({next_version(parent) for _ in range(50)}) == 50


def test_versions_are_short() -> None:
    current = None
    for _ in range(2_000):
        current = next_version(current)
    assert len(current) <= 11


def test_a_thread_of_another_saver_goes_on() -> None:
    theirs = InMemorySaver().get_next_version(None, None)
    assert next_version(theirs) > theirs


def test_what_is_no_version_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="current=b'1'"):
        next_version(b"1")
