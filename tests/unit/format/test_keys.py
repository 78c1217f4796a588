"""Sort keys: every id has its own range, and order is kept."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langgraph_checkpoint_dynamodb import CorruptCheckpointError, InvalidInputError
from langgraph_checkpoint_dynamodb.format import keys

# Characters around the separator and the escape, and some that UTF-8 spreads over bytes.
AWKWARD = st.text(st.sampled_from("\x00\x1f !\"#$%&'01a~\x7fé€😀"), max_size=6)
IDS = AWKWARD | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def inside(key: str, prefix: str) -> bool:
    low, high = keys.below(prefix)
    return low.encode() <= key.encode() <= high.encode()


@given(IDS)
def test_encoding_is_undone(part: str) -> None:
    assert keys.decode(keys.encode(part)) == part


@given(IDS, IDS)
def test_encoded_parts_sort_as_the_parts_do(one: str, other: str) -> None:
    # DynamoDB sorts strings by their UTF-8 bytes.
    assert (keys.encode(one).encode() < keys.encode(other).encode()) == (one < other)


@given(IDS, IDS, IDS, IDS)
def test_a_checkpoint_range_holds_its_own_items_only(
    ns: str, one: str, other: str, task: str
) -> None:
    mine = keys.checkpoint(keys.namespace(ns), one)
    theirs = keys.checkpoint(keys.namespace(ns), other)
    assert inside(keys.writes(mine, task), mine)
    assert inside(keys.writes(mine, task, "__error__"), mine)
    assert inside(keys.writes(theirs, task), mine) == (one == other)
    assert inside(theirs, mine) == (one == other)


@given(IDS, IDS, IDS)
def test_a_namespace_range_holds_its_own_items_only(one: str, other: str, checkpoint: str) -> None:
    key = keys.checkpoint(keys.namespace(other), checkpoint)
    assert inside(key, f"{keys.CHECKPOINTS}{keys.namespace(one)}") == (one == other)


@given(IDS, IDS.filter(bool), IDS)
def test_keys_are_parsed_back(ns: str, checkpoint: str, task: str) -> None:
    key = keys.parse(
        keys.writes(keys.checkpoint(keys.namespace(ns), checkpoint), task, "__error__")
    )
    assert keys.decode(key.namespace) == ns
    assert (key.checkpoint_id, key.channel) == (checkpoint, "__error__")
    assert key.task is not None
    assert keys.decode(key.task) == task


@pytest.mark.parametrize("size", [300, 1_000, 100_000])
def test_long_parts_are_hashed_and_fit(size: int) -> None:
    long = "😀" * size
    checkpoint = keys.checkpoint(keys.namespace(long), "1f0b7a3c-" * 4)
    key = keys.writes(checkpoint, long, "__scheduled__")
    assert len(key.encode()) <= 1024
    assert keys.decode(keys.parse(key).namespace) is None
    assert keys.namespace(long) != keys.namespace(long + "x")


def test_the_longest_parts_that_are_not_hashed_fit() -> None:
    key = keys.writes(
        keys.checkpoint(keys.namespace("n" * 400), "i" * 256), "t" * 320, "__scheduled__"
    )
    assert len(key.encode()) <= 1024
    assert keys.decode(keys.parse(key).namespace) == "n" * 400


def test_a_checkpoint_id_is_never_hashed_because_ids_have_to_sort() -> None:
    with pytest.raises(InvalidInputError, match="256 bytes"):
        keys.checkpoint("", "i" * 257)


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**40))
def test_chunk_keys_are_parsed_back(digest: bytes, generation: int) -> None:
    key = keys.chunk(generation, digest)
    assert keys.chunk_digest(key) == digest
    assert inside(key, f"{keys.CHUNKS}{generation}")
    assert not inside(key, f"{keys.CHUNKS}{generation}0")


@pytest.mark.parametrize("count", [1, 2, 5, 47, 64, 65, 200, keys.MAX_CHUNK_RANGES])
def test_each_chunk_is_in_one_of_about_equal_ranges(count: int) -> None:
    ranges = keys.chunk_ranges(7, count)
    # One for all that the first two letters of a chunk's key can be.
    digests = [number.to_bytes(2, "big") + bytes(14) for number in range(0, 1 << 16, 16)]
    found = Counter(
        number
        for key in (keys.chunk(7, digest) for digest in digests)
        for number, (low, high) in enumerate(ranges)
        if low <= key <= high
    )
    assert len(ranges) == len(found) == count
    assert found.total() == len(digests)
    assert max(found.values()) <= len(digests) / count * 1.25


@pytest.mark.parametrize(
    "key",
    [
        *("", "C", "C#", "C##", "C#$", "C#a", "X##1", "C##1#", "C##1#W", "C##1#X#t"),
        *("C##1#W#t#c#d", "C##%41", "C##%2", "C##%2a", "C##%26", "C##a!", "C#%=x#1"),
        *("C##%=AAAAAAAAAAAAAAAAAAAAAA", "C##" + "i" * 257, "S#0#AAAAAAAAAAAAAAAAAAAAAA"),
    ],
)
def test_what_no_checkpoint_is_keyed_by_is_refused(key: str) -> None:
    with pytest.raises(CorruptCheckpointError, match="not one of a checkpoint"):
        keys.parse(key)


@pytest.mark.parametrize(
    "key", ["S#", "S#0#", "S#0#x", "S#-1#" + "A" * 22, "S#0#" + "!" * 22, "S#0#" + "A" * 23]
)
def test_what_no_chunk_is_keyed_by_has_no_digest(key: str) -> None:
    assert keys.chunk_digest(key) is None
