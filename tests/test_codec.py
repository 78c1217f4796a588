"""Values cut, packed and put together again; what is damaged is refused."""

from __future__ import annotations

import random
from contextlib import suppress
from functools import partial

import ormsgpack
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_checkpoint_dynamodb import CorruptCheckpointError
from langgraph_checkpoint_dynamodb.bodies import seal, store_value
from langgraph_checkpoint_dynamodb.chunking import cut
from langgraph_checkpoint_dynamodb.chunks import Chunks
from langgraph_checkpoint_dynamodb.codec import (
    Body,
    Record,
    compress,
    decompress,
    pack_body,
    unpack_body,
)

KIB = 1024


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def join(record: Record, pieces: dict[bytes, bytes]) -> bytes:
    return Chunks("t", dict(pieces)).join(record, "here")


@pytest.mark.parametrize("size", [0, 1, 5, 1024, 1025, 9_000, 300 * KIB, 3 * KIB * KIB])
def test_a_value_comes_back_whole(size: int) -> None:
    data = noise(size)
    known, pieces = store_value(("bytes", data), 1024)
    packed = pack_body(Body(0, ("msgpack", b"header"), (known.record,)))
    body = unpack_body(packed)
    assert isinstance(body, Body)
    assert join(body.records[0], pieces) == data


def test_a_stored_value_stays_small_at_any_size() -> None:
    known, _ = store_value(("bytes", noise(8 * KIB * KIB)), 1024)
    assert known.record.inline_bytes < 20 * KIB


def test_an_append_makes_few_new_chunks() -> None:
    old = cut(noise(200 * KIB))
    new = cut(noise(200 * KIB) + noise(100, seed=1))
    assert len(new.chunks.keys() - old.chunks.keys()) <= 2


@pytest.mark.parametrize("at", [0, 3, 50 * KIB, 199 * KIB])
def test_an_edit_makes_few_new_chunks(at: int) -> None:
    data = noise(200 * KIB)
    edited = data[:at] + b"edited" + data[at + 3 :]
    assert len(cut(edited).chunks.keys() - cut(data).chunks.keys()) <= 6


def test_a_trimmed_front_makes_few_new_chunks() -> None:
    data = noise(200 * KIB)
    assert len(cut(data[5 * KIB :]).chunks.keys() - cut(data).chunks.keys()) <= 4


def test_equal_runs_are_one_chunk() -> None:
    document = noise(50 * KIB)
    once, twice = cut(document), cut(document + noise(10 * KIB, seed=2) + document)
    assert sum(map(len, twice.chunks.values())) < 1.5 * sum(map(len, once.chunks.values()))


def test_refs_of_a_reused_record_are_those_of_its_chunks() -> None:
    known, pieces = store_value(("bytes", noise(2 * KIB * KIB)), 1024)
    assert len(known.record.levels) > 1
    assert Chunks("t", dict(pieces)).refs(known.record, "here") == known.refs == pieces.keys()


def test_a_missing_chunk_is_named() -> None:
    known, pieces = store_value(("bytes", noise(100 * KIB)), 1024)
    for digest in pieces:
        rest = {name: data for name, data in pieces.items() if name != digest}
        with pytest.raises(CorruptCheckpointError, match=f"here: chunk {digest.hex()} is missing"):
            join(known.record, rest)


def test_a_tree_of_refs_that_repeats_itself_does_not_fill_the_memory() -> None:
    node = b"\x01" * 16 * 64
    pieces = {b"\x01" * 16: node, b"\x02" * 16: node}
    bomb = Record("bytes", 1000, b"", ((), (), (), (), (b"\x02" * 16,) * 64), b"")
    with pytest.raises(CorruptCheckpointError, match="a value has"):
        join(bomb, pieces)


@given(st.binary(max_size=5_000))
def test_compression_is_undone_and_never_adds_more_than_its_format_byte(data: bytes) -> None:
    packed = compress(data)
    assert decompress(packed, 5_000) == data
    assert len(packed) <= len(data) + 1


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(zstandard.ZstdCompressor().compress(b"\0" * 10_000_000), id="declared"),
        pytest.param(
            zstandard.ZstdCompressor(write_content_size=False).compress(b"\0" * 10_000_000),
            id="undeclared",
        ),
    ],
)
def test_a_zstd_bomb_is_refused(bomb: bytes) -> None:
    with pytest.raises(CorruptCheckpointError):
        decompress(b"\x01" + bomb, 1 << 20)


@pytest.mark.parametrize("data", [b"", b"\x09abc", b"\x01not a frame"])
def test_an_unknown_format_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptCheckpointError):
        decompress(data, 100)


@settings(max_examples=300)
@given(st.data())
def test_a_mutated_body_is_read_or_refused_with_our_error(data: st.DataObject) -> None:
    known, _ = store_value(("bytes", noise(30 * KIB)), 1024)
    packed = bytearray(pack_body(Body(0, ("msgpack", b"header"), (known.record,))))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    read = partial(unpack_body, bytes(packed[: data.draw(st.integers(0, len(packed)))]))
    with suppress(CorruptCheckpointError):
        assert isinstance(read(), Body | tuple)


@pytest.mark.parametrize(
    "shape",
    [
        None,
        [],
        [1],
        [1, 2, 3, 4],
        [0, "m", b"h", [["t"]]],
        [0, "m", b"h", [["t", 1, b"", [b"x"], b""]]],
    ],
)
def test_a_body_of_another_shape_is_refused(shape: object) -> None:
    with pytest.raises(CorruptCheckpointError):
        unpack_body(ormsgpack.packb(shape))


def test_a_body_too_large_for_an_item_is_cut_itself() -> None:
    records = tuple(Record("bytes", 1000, noise(1000, seed=seed)) for seed in range(600))
    body = Body(0, ("msgpack", b"header"), records)
    sealed = seal(body, {})
    assert len(sealed.body) < 20 * KIB
    cut_body = unpack_body(decompress(sealed.body, 1 << 20))
    assert isinstance(cut_body, tuple)
    assert unpack_body(join(cut_body[1], sealed.chunks)) == body
