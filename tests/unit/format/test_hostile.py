"""Items that nobody of good will has written: each is refused, soon, and by an error of ours."""

from __future__ import annotations

import tracemalloc
from typing import Any
from zlib import crc32

import ormsgpack
import pytest
import zstandard
from langgraph.checkpoint.base import empty_checkpoint

from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb import (
    ConfigurationError,
    CorruptCheckpointError,
    DeserializationError,
    DynamoDBConfig,
    DynamoDBSaverError,
    InvalidInputError,
    UnsupportedFormatError,
)
from langgraph_checkpoint_dynamodb.checkpoints import delta_history, put, put_writes
from langgraph_checkpoint_dynamodb.checkpoints import get as gets
from langgraph_checkpoint_dynamodb.checkpoints.listing import Listing, Query
from langgraph_checkpoint_dynamodb.checkpoints.new_checkpoint import Put
from langgraph_checkpoint_dynamodb.chunking.boundaries import digest_of
from langgraph_checkpoint_dynamodb.format import keys
from langgraph_checkpoint_dynamodb.format.body import (
    MAX_BODY_BYTES,
    Body,
    Record,
    seal,
    unpack_body,
    unseal,
)
from langgraph_checkpoint_dynamodb.format.compression import compress, decompress
from langgraph_checkpoint_dynamodb.format.items import MAX_CHUNK_BYTES
from langgraph_checkpoint_dynamodb.maintenance import delete, garbage_collection, prune
from langgraph_checkpoint_dynamodb.maintenance.retention import RetentionPolicy
from langgraph_checkpoint_dynamodb.runtime.context import ThreadNamespace
from langgraph_checkpoint_dynamodb.saver.versions import next_version
from langgraph_checkpoint_dynamodb.serialization import encode
from langgraph_checkpoint_dynamodb.storage.chunk_reader import Chunks

PLACE = ThreadNamespace("t", "")
LIMIT = 1 << 16
KIB, MIB = 1 << 10, 1 << 20


def packed(value: Any) -> bytes:
    return ormsgpack.packb(value, option=ormsgpack.OPT_NON_STR_KEYS)


def header(
    channels: Any = (),
    *,
    parent: Any = None,
    metadata: Any = None,
    ns: Any = None,
    versions: Any = None,
) -> bytes:
    content = [{"channel_versions": versions or {}}, metadata or {}, parent, list(channels), ns]
    return packed(content)


def plant(table: FakeTable, sort_key: str, body: Any, **attributes: Any) -> None:
    stored = {"PK": {"S": "t"}, "SK": {"S": sort_key}, "B": {"B": seal(packed(body))}}
    table.items["t", sort_key] = {**stored, **attributes}


def plant_chunk(table: FakeTable, data: bytes) -> bytes:
    digest = digest_of(data)
    key = keys.chunk(0, digest)
    chunk = {"PK": {"S": "t"}, "SK": {"S": key}, "B": {"B": compress(data)}, "T": {"N": "1"}}
    table.items["t", key] = chunk
    return digest


def checkpoint_body(records: Any = (), chunk_count: int = 0, **of_header: Any) -> list[Any]:
    of_header.setdefault("channels", [f"channel {at}" for at in range(len(records))])
    return [0, "msgpack", header(**of_header), list(records), chunk_count]


def get(table: FakeTable, **changes: Any) -> Any:
    return table.run(gets.get_tuple(context(**changes), PLACE, None))


def refused(
    table: FakeTable,
    match: str,
    kind: type[DynamoDBSaverError] = CorruptCheckpointError,
    **changes: Any,
) -> None:
    """Reading is refused, and takes no more memory than a few items should."""
    tracemalloc.start()
    try:
        with pytest.raises(kind, match=match):
            get(table, **changes)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * MIB


# Compressed bytes


def without_size(data: bytes) -> bytes:
    return b"\x01" + zstandard.ZstdCompressor(write_content_size=False).compress(data)


@pytest.mark.parametrize(
    "stored",
    [
        b"\x01" + zstandard.ZstdCompressor(level=19).compress(bytes(256 * MIB)),
        without_size(bytes(256 * MIB)),
        without_size(bytes(LIMIT + 1)),
        compress(b"abc" * 100) + b"more",
        b"\x01\x50\x2a\x4d\x18\xff\xff\xff\xffabcd",
        b"\x01",
        b"",
        b"\x00" + bytes(LIMIT + 1),
    ],
    ids=["bomb", "no size", "one over", "trailing", "skippable", "no frame", "", "raw"],
)
def test_compressed_bytes_are_refused_before_they_fill_the_memory(stored: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(CorruptCheckpointError):
            decompress(stored, LIMIT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * LIMIT


@pytest.mark.parametrize("scheme", [2, 9, 255])
def test_a_scheme_that_is_not_known_is_refused(scheme: int) -> None:
    with pytest.raises(UnsupportedFormatError, match=f"scheme {scheme}.*upgrade langgraph-"):
        decompress(bytes([scheme]) + b"abc", LIMIT)


def test_a_body_inflates_no_further_than_a_body_may() -> None:
    frame = compress(bytes(256 * MIB))
    tracemalloc.start()
    try:
        with pytest.raises(CorruptCheckpointError, match="over"):
            unseal(b"\x01" + crc32(frame).to_bytes(4, "big") + frame)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MAX_BODY_BYTES


def test_every_body_that_is_stored_is_far_below_what_a_reader_takes() -> None:
    for count in (5, 100, 2_000, 20_000):
        records = tuple(Record("msgpack", 900, bytes([at % 251]) * 900) for at in range(count))
        sealed = encode.encode_body(Body(0, ("msgpack", b"h" * 9_000), records), {}, frozenset())
        assert len(unseal(sealed.body)) < MAX_BODY_BYTES // 4


@pytest.mark.parametrize(
    "body",
    [
        [-1, "m", b"", [], 0],
        [True, "m", b"", [], 0],
        [0, "m", b"", [], -1],
        [0, "m", b"", [], True],
        [0, "m", b"", [], b"x"],
        [0, "m", b"", [["m", -1, b"", [b"x" * 16], b""]], 0],
        [0, "m", b"", [["m", False, b"", [b"x" * 16], b""]], 0],
        [0, "m", b"", [["m", 1, b"", [b""] * 9, b""]], 0],
        [0, "m", b"", [["m", 1, b"", [b"x" * 15], b""]], 0],
        [0, "m", b"", [["m", 1, b"", [b"x" * 16], b"", -1]], 0],
        [0, "m", b"", [["m", 1, b"", [b"x" * 16], b"", True]], 0],
        [0, "m", b"", [["m", 1, b"", [b"x" * 16], b"", 1 << 17]], 0],
        [-1, ["", 1, b"", [b"x" * 16], b""]],
        [True, ["", 1, b"", [b"x" * 16], b""]],
    ],
)
def test_numbers_that_count_nothing_are_refused(body: Any) -> None:
    with pytest.raises(CorruptCheckpointError):
        unpack_body(packed(body))


@pytest.mark.parametrize("body", [b"\x91" * 50_000, b"\xdd\xff\xff\xff\xff" * 1_000])
def test_msgpack_that_nests_or_claims_without_end_is_refused(body: bytes) -> None:
    with pytest.raises(CorruptCheckpointError):
        unpack_body(body)


# Trees of refs


def tree(table: FakeTable, width: int, depth: int, leaf: bytes) -> bytes:
    ref = plant_chunk(table, leaf)
    for _ in range(depth):
        ref = plant_chunk(table, ref * width)
    return ref


@pytest.mark.parametrize("size", [0, 1_000, 1 << 30, 1 << 62])
@pytest.mark.parametrize("leaf", [b"", b"x" * 16, bytes(MAX_CHUNK_BYTES)], ids=len)
def test_a_list_that_lists_one_list_many_times_is_not_walked(size: int, leaf: bytes) -> None:
    table = FakeTable()
    ref = tree(table, 4096, 7, leaf)
    plant(table, "C##1", checkpoint_body([["bytes", size, b"", [b""] * 7 + [ref], b""]]))
    kind = ConfigurationError if size > 1 << 30 else CorruptCheckpointError
    refused(table, "thread 't', namespace '', checkpoint '1'", kind)
    if size < 1 << 30:  # also the whole body may be such a value
        plant(table, "C##1", [0, ["", size, b"", [b""] * 7 + [ref], b""]])
        refused(table, "thread 't'")
    # Who only asks what is referred to sees each list once.
    maintain_context = context(now=1_900_000_000.0)
    table.items["t", keys.chunk(0, b"o" * 16)] = {
        "PK": {"S": "t"},
        "SK": {"S": keys.chunk(0, b"o" * 16)},
        "T": {"N": "1"},
    }
    if leaf and size < 1 << 30:
        plant(table, "C##1", checkpoint_body([["bytes", size, b"", [b""] * 7 + [ref], b""]]))
        table.run(garbage_collection.sweep(maintain_context, "t"))
        assert ("t", keys.chunk(0, b"o" * 16)) not in table.items
        assert ("t", keys.chunk(0, ref)) in table.items


def test_a_list_without_refs_is_no_list() -> None:
    table = FakeTable()
    ref = tree(table, 4096, 6, b"")
    plant(table, "C##1", checkpoint_body([["bytes", 0, b"", [b""] * 7 + [ref], b""]]))
    refused(table, "is not a list of refs")


def test_more_pieces_than_a_value_is_ever_cut_into() -> None:
    table = FakeTable()
    leaf = plant_chunk(table, b"x")
    ref = plant_chunk(table, leaf * 4096)
    record = ["bytes", 4096 * 64, b"", [b"", ref * 64], b""]
    plant(table, "C##1", checkpoint_body([record]))
    refused(table, "refers to 262144 chunks")


def test_chunks_that_hold_more_than_the_value_are_not_all_inflated() -> None:
    table = FakeTable()
    refs = [plant_chunk(table, bytes([at % 256, at // 256]) * (32 * KIB)) for at in range(2_000)]
    record = ["bytes", 1_000, b"", [b"".join(refs)], b""]
    plant(table, "C##1", checkpoint_body([record]))
    refused(table, "have more bytes than the values")


def test_what_an_item_claims_the_thread_has_written_is_not_believed() -> None:
    table = FakeTable()
    ref = tree(table, 30, 7, b"x")
    record = ["bytes", 1_000, b"", [b""] * 7 + [ref], b""]
    plant(table, "C##1", checkpoint_body([record], chunk_count=1 << 30))
    refused(table, "checkpoint '1'")
    limits = [call.params.get("Limit", 0) for call in table.calls if call.method == "query"]
    assert 1 < max(limits) < 1 << 31  # what DynamoDB takes


def test_the_same_chunk_may_stand_at_two_depths() -> None:
    leaf, other = b"l" * 16, b"o" * 16
    one = digest_of(leaf + other)
    found = Chunks("t", {leaf: b"a" * 600, other: b"b" * 600, one: leaf + other})
    record = Record("bytes", 1_800, b"", ((leaf,), (one,)))
    assert found.join(record, "here") == b"a" * 600 + b"b" * 600 + b"a" * 600
    assert found.refs(record, "here") == {leaf, other, one}


# Sizes


def test_more_than_the_bound_is_neither_read_nor_written() -> None:
    table = FakeTable()
    surroundings = context(max_bytes=10_000)
    checkpoint = {**empty_checkpoint(), "id": "1", "channel_versions": {}}
    checkpoint["channel_values"] = {"small": b"s" * 4_000, "large": b"l" * 6_001}
    with pytest.raises(InvalidInputError, match="10001 bytes, most of them in channel 'large'"):
        table.run(put.put(surroundings, Put(PLACE, checkpoint, {}, None, {})))  # type: ignore[arg-type]
    too_much = [("a", b"a" * 5_000), ("a", b"a" * 5_001)]
    with pytest.raises(InvalidInputError, match="max_checkpoint_bytes=10000"):
        table.run(put_writes.put_writes(surroundings, PLACE, "1", too_much, "task", ""))
    assert table.calls == []

    checkpoint["channel_values"]["large"] = b"l" * 6_000
    table.run(put.put(surroundings, Put(PLACE, checkpoint, {}, None, {})))  # type: ignore[arg-type]
    table.run(put_writes.put_writes(surroundings, PLACE, "1", [("a", b"")], "task", ""))
    assert get(table, max_bytes=10_000).pending_writes == [("task", "a", b"")]
    table.run(put_writes.put_writes(surroundings, PLACE, "1", [("a", b"a")], "task 2", ""))
    message = r"max_checkpoint_bytes=10000 is too low for thread 't'.*10001 bytes.*raise the limit"
    refused(table, message, ConfigurationError, max_bytes=10_000)
    assert len(get(table).pending_writes) == 2


def test_a_body_that_claims_more_than_the_bound_is_not_put_together() -> None:
    table = FakeTable()
    plant(table, "C##1", [0, ["", 1 << 31, b"", [b"x" * 16], b""]])
    refused(table, "max_checkpoint_bytes=1073741824", ConfigurationError)


def test_a_list_holds_few_large_checkpoints_at_once() -> None:
    table = FakeTable()
    checkpoint = {**empty_checkpoint(), "channel_versions": {}}
    for number in range(6):
        values = {"large": b"l" * (20 << 20)}
        one = {**checkpoint, "id": str(number), "channel_values": values}
        table.run(put.put(context(), Put(PLACE, one, {}, None, {})))  # type: ignore[arg-type]
    listing = Listing(Query("t", "", None, None, {}), None)
    pages = []
    while (page := table.run(listing.page(context()))) is not None:
        pages.append(len(page))
    assert pages == [1] * 6


@pytest.mark.parametrize("bound", [0, -1, 1.5, True, "1"])
def test_a_bound_is_a_whole_number(bound: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_checkpoint_bytes"):
        DynamoDBConfig(max_checkpoint_bytes=bound)


# Chains


@pytest.mark.parametrize("parents", [{"2": "2"}, {"2": "1", "1": "2"}, {"2": "1", "1": "1"}])
def test_a_checkpoint_that_descends_from_itself(parents: Any) -> None:
    table = FakeTable()
    counters = {"counters_since_delta_snapshot": {"log": [1, 1]}}
    for name, parent in parents.items():
        body = checkpoint_body(parent=parent, metadata=counters, versions={"log": "1"})
        plant(table, f"C##{name}", body)
    with pytest.raises(CorruptCheckpointError, match=r"checkpoint '[12]': its parent '[12]'"):
        table.run(delta_history.get_delta_channel_history(context(), PLACE, None, ["log"]))
    table.run(prune.prune(context(), "t", RetentionPolicy(last=1)))
    assert len(table.items) == len(parents)  # each is needed by the other


@pytest.mark.parametrize("counters", [[1], "x", {"log": 1}, {"log": [1]}, {"log": ["a", "b"]}])
def test_counters_of_delta_channels_that_count_nothing(counters: Any) -> None:
    table = FakeTable()
    body = checkpoint_body(metadata={"counters_since_delta_snapshot": counters})
    plant(table, "C##1", body)
    for operation in (
        delta_history.get_delta_channel_history(context(), PLACE, None, ["log"]),
        prune.prune(context(), "t", RetentionPolicy(last=1)),
    ):
        with pytest.raises(CorruptCheckpointError, match="checkpoint '1': metadata"):
            table.run(operation)
    assert get(table).metadata == {"counters_since_delta_snapshot": counters}


def test_a_negative_count_of_supersteps_asks_for_a_page_all_the_same() -> None:
    table = FakeTable()
    counters = {"counters_since_delta_snapshot": {"log": [1, -(2**60)]}}
    plant(table, "C##1", checkpoint_body(channels=["log"], records=[["msgpack", packed([1])]]))
    plant(table, "C##2", checkpoint_body(parent="1", metadata=counters, versions={"log": "1"}))
    found = table.run(delta_history.get_delta_channel_history(context(), PLACE, "2", ["log"]))
    assert found == {"log": {"writes": [], "seed": [1]}}
    assert all(call.params.get("Limit", 1) > 0 for call in table.calls)


# Keys and attributes


@pytest.mark.parametrize("key", ["C##%41", "C#", "C##1#W", "C##" + "i" * 300, "C##1#X#t"])
def test_an_item_under_a_key_that_is_none_of_ours(key: str) -> None:
    table = FakeTable()
    plant(table, key, checkpoint_body())
    refused(table, "thread 't': sort key")
    listing = Listing(Query("t", None, None, None, {}), None)
    with pytest.raises(CorruptCheckpointError, match=r"thread 't': sort key"):
        table.run(listing.page(context()))
    table.run(delete.delete_thread(context(), "t"))
    assert table.items == {}


def test_a_chunk_under_a_key_that_is_none_of_ours_is_passed_over() -> None:
    table = FakeTable()
    value = bytes(range(256)) * 4 * 300
    one = {**empty_checkpoint(), "id": "1", "channel_values": {"v": value}, "channel_versions": {}}
    table.run(put.put(context(), Put(PLACE, one, {}, None, {})))  # type: ignore[arg-type]
    for key in ("S#0#", "S#0#x", "S#0#" + "A" * 40, "S#0#é"):
        plant(table, key, [])
    assert get(table).checkpoint["channel_values"] == {"v": value}


@pytest.mark.parametrize("told", [None, {"S": "1"}, {"N": "x"}, {"NULL": True}])
def test_a_chunk_that_does_not_tell_its_age_is_left_alone(told: Any) -> None:
    table = FakeTable()
    digest = plant_chunk(table, b"orphan")
    item = table.items["t", keys.chunk(0, digest)]
    del item["T"]
    if told is not None:
        item["T"] = told
    table.run(garbage_collection.sweep(context(), "t"))
    assert ("t", keys.chunk(0, digest)) in table.items


@pytest.mark.parametrize("expiry", [{"S": "1"}, {"BOOL": True}, {"L": []}, {"N": "x"}])
def test_an_expiry_that_is_no_number_is_none(expiry: Any) -> None:
    table = FakeTable()
    plant(table, "C##1", checkpoint_body(), ttl=expiry)
    assert get(table, ttl_seconds=60) is not None


@pytest.mark.parametrize("attributes", [{}, {"B": {"S": "text"}}, {"B": {"NULL": True}}])
def test_an_item_without_a_body(attributes: Any) -> None:
    table = FakeTable()
    table.items["t", "C##1"] = {"PK": {"S": "t"}, "SK": {"S": "C##1"}, **attributes}
    refused(table, r"thread 't'.*has no body")
    written = put_writes.put_writes(context(), PLACE, "1", [("a", 1)], "task", "")
    key = "C##1#W#task"
    table.items["t", key] = {"PK": {"S": "t"}, "SK": {"S": key}, "ttl": {"N": "1"}, **attributes}
    with pytest.raises(CorruptCheckpointError, match="has no body"):
        table.run(written)


# Headers


@pytest.mark.parametrize(
    "content",
    [
        {"channels": ["a", "a"], "records": [["null", b""]] * 2},
        {"channels": [1], "records": [["null", b""]]},
        {"channels": [[]], "records": [["null", b""]]},
        {"channels": ["a"], "records": []},
        {"parent": 7},
        {"parent": "i" * 300},
        {"ns": 7},
        {"versions": [1]},
    ],
)
def test_a_header_of_another_shape(content: Any) -> None:
    table = FakeTable()
    plant(table, "C##1", checkpoint_body(**content))
    refused(table, "thread 't', checkpoint '1': a checkpoint header of an unknown shape")


@pytest.mark.parametrize(
    "content",
    [
        ["path", ["0"], ["a"], None],
        ["path", [True], ["a"], None],
        ["path", [0], [1], None],
        ["path", [0], ["a"], 1],
        [None, [0], ["a"], None],
        ["path", [0, 1], ["a"], None],
    ],
)
def test_a_writes_header_of_another_shape(content: Any) -> None:
    table = FakeTable()
    plant(table, "C##1", checkpoint_body())
    body = [0, "msgpack", packed(content), [["null", b""]], 0]
    plant(table, "C##1#W#task", body)
    refused(table, "checkpoint '1': a writes header of an unknown shape")


def test_what_a_later_release_adds_to_headers_is_passed_over() -> None:
    table = FakeTable()
    body = checkpoint_body([["msgpack", packed(7)]], channels=["a"])
    body[2] = packed([*ormsgpack.unpackb(body[2]), "more", {}])
    plant(table, "C##1", body)
    content = packed(["path", [0], ["a"], None, ["more"]])
    plant(table, "C##1#W#task", [0, "msgpack", content, [["msgpack", packed(8)]], 0])
    found = get(table)
    assert found.checkpoint["channel_values"] == {"a": 7}
    assert found.pending_writes == [("task", "a", 8)]


def test_an_item_of_a_later_format_is_told_as_that_with_its_place() -> None:
    table = FakeTable()
    plant(table, "C##1", checkpoint_body())
    item = table.items["t", "C##1"]
    item["B"] = {"B": b"\x02" + item["B"]["B"][1:]}
    with pytest.raises(UnsupportedFormatError, match=r"thread 't'.*format 2.*upgrade"):
        get(table)


@pytest.mark.parametrize("told", [None, "other"])
def test_a_hashed_namespace_or_task_that_hides_another_name(told: str | None) -> None:
    table = FakeTable()
    place = ThreadNamespace("t", "n" * 500)
    key = keys.checkpoint(keys.namespace(place.checkpoint_ns), "1")
    plant(table, key, checkpoint_body(ns=told))
    with pytest.raises(CorruptCheckpointError, match="hash of another name"):
        table.run(gets.get_tuple(context(), place, None))
    plant(table, key, checkpoint_body(ns=place.checkpoint_ns))
    assert table.run(gets.get_tuple(context(), place, None)) is not None
    body = [0, "msgpack", packed(["", [0], ["a"], told]), [["null", b""]], 0]
    plant(table, keys.writes(key, "x" * 400), body)
    with pytest.raises(CorruptCheckpointError, match="hash of another name"):
        table.run(gets.get_tuple(context(), place, None))


class Broken:
    """A serializer whose class of values is gone."""

    def dumps_typed(self, value: Any) -> tuple[str, bytes]:
        return "mine", b""

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        if data[0] == "mine":
            raise ModuleNotFoundError("No module named 'gone'")
        return ormsgpack.unpackb(data[1])


@pytest.mark.parametrize("where", ["header", "value", "write"])
def test_what_the_serializer_does_not_read_is_named(where: str) -> None:
    table = FakeTable()
    body = checkpoint_body(
        [["mine", b""]] if where == "value" else [],
        channels=["document"] if where == "value" else [],
    )
    if where == "header":
        body[1] = "mine"
    plant(table, "C##1", body)
    if where == "write":
        content = packed(["", [0], ["document"], None])
        plant(table, "C##1#W#task", [0, "msgpack", content, [["mine", b""]], 0])
    named = "the checkpoint's header" if where == "header" else "channel 'document'"
    match = f"thread 't'.*checkpoint '1': {named} was stored as 'mine'.*Broken.*named 'gone'"
    with pytest.raises(DeserializationError, match=match):
        get(table, serde=Broken())


def test_memory_that_runs_out_is_not_told_as_a_value_that_is_not_read() -> None:
    class Greedy(Broken):
        def loads_typed(self, data: tuple[str, bytes]) -> Any:
            raise MemoryError

    table = FakeTable()
    plant(table, "C##1", checkpoint_body())
    with pytest.raises(MemoryError):
        get(table, serde=Greedy())


@pytest.mark.parametrize("version", ["", "!", "a", "a-.x", "1" * 5_000])
def test_a_version_of_nobody(version: str) -> None:
    with pytest.raises(InvalidInputError, match="a channel version begins with a whole number"):
        next_version(version)
