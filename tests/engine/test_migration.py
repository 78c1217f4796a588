"""`migrate`: threads of other DynamoDB savers continue here as they would have continued there."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from conftest import MakeSaver

from clients import KEYS, REGION, sync_session
from either import Either
from langgraph_checkpoint_dynamodb import ConfigurationError, InvalidInputError, Loss, LossKind
from langgraph_checkpoint_dynamodb.format import requests
from langgraph_checkpoint_dynamodb.runtime.effects import Call
from migration_graph import THREADS, answer, ask, make_graph
from migration_sources import BUCKET, LAYOUTS, PREFIX, Dump, small_table
from play import plain

NewClient = Callable[..., Either]


@pytest.fixture
def new_client(
    make_saver: MakeSaver,
    endpoint_url: str,
    s3_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> NewClient:
    """Savers on one table, each with an empty memory, at the time at which a dump was written."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint_url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_url)
    table = f"test-{uuid.uuid4().hex}"
    made: list[Any] = []

    def make(dump: Dump, mode: str = "sync", **settings: Any) -> Either:
        settings = {"table_name": table, "endpoint_url": None, "deploy": not made, **settings}
        made.append(make_saver(mode=mode, **settings))
        made[-1].clock = lambda: dump.written_at
        return Either(made[-1], use_async=mode != "sync")

    return make


@pytest.mark.parametrize("name", LAYOUTS)
async def test_threads_are_copied_whole_and_continue(
    name: str, new_client: NewClient, dynamodb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "query", in_small_pages(requests.query))
    dump = Dump(name)
    source = dump.load(dynamodb, f"source-{uuid.uuid4().hex}")
    would = await new_client(dump).migrate(source, dry_run=True)
    assert await new_client(dump).list(None) == []
    report = await new_client(dump).migrate(source)
    assert report == would
    writes = sum(len(dump.writes_of(one)) for one in dump.put)
    assert (report.threads, report.checkpoints) == (len(THREADS), len(dump.put))
    assert (report.writes, report.present, report.ok) == (writes, 0, True)
    assert {loss.kind for loss in report.losses} == LOSSES.get(name, set())
    await assert_same(new_client(dump), dump)
    assert (await new_client(dump).verify()).ok

    seen = []
    for saver in (dump.memory(), new_client(dump).target):
        graph = make_graph(saver)
        for thread in THREADS.values():
            assert graph.get_state(thread).next == ("child",)
            answer(graph, thread, "here")
            ask(graph, thread, 3)
        seen.append([history(graph, thread) for thread in THREADS.values()])
    assert seen[0] == seen[1]
    assert "here to 3" in seen[1][0][0]["values"]["log"]


LOSSES = {"aws-gzip": {LossKind.EXPIRY}, "0.1.3": {LossKind.TASK_PATH}}


def in_small_pages(make: Callable[..., Call]) -> Callable[..., Call]:
    """Each page of the source has few items, as if the items were large."""

    def query(table: str, key: str, bounds: Any, **more: Any) -> Call:
        return make(table, key, bounds, **more, **({"limit": 7} if bounds is None else {}))

    return query


def history(graph: Any, thread: Any) -> list[Any]:
    """All states of a thread."""
    return [plain(state) for state in graph.get_state_history(thread)]


async def assert_same(client: Either, dump: Dump) -> None:
    """Everything that was put is here, and nothing else."""
    found = {}
    for thread in THREADS.values():
        for one in await client.list(thread):
            name = one.config["configurable"]
            found[name["thread_id"], name["checkpoint_ns"], name["checkpoint_id"]] = one
    assert found.keys() == {one.name for one in dump.put}
    for put in dump.put:
        one = found[put.name]
        assert one.checkpoint == put.checkpoint
        parent = one.parent_config and one.parent_config["configurable"]["checkpoint_id"]
        assert parent == put.parent_id
        for key in ("source", "step", "parents"):
            assert one.metadata[key] == put.metadata[key]
        assert one.pending_writes == [
            (task, channel, value) for task, _, _, channel, value in dump.writes_of(put)
        ]


async def test_sync_and_async_from_a_table_in_s3_and_from_a_saver(
    mode: str, new_client: NewClient, dynamodb: Any, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**KEYS, "aws_default_region": REGION}.items():
        monkeypatch.setenv(name.upper(), value)
    dump = Dump("0.1.3")
    client = new_client(dump, mode)
    source = small_table("in two places")
    assert (await client.migrate(source, dry_run=True)).checkpoints == 2
    sync_session().client("s3").delete_object(Bucket=BUCKET, Key=f"{PREFIX}/CHUNK_in two places##2")
    report = await client.migrate(source)
    assert report.losses == (Loss(LossKind.MISSING_PAYLOAD, "in two places", 1),)
    assert report.checkpoints == 1

    memory = dump.memory()
    report = await client.migrate(memory, list(THREADS)[:1])
    assert (report.threads, report.ok) == (1, True)
    (first, second) = THREADS.values()
    through = new_client(dump, mode, read_through=memory)
    for thread in (first, second):
        found, expected = await through.get_tuple(thread), memory.get_tuple(thread)
        assert found.checkpoint == expected.checkpoint
        assert found.pending_writes == expected.pending_writes
    assert len(await through.list(second)) == len(list(memory.list(second)))
    dynamodb.delete_table(TableName=source.table_name)


async def test_a_table_of_another_region_is_copied_in_two_steps(
    mode: str, new_client: NewClient, dynamodb: Any
) -> None:
    dump = Dump("aws")
    source = dump.load(dynamodb, f"source-{uuid.uuid4().hex}")
    here = new_client(dump, mode)
    name = f"test-{uuid.uuid4().hex}"
    there = new_client(dump, mode, region_name="us-west-2", table_name=name, deploy=True)
    assert (await there.migrate(source)).losses == ()
    report = await here.migrate(there.target)
    assert (report.ok, {loss.kind for loss in report.losses}) == (True, {LossKind.TASK_PATH})
    await assert_same(here, dump)
    arn = f"arn:aws:dynamodb:us-west-2:000000000000:table/{source.table_name}"
    far = replace(source, table_name=arn)
    with pytest.raises(InvalidInputError, match="source is a table in region us-west-2"):
        await here.migrate(far)
    with pytest.raises(ConfigurationError, match="read_through is a table in region us-west-2"):
        new_client(dump, mode, read_through=far)
    dynamodb.delete_table(TableName=source.table_name)


async def test_a_first_title_copies_the_thread(mode: str, new_client: NewClient) -> None:
    dump = Dump("0.1.3")
    client = new_client(dump, mode, read_through=dump.memory(), thread_owner="tenant")
    thread_id = next(iter(THREADS))
    await client.set_thread(thread_id, title="First")
    (found,) = (await client.list_threads("acme")).threads
    assert (found.thread_id, found.title) == (thread_id, "First")
    with pytest.raises(InvalidInputError, match="is not listed"):
        await client.set_thread("unknown", title="First")
