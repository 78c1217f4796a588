"""What is missing in a source, and what cannot be read, is named in the report."""

from __future__ import annotations

import re
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from fake_table import TABLE
from golden_table import KEY, GoldenTable
from langgraph_checkpoint_dynamodb import (
    ConfigurationError,
    DeserializationError,
    LossKind,
    MigrationReport,
    ProblemKind,
    SourceTable,
    StorageError,
)
from migration_graph import THREADS, converse, make_graph
from migration_sources import LAYOUTS, Dump

ADA, GRACE = THREADS


def lost(report: MigrationReport) -> dict[LossKind, int]:
    """The losses of one thread."""
    found = {loss.kind: loss.count for loss in report.losses if loss.thread_id == ADA}
    assert all(str(loss) in str(report) for loss in report.losses)
    return found


def newest_of(dump: Dump) -> str:
    return max(put.id for put in dump.put if put.name[:2] == (ADA, ""))


def test_a_checkpoint_and_a_write_without_their_payload() -> None:
    """langgraph-checkpoint-aws stores the payload last, and skips what has none."""
    dump = Dump("aws")
    table = dump.in_memory()
    last = newest_of(dump)
    del table.items[f"CHUNK_{ADA}##{last}", "CHUNK"]
    keys = [
        key for key in table.items if key[0].startswith(f"CHUNK_{ADA}##") and key[0].count("#") > 2
    ]
    other = next(key for key in keys if last not in key[0])
    del table.items[other]
    report = table.saver().migrate(dump.source(TABLE))
    assert report.ok
    assert lost(report) == {LossKind.MISSING_PAYLOAD: 2}
    whole = dump.in_memory().saver().migrate(dump.source(TABLE))
    assert report.checkpoints == whole.checkpoints - 1
    ids = [one.config["configurable"]["checkpoint_id"] for one in table.saver().list(THREADS[ADA])]
    assert last not in ids
    assert table.saver().verify(ADA).ok


def test_items_that_have_expired_are_not_copied() -> None:
    dump = Dump("aws-gzip")
    table = dump.in_memory()
    expired = (f"CHECKPOINT_{ADA}", f"#{newest_of(dump)}")
    table.items[expired] = {**table.items[expired], "ttl": {"N": str(dump.written_at)}}
    report = table.saver(ttl_seconds=3600).migrate(dump.source(TABLE))
    found = lost(report)
    assert found[LossKind.EXPIRED] == 1
    assert found[LossKind.EXPIRY] > 1
    copied = [item for (_, key), item in table.items.items() if key.startswith("C#")]
    assert {item["ttl"]["N"] for item in copied} >= {str(dump.written_at + 3600)}
    assert all(int(item["ttl"]["N"]) <= dump.written_at + 4 * 3600 for item in copied)
    assert table.saver(ttl_seconds=3600).verify(ADA).ok


def test_an_attribute_of_another_name_holds_the_expiry() -> None:
    dump = Dump("aws-gzip")
    table = dump.in_memory()
    source = SourceTable(layout=LAYOUTS["aws"], table_name=TABLE, ttl_attribute="other")
    assert table.saver().migrate(source).losses == ()


@pytest.mark.parametrize("name", ["0.1.3", "dynamodb-checkpoint"])
def test_writes_without_their_checkpoint(name: str) -> None:
    dump = Dump(name)
    table = dump.in_memory()
    last = newest_of(dump)
    del table.items[ADA, f"#checkpoint#{last}" if name == "0.1.3" else last]
    report = table.saver().migrate(dump.source(TABLE))
    (put,) = [one for one in dump.put if one.id == last]
    assert lost(report)[LossKind.ORPHAN_WRITES] == len(dump.writes_of(put))
    found = {problem.kind for problem in table.saver().verify().problems}
    assert found == {ProblemKind.UNKNOWN_ITEM}  # the source's, in the same table


def test_paths_that_another_saver_does_not_return() -> None:
    memory, table = InMemorySaver(), GoldenTable()
    converse(memory)
    report = table.saver().migrate(memory)
    assert lost(report) == {
        LossKind.TASK_PATH: sum(len(own) for key, own in memory.writes.items() if key[0] == ADA)
    }
    states = [make_graph(saver).get_state(THREADS[ADA]) for saver in (memory, table.saver())]
    assert states[0].values == states[1].values  # the delta channel too, in its order


DAMAGE: dict[str, tuple[str, dict[str, Any], str]] = {
    "aws": ("payload", {"B": b"\xc1"}, "DeserializationError: .*pass SourceTable a serde"),
    "aws-gzip": ("payload", {"B": b"\xc1"}, "CorruptCheckpointError: .*gzip"),
    "aws-s3": ("payload", {"S": "text"}, "CorruptCheckpointError: .*'payload'"),
    "dynamodb-checkpoint": ("checkpoint", {"S": "?"}, "CorruptCheckpointError: .*'checkpoint'"),
    "0.1.3": ("metadata", {"S": "text"}, "CorruptCheckpointError: .*'metadata'"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_thread_that_cannot_be_read_does_not_keep_others_from_being_copied(name: str) -> None:
    dump = Dump(name)
    table = dump.in_memory()
    attribute, value, message = DAMAGE[name]
    key = next(
        key
        for key, item in sorted(table.items.items())
        if attribute in item and key[0] in {ADA, f"CHUNK_{ADA}##{key[0][-36:]}"}
    )
    if name == "aws-gzip":  # one that is compressed
        compressed = [
            i for i in dump.items if "compression" in i and i["PK"]["S"] == f"CHECKPOINT_{ADA}"
        ]
        key = (compressed[0]["ref_key"]["S"], "CHUNK")
    table.items[key] = {**table.items[key], attribute: value}
    report = table.saver().migrate(dump.source(TABLE))
    (failure,) = report.failures
    assert failure.thread_id == ADA
    assert re.search(message, failure.error)
    assert not report.ok
    assert list(table.saver().list(THREADS[GRACE]))


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        *(("aws", attribute) for attribute in ("idx", "task_id", "channel", "ref_key", "ref_loc")),
        *(("aws", attribute) for attribute in ("ns", "id", "type")),
        *(("0.1.3", attribute) for attribute in ("channel", "task_id", "checkpoint_id", "type")),
        *(("dynamodb-checkpoint", attribute) for attribute in ("channel", "type", "metadata")),
    ],
)
def test_an_item_that_lacks_an_attribute_is_a_failure(name: str, attribute: str) -> None:
    dump = Dump(name)
    table = dump.in_memory()
    table.items = {
        key: {one: value for one, value in item.items() if one != attribute or GRACE in key[0]}
        for key, item in table.items.items()
    }
    report = table.saver().migrate(dump.source(TABLE))
    assert [failure.thread_id for failure in report.failures] == [ADA]
    assert f"has no '{attribute}'" in report.failures[0].error


def test_a_checkpoint_of_another_shape_is_a_failure() -> None:
    class Odd(InMemorySaver):
        def get_tuple(self, config: Any) -> Any:
            found = super().get_tuple(config)
            assert found is not None
            return found._replace(checkpoint={**found.checkpoint, "id": "another"})

    odd, table = Odd(), GoldenTable()
    memory = InMemorySaver()
    converse(memory)
    odd.storage, odd.writes, odd.blobs = memory.storage, memory.writes, memory.blobs
    report = table.saver().migrate(odd)
    assert [failure.thread_id for failure in report.failures] == [ADA, GRACE]
    assert "is not a checkpoint of LangGraph" in report.failures[0].error


def test_the_bucket_of_payloads_in_s3_must_be_known() -> None:
    dump = Dump("aws-s3")
    table = dump.in_memory()
    source = SourceTable(layout=LAYOUTS["aws"], table_name=TABLE)
    with pytest.raises(ConfigurationError, match="in S3: pass SourceTable the bucket"):
        table.saver().migrate(source)


def test_an_error_of_s3_other_than_a_missing_object_is_raised() -> None:
    dump = Dump("aws-s3")
    table = dump.in_memory()

    def deny(call: Any) -> None:
        if call.service == "s3":
            error = StorageError("denied")
            error.code = "AccessDenied"
            raise error

    table.fault = deny
    with pytest.raises(StorageError, match="denied"):
        table.saver().migrate(dump.source(TABLE))


def test_a_saver_that_encrypts_copies_plaintext() -> None:
    dump = Dump("0.1.3")
    table = dump.in_memory()
    serde = EncryptedSerializer.from_pycryptodome_aes(key=KEY)
    assert table.saver(serde=serde).migrate(dump.source(TABLE)).ok
    found = list(table.saver(serde=serde).list(THREADS[ADA]))
    assert len(found) == len([put for put in dump.put if put.name[0] == ADA])
    with pytest.raises(DeserializationError, match="cannot read"):
        list(table.saver().list(THREADS[ADA]))


def test_a_serializer_of_the_source() -> None:
    class Other:
        def loads_typed(self, data: Any) -> Any:
            return InMemorySaver().serde.loads_typed(data)

    dump = Dump("0.1.3")
    source = SourceTable(layout="0.1.3", table_name=TABLE, serde=Other())
    table = dump.in_memory()
    assert table.saver().migrate(source).ok
