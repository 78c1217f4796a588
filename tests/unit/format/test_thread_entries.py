"""Entries of the thread directory: when a put writes one, and what a checkpoint says of it."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import ormsgpack
import pytest

from langgraph_checkpoint_dynamodb.format import thread_entries
from langgraph_checkpoint_dynamodb.format.body import Body, Listed, pack_body, unpack_body
from langgraph_checkpoint_dynamodb.format.expiry import Lifetime
from langgraph_checkpoint_dynamodb.format.thread_entries import (
    Activity,
    is_current,
    kept_until,
)

NOW = 1_800_000_000.0
HOUR = 3600


def kept(until: float) -> Lifetime:
    return Lifetime(0, until, until)


@pytest.mark.parametrize(
    ("listed", "until", "current"),
    [
        (Listed(int(NOW), 0), math.inf, True),
        (Listed(int(NOW) - HOUR + 1, 0), math.inf, True),
        (Listed(int(NOW) - HOUR, 0), math.inf, False),
        (Listed(int(NOW) + 60, 0), math.inf, True),  # by another clock
        (Listed(int(NOW), 0), NOW + 10, False),  # the entry would outlive the thread
        (Listed(int(NOW), int(NOW) + 10), math.inf, False),
        (Listed(int(NOW), int(NOW) + 10), NOW + 10, True),
        (Listed(int(NOW), int(NOW) + 10), NOW + 11, False),
        (Listed(int(NOW) - HOUR, int(NOW) + 10), NOW + 10, False),
    ],
)
def test_an_entry_is_written_when_it_is_old_or_would_expire_early(
    listed: Listed, until: float, current: bool
) -> None:
    assert is_current(listed, NOW, kept(until)) is current


def test_an_entry_is_kept_as_long_as_what_is_put_within_the_hour() -> None:
    assert kept_until(kept(math.inf)) == 0
    assert kept_until(kept(NOW)) == NOW + HOUR


@pytest.mark.parametrize("listed", [None, Listed(1_800_000_000, 0), Listed(1, 2)])
def test_a_body_says_what_the_entry_has(listed: Listed | None) -> None:
    body = Body(0, ("msgpack", b"header"), (), 3, listed)
    packed = pack_body(body)
    assert unpack_body(packed) == body
    # A release that does not know it reads the first five elements.
    assert ormsgpack.unpackb(packed)[:5] == [0, "msgpack", b"header", [], 3]
    assert len(ormsgpack.unpackb(packed)) == (5 if listed is None else 6)


@pytest.mark.parametrize("forged", [None, 1, "x", [], [1], [1, -1], [True, 1], ["1", "2"], {}])
def test_what_is_not_understood_is_ignored(forged: Any) -> None:
    packed = ormsgpack.packb([0, "msgpack", b"header", [], 3, forged])
    found = unpack_body(packed)
    assert isinstance(found, Body)
    assert found.listed is None
    later = unpack_body(ormsgpack.packb([0, "msgpack", b"header", [], 3, [1, 2, 3], "more"]))
    assert isinstance(later, Body)
    assert later.listed == (1, 2)


def test_threads_without_an_owner_are_spread_over_some_partitions() -> None:
    partitions = thread_entries.partitions(None)
    count = Counter(thread_entries.partition_of(None, f"thread {n}") for n in range(400))
    assert count.keys() == set(partitions)
    assert min(count.values()) > 50
    new = Activity("thread", NOW, None, None)
    written = thread_entries.write("table", new, "ttl").params["ExpressionAttributeValues"][":o"]
    made = thread_entries.begin("table", new, "ttl").params["Item"]["O"]
    named = thread_entries.name_owner("table", "thread", "ada").params
    assert written == made == named["ExpressionAttributeValues"][":none"] == {"S": "(none)3"}
    assert {thread_entries.owner_of({"O": {"S": one}}) for one in partitions} == {None}
    assert thread_entries.owner_of({"O": {"S": "ada"}}) == "ada"
    assert thread_entries.partition_of("ada", "thread") == "ada"
