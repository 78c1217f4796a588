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

from langgraph_checkpoint_dynamodb import CorruptCheckpointError, UnsupportedFormatError
from langgraph_checkpoint_dynamodb.chunking.cut import cut
from langgraph_checkpoint_dynamodb.format.body import (
    Body,
    Record,
    pack_body,
    pack_cut_body,
    seal,
    unpack_body,
    unseal,
)
from langgraph_checkpoint_dynamodb.format.compression import compress, decompress
from langgraph_checkpoint_dynamodb.format.items import MAX_CHUNK_BYTES
from langgraph_checkpoint_dynamodb.serialization import encode
from langgraph_checkpoint_dynamodb.serialization.encode import store_value
from langgraph_checkpoint_dynamodb.storage.chunk_reader import Chunks

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


@pytest.mark.parametrize(("size", "most"), [(10 * KIB, 1.5), (1024 * KIB, 1.1)])
def test_equal_runs_are_one_chunk(size: int, most: float) -> None:
    document = noise(size)
    once, twice = cut(document), cut(document + noise(1 * KIB, seed=2) + document)
    assert sum(map(len, twice.chunks.values())) < most * sum(map(len, once.chunks.values()))


def test_a_long_new_stretch_is_cut_coarsely() -> None:
    chunks = cut(noise(300 * KIB)).chunks.values()
    assert sum(map(len, chunks)) / len(chunks) > 16 * KIB
    assert max(map(len, chunks)) <= MAX_CHUNK_BYTES


def test_an_edit_of_what_was_cut_coarsely_sends_no_more_than_one_pack() -> None:
    document = noise(300 * KIB)
    before = cut(document)
    known = frozenset(before.chunks)
    edited = document[: 150 * KIB] + b"edited" + document[150 * KIB :]
    first = cut(edited, known)
    sent = {digest: data for digest, data in first.chunks.items() if digest not in known}
    assert 0 < sum(map(len, sent.values())) < 60 * KIB
    # It left small chunks behind, so the next edit there is a small one.
    known |= frozenset(first.chunks)
    again = cut(edited.replace(b"edited", b"edited again"), known)
    assert sum(len(data) for digest, data in again.chunks.items() if digest not in known) < 9 * KIB


def test_what_is_known_in_small_chunks_stays_so() -> None:
    grown = b""
    known: frozenset[bytes] = frozenset()
    sent = 0
    for turn in range(200):
        grown += noise(1 * KIB, seed=turn)
        made = cut(grown, known).chunks
        sent += sum(len(data) for digest, data in made.items() if digest not in known)
        known |= frozenset(made)
    assert sent < 1.2 * len(grown)


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_what_is_known_never_changes_the_bytes(data: st.DataObject) -> None:
    value = noise(data.draw(st.integers(1, 200_000)), seed=1)
    shorter = value[: data.draw(st.integers(0, 30_000))]
    stored = sorted({*cut(value).chunks, *cut(shorter).chunks})
    known = frozenset(digest for digest in stored if data.draw(st.booleans()))
    made, pieces = store_value(("bytes", value), 0, known)
    assert join(made.record, pieces) == value


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


@pytest.mark.parametrize("data", [b"", b"\x01not a frame"])
def test_compressed_bytes_that_are_none_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptCheckpointError):
        decompress(data, 100)


def test_a_later_scheme_asks_for_an_upgrade() -> None:
    with pytest.raises(UnsupportedFormatError, match=r"scheme 2.*upgrade langgraph-checkpoint-ama"):
        decompress(b"\x02abc", 100)


# Sealed bodies

SEALED = [
    pytest.param(seal(pack_body(Body(0, ("msgpack", b"header"), ()))), id="raw"),
    pytest.param(
        seal(pack_body(Body(7, ("msgpack", b"header " * 40), (Record("a", 99, b"a" * 99),)))),
        id="compressed",
    ),
    pytest.param(
        seal(pack_cut_body(7, Record("", 900, b"head", ((b"d" * 16,),), b"tail"))), id="cut"
    ),
]


@given(st.binary(max_size=5_000))
def test_sealing_is_undone_and_adds_six_bytes_at_most(packed: bytes) -> None:
    sealed = seal(packed)
    assert unseal(sealed) == packed
    assert sealed[0] == 1
    assert len(sealed) <= len(packed) + 6


@pytest.mark.parametrize("sealed", SEALED)
def test_no_bit_of_a_sealed_body_flips_unnoticed(sealed: bytes) -> None:
    for bit in range(8 * len(sealed)):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        refusal = UnsupportedFormatError if bit < 8 else CorruptCheckpointError
        with pytest.raises(refusal):
            unseal(bytes(flipped))


@pytest.mark.parametrize("sealed", SEALED)
def test_no_part_of_a_sealed_body_is_taken_for_it(sealed: bytes) -> None:
    for size in range(len(sealed)):
        with pytest.raises((UnsupportedFormatError, CorruptCheckpointError)):
            unseal(sealed[:size])
    for more in (b"\x00", b"more", sealed):
        with pytest.raises(CorruptCheckpointError, match="checksum"):
            unseal(sealed + more)


@pytest.mark.parametrize("number", [0, 2, 3, 255])
def test_a_body_of_another_format_asks_for_an_upgrade(number: int) -> None:
    later = bytes([number]) + b"whatever a later release writes"
    match = f"format {number}, and this release reads format 1.*upgrade langgraph-checkpoint-amazon"
    with pytest.raises(UnsupportedFormatError, match=match):
        unseal(later)


def test_no_bytes_are_no_body() -> None:
    with pytest.raises(UnsupportedFormatError, match="no format"):
        unseal(b"")


def test_what_a_later_release_adds_to_a_body_is_passed_over() -> None:
    whole = store_value(("bytes", noise(9_000)), 1024)[0].record
    skipping = Record("bytes", 99, b"head", ((b"d" * 16,),), b"tail", 7)
    body = Body(5, ("msgpack", b"header"), (Record("null", 0, b""), whole, skipping), 3)
    packed = ormsgpack.unpackb(pack_body(body))
    packed[3][0] += ["more"]
    packed[3][1] += [0, {"more": 1}]  # `skip` has to stand before what is new
    packed[3][2] += [None]
    packed += [["more"], 2]
    assert unpack_body(ormsgpack.packb(packed)) == body
    cut_body = ormsgpack.unpackb(pack_cut_body(5, whole))
    cut_body[1] += [0, "more"]
    assert unpack_body(ormsgpack.packb([*cut_body, "more"])) == (5, whole)


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
    sealed = encode.encode_body(body, {}, frozenset())
    assert len(sealed.body) < 20 * KIB
    cut_body = unpack_body(unseal(sealed.body))
    assert isinstance(cut_body, tuple)
    assert unpack_body(join(cut_body[1], sealed.chunks)) == body
