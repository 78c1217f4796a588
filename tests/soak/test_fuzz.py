"""The mutations of `soak/fuzz.py`, drawn by hypothesis, which shrinks them."""

from __future__ import annotations

import copy
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fuzz

GENUINE = fuzz.genuine_items(random.Random(0))


def test_all_of_it_is_read_when_nothing_was_changed() -> None:
    for _, call in fuzz.CALLS:
        assert fuzz.attempt(copy.deepcopy(GENUINE), call)


def test_what_is_not_ours_fails_the_campaign() -> None:
    def broken(*_: object) -> None:
        raise KeyError("B")

    with pytest.raises(AssertionError, match="KeyError"):
        fuzz.attempt({}, broken)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_mutation_of_any_item(data: st.DataObject) -> None:
    items = copy.deepcopy(GENUINE)
    rng = data.draw(st.randoms(use_true_random=False))
    for _ in range(data.draw(st.integers(1, 3))):
        change = data.draw(st.sampled_from(fuzz.MUTATIONS))
        change(items, data.draw(st.sampled_from(sorted(items))), rng)
    name, call = data.draw(st.sampled_from(fuzz.CALLS))
    fuzz.attempt(items, call, name)
