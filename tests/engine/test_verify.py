"""`verify`: healthy threads of every shape are clean, and every kind of damage is found."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import astuple
from typing import Any
from zlib import crc32

import pytest
from conftest import MakeSaver
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from capacity import Costs
from clock import later
from either import Either
from langgraph_checkpoint_dynamodb import ProblemKind, VerifyReport
from langgraph_checkpoint_dynamodb.format.body import seal, unseal
from threads import COUNTERS, LARGE, chain, config_of, put

TTL = 30 * 24 * 3600


class Table:
    """The saver's table, past the saver."""

    def __init__(self, dynamodb: Any, name: str) -> None:
        self._dynamodb = dynamodb
        self._name = name

    def items(self, prefix: str = "") -> list[Any]:
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._name)
        found = [item for page in pages for item in page["Items"]]
        chosen = [item for item in found if item["SK"]["S"].startswith(prefix)]
        return sorted(chosen, key=lambda item: str(item["SK"]["S"]))

    def item_of(self, config: Any, *, writes: bool = False) -> Any:
        """A checkpoint's item, or the first of its writes."""
        ours = [
            i for i in self.items("C#") if config["configurable"]["checkpoint_id"] in i["SK"]["S"]
        ]
        return ours[int(writes)]

    def put(self, item: Any) -> None:
        self._dynamodb.put_item(TableName=self._name, Item=item)

    def delete(self, item: Any) -> None:
        key = {name: item[name] for name in ("PK", "SK")}
        self._dynamodb.delete_item(TableName=self._name, Key=key)


@pytest.fixture
def table(client: Either, dynamodb: Any) -> Table:
    return table_of(client, dynamodb)


def table_of(client: Either, dynamodb: Any) -> Table:
    return Table(dynamodb, client.target.config.table_config.table_name)


def kinds(report: VerifyReport) -> list[str]:
    return sorted(problem.kind.value for problem in report.problems)


async def delta_chain(client: Either, thread_id: str = "t") -> list[Any]:
    """A stored value, and two checkpoints that are rebuilt from it."""
    first = await put(client, config_of(thread_id), {"log": [LARGE]})
    await client.put_writes(first, [("log", 1)], "task")
    second = await put(client, first, {}, COUNTERS, log="a2.x")
    third = await put(client, second, {}, COUNTERS, log="a2.x")
    return [first, second, third]


async def many_chunks(client: Either) -> None:
    """So many that lists of them are chunks too, and a body that is cut itself."""
    noise = random.Random(1).randbytes(1_500_000)
    parent = await put(client, config_of("t"), {"wide": noise})
    values = {f"channel {n}": noise[n * 900 : n * 900 + 900] for n in range(100)}
    parent = await put(client, parent, {"wide": noise[:700_000] + noise[:99], **values})
    await client.put_writes(parent, [("wide", noise[::-1])], "task")
    await client.put_writes(parent, [("__interrupt__", noise[:50_000])], "task")


async def odd_names(client: Either) -> None:
    for thread_id in ("1", "10", "1#C", "%", "x" * 2000):
        for ns in ("", "child:1", "child:1|grand", "#", "n" * 900):
            await chain(client, thread_id, 2, ns=ns)
            config = await put(client, config_of(thread_id, checkpoint_ns=ns), {"a": LARGE})
            await client.put_writes(config, [("a", 1)], "#" * 500)
            await client.put_writes(config, [("a", 1)], "")


async def pruned(client: Either) -> None:
    await chain(client, "t", 5)
    await delta_chain(client)
    later(client)
    await client.prune(["t"])


async def growing_list(client: Either) -> None:
    """Each step ends a chunk now and then."""
    parent = config_of("t")
    for size in range(1, 60):
        parent = await put(client, parent, {"messages": [f"{n:04}" * 300 for n in range(size)]})


HEALTHY: list[Callable[[Either], Awaitable[Any]]] = [
    many_chunks,
    odd_names,
    pruned,
    growing_list,
    delta_chain,
]


@pytest.mark.parametrize("make", HEALTHY, ids=lambda make: make.__name__)
@pytest.mark.parametrize(
    ("mode", "settings"),
    [
        ("sync", "plain"),
        pytest.param("async", "plain", marks=pytest.mark.aio),
        ("threads", "plain"),
        ("sync", "ttl"),
        pytest.param("async", "encrypted", marks=pytest.mark.aio),
    ],
    indirect=["mode"],
)
async def test_healthy_threads_are_clean(
    make_saver: MakeSaver, mode: str, make: Any, settings: str
) -> None:
    key = b"0123456789abcdef"
    options: dict[str, dict[str, Any]] = {
        "plain": {},
        "ttl": {"enable_ttl": True, "ttl_seconds": TTL},
        "encrypted": {"serde": EncryptedSerializer.from_pycryptodome_aes(key=key)},
    }
    client = Either(make_saver(mode=mode, **options[settings]), use_async=mode != "sync")
    await make(client)
    report = await client.verify()
    assert report.ok, report
    assert report.checkpoints > 0
    assert report.chunks > 0


async def test_the_report_counts_what_is_there(client: Either, table: Table) -> None:
    await chain(client, "a", 3)
    await chain(client, "b", 2, ns="child")
    report = await client.verify()
    assert astuple(report) == (2, 5, 5, len(table.items("S#")), 0, 0, 0, (), ())
    one = await client.verify("b")
    assert (one.threads, one.checkpoints, one.writes) == (1, 2, 2)


async def test_a_thread_that_does_not_exist_is_named(client: Either) -> None:
    await chain(client, "t", 1)
    report = await client.verify("typo")
    assert report == VerifyReport(missing=("typo",))
    assert not report.ok
    assert str(report) == "no thread 'typo' in the table"
    whole = await client.verify()
    assert (whole.missing, whole.ok) == ((), True)
    await client.delete_thread("t")
    assert not (await client.verify("t")).ok
    assert (await client.verify()).ok


async def test_a_healthy_thread_is_read_once(make_saver: MakeSaver, mode: str) -> None:
    costs = Costs()
    client = Either(make_saver(mode=mode, costs=costs), use_async=mode != "sync")
    await chain(client, "t", 20)
    costs.reset()
    report = await client.verify("t")
    assert report.ok
    # Chunks and checkpoints, a page each.
    assert dict(costs.calls) == {"Query": 2}


async def test_the_sweep_leaves_what_is_no_chunk_of_ours(client: Either, table: Table) -> None:
    await chain(client, "t", 1)
    for sort_key in ("S#other", "S#0#" + "A" * 22):
        table.put({"PK": {"S": "t"}, "SK": {"S": sort_key}})
    later(client)
    await client.prune(["t"])
    assert {"S#other", "S#0#" + "A" * 22} < {item["SK"]["S"] for item in table.items()}


async def test_a_missing_chunk(client: Either, table: Table) -> None:
    (config,) = await chain(client, "t", 1)
    lost = table.items("S#")[0]
    table.delete(lost)
    report = await client.verify("t")
    for problem in report.problems:
        assert problem.kind is ProblemKind.MISSING_CHUNK
        assert problem.thread_id == "t"
        assert problem.checkpoint_ns == ""
        assert problem.checkpoint_id == config["configurable"]["checkpoint_id"]
    assert report.problems
    # Nothing that the saver remembers hides it, and nothing else of the table is concerned.
    await chain(client, "other", 1)
    assert (await client.verify()).problems == report.problems


@pytest.mark.parametrize("damage", [b"\x00altered", b"\x07unknown", b"\x01broken", b"", None])
async def test_an_altered_chunk(client: Either, table: Table, damage: bytes | None) -> None:
    await put(client, config_of("t"), {"document": LARGE})
    for item in table.items("S#"):
        body = {} if damage is None else {"B": {"B": damage}}
        table.put({**{name: item[name] for name in ("PK", "SK", "T")}, **body})
    report = await client.verify("t")
    assert kinds(report) == ["altered-chunk"]
    chunks = len(table.items("S#"))
    assert f"{chunks} of {chunks} chunks" in report.problems[0].detail


@pytest.mark.parametrize("damage", ["format", "one bit", "frame", "cut off", "shape", "empty"])
@pytest.mark.parametrize("writes", [False, True], ids=["checkpoint", "writes"])
async def test_an_unreadable_body(client: Either, table: Table, damage: str, writes: bool) -> None:
    config = (await chain(client, "t", 2))[0]
    item = table.item_of(config, writes=writes)
    body = item["B"]["B"]
    other = table.item_of(config, writes=not writes)["B"]["B"]
    damaged = {
        "format": b"\x09" + body[1:],
        "one bit": body[:20] + bytes([body[20] ^ 1]) + body[21:],
        "frame": b"\x01" + crc32(b"\x01broken").to_bytes(4, "big") + b"\x01broken",
        "cut off": seal(unseal(body)[:-3]),
        "shape": other,
        "empty": b"",
    }
    table.put({**item, "B": {"B": damaged[damage]}})
    report = await client.verify("t")
    assert kinds(report) == ["unreadable-body"], report
    assert report.problems[0].checkpoint_id == config["configurable"]["checkpoint_id"]


async def test_a_chunk_of_a_cut_body_is_missing(client: Either, table: Table) -> None:
    await many_chunks(client)
    for item in table.items("S#"):
        table.delete(item)
    assert set(kinds(await client.verify("t"))) == {"missing-chunk"}


async def test_values_of_another_key_do_not_stop_the_walk(make_saver: MakeSaver, mode: str) -> None:
    saver = make_saver(mode=mode, serde=EncryptedSerializer.from_pycryptodome_aes(key=b"a" * 16))
    client = Either(saver, use_async=mode != "sync")
    await chain(client, "t", 2)
    saver.serde = EncryptedSerializer.from_pycryptodome_aes(key=b"b" * 16)
    report = await client.verify()
    assert kinds(report) == ["unloadable-value"] * 4
    assert (report.checkpoints, report.writes) == (2, 2)


class Refusing(JsonPlusSerializer):
    """Loads all but one value, as a strict serializer refuses a type."""

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        found = super().loads_typed(data)
        if found == "refused":
            raise TypeError("not on the list of allowed types")
        return found


async def test_a_value_that_the_serde_refuses_is_named(client: Either) -> None:
    config = await put(client, config_of("t"), {"fine": 1, "bad": "refused", "large": LARGE})
    await client.put_writes(config, [("fine", 2), ("worse", "refused")], "task")
    client.target.serde = Refusing()
    report = await client.verify()
    assert kinds(report) == ["unloadable-value"] * 2
    for problem, channel in zip(report.problems, ("'bad'", "'worse'"), strict=True):
        assert channel in problem.detail
        assert "not on the list" in problem.detail


async def test_writes_whose_checkpoint_is_gone(client: Either, table: Table) -> None:
    first, _ = await chain(client, "t", 2)
    table.delete(table.item_of(first))
    young = await client.verify("t")
    assert (young.ok, young.under_way) == (True, 1)  # as of one that was refused just now
    later(client, 2 * 3600)
    report = await client.verify("t")
    (problem,) = (one for one in report.problems if one.kind is ProblemKind.ORPHAN_WRITES)
    assert problem.checkpoint_id == first["configurable"]["checkpoint_id"]


async def test_writes_newer_than_the_newest_checkpoint_may_be_under_way(
    client: Either, table: Table
) -> None:
    for thread_id, count in (("t", 2), ("alone", 1)):
        newest = (await chain(client, thread_id, count))[-1]
        table.delete(table.item_of(newest))
    report = await client.verify()
    assert report.ok, report
    assert report.under_way == 2


async def test_an_orphan_chunk_is_a_problem_once_it_is_past_the_grace_time(
    client: Either, table: Table
) -> None:
    configs = await chain(client, "t", 2)
    for config in configs:
        table.delete(table.item_of(config, writes=True))
        table.delete(table.item_of(config))
    young = await client.verify()
    assert young.ok
    assert (young.young, young.chunks) == (len(table.items("S#")),) * 2
    later(client)
    old = await client.verify()
    assert kinds(old) == ["empty-thread", *["orphan-chunk"] * young.chunks]  # its entry is left
    assert old.young == 0


async def test_nothing_is_called_an_orphan_while_a_body_cannot_be_read(
    client: Either, table: Table
) -> None:
    (config,) = await chain(client, "t", 1)
    table.put({**table.item_of(config), "B": {"B": b"\x09"}})
    later(client)
    assert kinds(await client.verify()) == ["unreadable-body"]


@pytest.mark.parametrize("lost", [0, 1])
async def test_a_cut_chain(client: Either, table: Table, lost: int) -> None:
    configs = await delta_chain(client)
    missing = table.item_of(configs[lost])
    writes = [i for i in table.items("C#") if i["SK"]["S"].startswith(missing["SK"]["S"] + "#")]
    for item in (missing, *writes):
        table.delete(item)
    report = await client.verify("t")
    assert kinds(report) == ["cut-chain"] * (2 - lost)
    for problem in report.problems:
        assert "'log'" in problem.detail
        assert configs[lost]["configurable"]["checkpoint_id"] in problem.detail


async def test_ids_that_do_not_sort_by_age_make_no_cut(client: Either) -> None:
    from langgraph.checkpoint.base import empty_checkpoint

    parent = config_of("t")
    for step, name in enumerate("zyx"):
        checkpoint = empty_checkpoint()
        checkpoint["id"] = name
        checkpoint["channel_versions"] = {"log": "a1.x"}
        checkpoint["channel_values"] = {} if step else {"log": [1]}
        parent = await client.put(parent, checkpoint, COUNTERS if step else {}, {"log": "a1.x"})
    report = await client.verify()
    assert report.ok, report


@pytest.fixture
def expiring(make_saver: MakeSaver, mode: str) -> Either:
    saver = make_saver(mode=mode, enable_ttl=True, ttl_seconds=TTL)
    return Either(saver, use_async=mode != "sync")


async def test_a_chunk_that_expires_before_what_refers_to_it(
    expiring: Either, dynamodb: Any
) -> None:
    table = table_of(expiring, dynamodb)
    (config,) = await chain(expiring, "t", 1)
    expiry = int(table.item_of(config)["ttl"]["N"])
    chunk = table.items("S#")[0]
    table.put({**chunk, "ttl": {"N": str(expiry - 1)}})
    assert set(kinds(await expiring.verify())) == {"early-expiry"}
    table.put({**chunk, "ttl": {"N": str(expiry)}})
    assert (await expiring.verify()).ok


async def test_a_chunk_of_another_generation(client: Either, table: Table) -> None:
    await put(client, config_of("t"), {"document": LARGE})
    for item in table.items("S#"):
        table.delete(item)
        table.put({**item, "SK": {"S": item["SK"]["S"].replace("S#0#", "S#1800000000#")}})
    assert kinds(await client.verify()) == ["wrong-generation"]


async def test_what_has_expired_or_will_is_no_problem(expiring: Either) -> None:
    configs = await delta_chain(expiring)
    later(expiring, TTL * 0.6)
    await put(expiring, configs[-1], {"log": [LARGE]})
    later(expiring, TTL * 0.6)
    report = await expiring.verify()  # the first three have expired, and are kept
    assert report.ok, report
    assert (report.checkpoints, report.writes) == (1, 0)


async def test_an_older_checkpoint_whose_ancestor_has_expired_before_it(expiring: Either) -> None:
    first = await put(expiring, config_of("t"), {"log": [1]})
    later(expiring, TTL * 0.6)
    second = await put(expiring, first, {}, COUNTERS, log="a2.x")
    await put(expiring, second, {"log": [1, 2]})
    later(expiring, TTL * 0.6)
    report = await expiring.verify()
    assert report.ok, report
    assert (report.checkpoints, report.expiring) == (2, 1)


@pytest.mark.parametrize(
    "sort_key", ["A", "C", "C#", "C##1#X#1", "S#0#short", "S#x#" + "A" * 22, "T", "\U0010fffe"]
)
async def test_an_item_of_another_kind(client: Either, table: Table, sort_key: str) -> None:
    await chain(client, "t", 1)
    table.put({"PK": {"S": "t"}, "SK": {"S": sort_key}, "name": {"S": "of another program"}})
    for report in (await client.verify(), await client.verify("t")):
        assert kinds(report) == ["unknown-item"]
        assert repr(sort_key) in report.problems[0].detail


async def test_all_kinds_in_one_thread_are_told_together(client: Either, table: Table) -> None:
    configs = await chain(client, "t", 4)
    table.put({**table.item_of(configs[0]), "B": {"B": b"\x09"}})
    table.delete(table.item_of(configs[1]))
    table.put({**table.items("S#")[0], "B": {"B": b"\x00"}})
    table.put({"PK": {"S": "t"}, "SK": {"S": "Z"}})
    later(client, 2 * 3600)
    found = set(kinds(await client.verify()))
    assert found == {"unreadable-body", "orphan-writes", "altered-chunk", "unknown-item"}
