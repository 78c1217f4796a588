"""Every method on data in all its variants: what makes its calls differ."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from conftest import MakeSaver
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.types import _DeltaSnapshot

import threads
from at_once import at_once
from clients import REGION, async_session, sync_session
from either import Either
from langgraph_checkpoint_dynamodb import StaleParentError
from langgraph_checkpoint_dynamodb.maintenance import retention
from migration_sources import small_table
from permissions import Wire
from table_arns import serve_arns
from threads import LARGE, config_of

TENANT = "acme"
THREAD = f"{TENANT}:thread"
DAYS = "1ee00000-6f1d-6000-8000-000000000000", "1ef00000-6f1d-6000-8000-000000000000"
"""Checkpoint ids that are more than an hour apart."""
TTL = 30 * 24 * 3600
FEW_CHUNKS = LARGE[:3000]


NOT_FOR_TENANTS = {
    *("`list(None)`", "`verify` of the table", "`apply_ttl` of the table"),
    *(
        "`migrate`",
        "`index_threads`",
        "`list_threads` of all owners",
        "`prune_threads`",
        "`delete_for_runs`",
        "`delete_for_runs` with the index",
        "`delete_for_runs` with `fence`",
    ),
}
"""Those that read or write past a single tenant's threads."""


class Site:
    """A table, and savers on it that each know as little as a new process."""

    def __init__(self, make_saver: MakeSaver, mode: str) -> None:
        self.wire = Wire()
        self._make_saver = make_saver
        self.use_async = mode == "async"
        self._session = self.wire.watch(async_session() if self.use_async else sync_session())
        self._settings = {"enable_run_index": True, "enable_ttl": True}
        # Deploying is another row's affair.
        made = make_saver(**self._settings)
        self._table = self.table_name = made.config.table_config.table_name
        if self.use_async:  # a table of another account
            serve_arns(self._session)
            self._table = f"arn:aws:dynamodb:{REGION}:111122223333:table/{self.table_name}"

    def client(self, **table: Any) -> Either:
        session = "async_session" if self.use_async else "session"
        # The endpoints of DynamoDB and S3 are in the environment.
        settings = {**self._settings, **table, session: self._session, "endpoint_url": None}
        if table.get("share_puts"):  # PartiQL is for tables of the same account
            self._table = self.table_name
        saver = self._make_saver(table_name=self._table, deploy=False, **settings)
        return Either(saver, use_async=self.use_async)

    def is_on_the_table(self, params: dict[str, Any]) -> bool:
        """Whether a request is on the saver's own table, and not on one to migrate from."""
        return params.get("TableName", self._table) == self._table and (
            "RequestItems" not in params or self._table in params["RequestItems"]
        )


Scenario = Callable[[Site], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


def row(name: str) -> Callable[[Scenario], Scenario]:
    def register(scenario: Scenario) -> Scenario:
        SCENARIOS[name] = scenario
        return scenario

    return register


async def stored(site: Site, **settings: Any) -> list[Any]:
    """A thread of a run: values of few chunks, of many, and of so many that lists of them are
    chunks too; their writes; a namespace; and a newest checkpoint of another run."""
    client = site.client(**settings)
    configs = await threads.chain(client, THREAD, 2, run_id="run")
    await threads.chain(client, THREAD, 1, ns="child")
    for seed, run_id in enumerate(("run", "run", "other")):
        wide = random.Random(seed).randbytes(1_500_000)
        values = {"few": FEW_CHUNKS, "wide": wide}
        configs.append(await threads.put(client, configs[-1], values, {"run_id": run_id}))
    return configs


async def of_few_chunks(site: Site) -> Any:
    """A small checkpoint whose writes are large: their chunks are read by key."""
    config = await threads.put(site.client(), config_of(f"{THREAD}-2"), {"few": b"few"})
    await site.client().put_writes(config, [("few", LARGE)], "task")
    return config


async def chain_of_deltas(site: Site, thread_id: str, value: bytes, **table: Any) -> Any:
    """A snapshot, and a child that has only its writes."""
    client = site.client(**table)
    parent = await threads.put(client, config_of(thread_id), {"d": _DeltaSnapshot([value])})
    await client.put_writes(parent, [("d", value)], "task")
    version = client.target.get_next_version(None, None)
    return await threads.put(client, parent, {}, None, d=version)


def let_chunks_age(client: Either) -> None:
    now = client.target.clock()
    client.target.clock = lambda: now + retention.GRACE_SECONDS + 60


@row("`warm`")
async def _warm(site: Site) -> None:
    with site.wire.open():
        await site.client().warm(f"{TENANT}:warm")


@row("`get_tuple`")
async def _get_tuple(site: Site) -> None:
    configs = [*await stored(site), await of_few_chunks(site), config_of(THREAD)]
    with site.wire.open():
        for config in configs:
            assert await site.client().get_tuple(config)


@row("`list`")
async def _list(site: Site) -> None:
    await stored(site)
    few = await of_few_chunks(site)
    with site.wire.open():
        assert len(await threads.load_all(site.client(), THREAD)) == 6
        assert len(await site.client().list(few)) == 1


@row("`list(None)`")
async def _list_all(site: Site) -> None:
    await stored(site)
    await of_few_chunks(site)
    with site.wire.open():
        assert len(await site.client().list(None)) == 7


@row("`get_delta_channel_history`")
async def _history(site: Site) -> None:
    heads = [
        await chain_of_deltas(site, f"{THREAD}-{len(value)}", value)
        for value in (FEW_CHUNKS, LARGE)
    ]
    with site.wire.open():
        for head in heads:
            await site.client().get_delta_channel_history(config=head, channels=["d"])


@row("`get_delta_channel_history` with `ttl_seconds`")
async def _history_renewed(site: Site) -> None:
    heads = [
        await chain_of_deltas(site, f"{THREAD}-{len(value)}", value, ttl_seconds=TTL)
        for value in (FEW_CHUNKS, LARGE)
    ]
    with site.wire.open():
        for head in heads:
            later = site.client(ttl_seconds=TTL)
            now = later.target.clock()
            later.target.clock = lambda now=now: now + TTL - 1  # in the next period
            await later.get_delta_channel_history(config=head, channels=["d"])


@row("`put`")
async def _put(site: Site) -> None:
    with site.wire.open():
        warm = site.client(ttl_seconds=TTL)
        first = await threads.put(warm, config_of(THREAD), {"a": LARGE})
        await threads.put(warm, first, {"a": LARGE + LARGE})
        await threads.put(site.client(), first, {"a": LARGE})
    await put_on_unknown(site)
    later = site.client()
    later.target.clock = lambda: time.time() + 7200
    with site.wire.open():
        await threads.put(later, config_of(f"{THREAD}-wide"), {})


@row("`put` with `enable_thread_index=False`")
async def _put_unlisted(site: Site) -> None:
    await put_on_unknown(site, enable_thread_index=False)


async def put_on_unknown(site: Site, **settings: Any) -> None:
    """A put on a parent that is not known, and whose value has lists of chunks."""
    parent = config_of(f"{THREAD}-wide")
    values = {"wide": random.Random(0).randbytes(1_500_000)}
    with site.wire.open():
        for _ in range(2):
            parent = await threads.put(site.client(**settings), parent, values)


@row("`put` with delta channels and `ttl_seconds`")
async def _put_of_deltas(site: Site) -> None:
    heads = [
        await chain_of_deltas(site, f"{THREAD}-{len(value)}", value, ttl_seconds=TTL)
        for value in (FEW_CHUNKS, LARGE)
    ]
    deltas = {"counters_since_delta_snapshot": {"d": (1, 1)}}
    with site.wire.open():
        for head in heads:
            later = site.client(ttl_seconds=TTL)
            now = later.target.clock()
            later.target.clock = lambda now=now: now + TTL
            await threads.put(later, head, {}, deltas, d="a3.x")


@row("`put` with `fence`")
async def _put_fenced(site: Site) -> None:
    def fenced() -> Either:
        return site.client(fence=True)

    with site.wire.open():
        first = await threads.put(fenced(), config_of(THREAD), {"a": LARGE})
        await threads.put(fenced(), first, {"a": 1})
        with pytest.raises(StaleParentError):
            await threads.put(fenced(), first, {"a": 2})
        await fenced().get_tuple(first)
        await threads.put(fenced(), first, {"a": 3}, {"source": "fork"})
    await put_on_unknown(site, fence=True)


@row("`put` with `share_puts`")
async def _put_shared(site: Site) -> None:
    client = site.client(share_puts=True)
    with site.wire.open():
        # A new thread's entry is put first, by a request of its own.
        parents = [await threads.put(client, config_of(f"{THREAD}-{n}"), {"a": n}) for n in "ab"]
        calls = [partial(threads.put, client, parent, {"a": 2}) for parent in parents]
        await at_once(client, calls, awaited=2, native=site.use_async)
        await threads.put(client, config_of(THREAD), {"a": LARGE})
    await put_on_unknown(site, share_puts=True)


async def write_all_variants(site: Site, **settings: Any) -> Any:
    """Returns the config of the checkpoint that was written to."""
    checkpoint = config_of(THREAD, checkpoint_id=empty_checkpoint()["id"])
    with site.wire.open():
        for size in (10, 9000, len(LARGE)):
            task = f"task-{size}"
            await site.client(**settings).put_writes(checkpoint, [("a", LARGE[:size])], task)
            # The same task once more, from a process that does not know what is stored.
            await site.client(**settings).put_writes(checkpoint, [("a", 1), ("b", 2)], task)
        await site.client(**settings).put_writes(checkpoint, [("__interrupt__", LARGE)], "task")
    return checkpoint


@row("`put_writes`")
async def _put_writes(site: Site) -> None:
    checkpoint = await write_all_variants(site)
    with site.wire.open():  # to a checkpoint whose expiry it does not know
        await site.client(ttl_seconds=TTL).put_writes(checkpoint, [("a", 1)], "another")


@row("`put_writes` with `share_puts`")
async def _put_writes_shared(site: Site) -> None:
    checkpoint = await write_all_variants(site, share_puts=True)
    client = site.client(share_puts=True)
    calls = [partial(client.put_writes, checkpoint, [("a", 1)], task) for task in "ab"]
    with site.wire.open():
        await at_once(client, calls, awaited=2, native=site.use_async)


@row("`delete_thread`")
async def _delete_thread(site: Site) -> None:
    await stored(site)
    with site.wire.open():
        await site.client().delete_thread(THREAD)


@row("`copy_thread`")
async def _copy_thread(site: Site) -> None:
    *_, newest = await stored(site)
    # A body in chunks, that is put together to name the copy.
    many = {f"channel {index}": random.Random(index).randbytes(900) for index in range(40)}
    await threads.put(site.client(), newest, many, {"thread_id": THREAD})
    with site.wire.open():
        for client in (site.client(), site.client()):
            await client.copy_thread(THREAD, f"{THREAD}-copy")


@row("`prune`")
async def _prune(site: Site) -> None:
    await stored(site)
    client = site.client()
    let_chunks_age(client)
    with site.wire.open():
        await client.prune([THREAD])
        await client.prune([THREAD], strategy="delete")


async def delete_for_runs(site: Site, **settings: Any) -> None:
    await stored(site)
    client = site.client(**settings)
    let_chunks_age(client)
    with site.wire.open():
        await client.delete_for_runs(["run"])
    assert len(await threads.load_all(client, THREAD)) == 2


@row("`delete_for_runs`")
async def _delete_for_runs(site: Site) -> None:
    await delete_for_runs(site, enable_run_index=False)


@row("`delete_for_runs` with the index")
async def _delete_for_runs_by_index(site: Site) -> None:
    await delete_for_runs(site, enable_run_index=True)


@row("`delete_for_runs` with `fence`")
async def _delete_for_runs_fenced(site: Site) -> None:
    await delete_for_runs(site, enable_run_index=False, fence=True)


async def some_that_are_broken(site: Site) -> None:
    """Two threads, one of which lacks a chunk."""
    await stored(site)
    await of_few_chunks(site)
    config = site.client().target.config
    table = site.table_name
    engine = sync_session().client("dynamodb", endpoint_url=config.endpoint_url)
    (chunk, *_) = engine.query(
        TableName=table,
        KeyConditionExpression="PK = :pk AND begins_with(SK, :prefix)",
        ExpressionAttributeValues={":pk": {"S": THREAD}, ":prefix": {"S": "S#"}},
        ProjectionExpression="PK, SK",
    )["Items"]
    engine.delete_item(TableName=table, Key=chunk)


@row("`verify`")
async def _verify(site: Site) -> None:
    await some_that_are_broken(site)
    client = site.client()
    let_chunks_age(client)
    with site.wire.open():
        assert not (await client.verify(THREAD)).ok


@row("`verify` of the table")
async def _verify_all(site: Site) -> None:
    await some_that_are_broken(site)
    client = site.client()
    let_chunks_age(client)
    with site.wire.open():
        report = await client.verify()
    assert (report.threads, report.ok) == (2, False)


@row("`storage`")
async def _storage(site: Site) -> None:
    await stored(site)
    with site.wire.open():
        assert (await site.client().storage(THREAD)).total.items


@row("`apply_ttl`")
async def _apply_ttl(site: Site) -> None:
    await stored(site)
    with site.wire.open():
        assert await site.client(ttl_seconds=TTL).apply_ttl([THREAD])


@row("`apply_ttl` of the table")
async def _apply_ttl_everywhere(site: Site) -> None:
    await stored(site)
    await of_few_chunks(site)
    with site.wire.open():
        assert await site.client(ttl_seconds=TTL).apply_ttl()


@row("`migrate`")
async def _migrate(site: Site) -> None:
    source = small_table(THREAD, DAYS)
    with site.wire.open():
        report = await site.client().migrate(source)
    assert (report.checkpoints, report.ok) == (2, True)


def read_through(method: str) -> None:
    @row(f"`{method}` with `read_through`")
    async def first_use(site: Site) -> None:
        config = config_of(THREAD, checkpoint_id=DAYS[1])
        arguments: dict[str, Any] = {
            "get_tuple": [config_of(THREAD)],
            "list": [config_of(THREAD)],
            "get_delta_channel_history": [],
            "put": [config, {**empty_checkpoint(), "id": "3"}, {}, {}],
            "put_writes": [config, [("a", 1)], "task"],
            "copy_thread": [THREAD, f"{THREAD}-copy"],
            "prune": [[THREAD]],
            "set_thread": [THREAD],
        }
        keywords: dict[str, Any] = {}
        if method == "get_delta_channel_history":
            keywords = {"config": config, "channels": ["a"]}
        if method == "set_thread":
            keywords = {"title": "title"}
        source = small_table(THREAD, DAYS)
        with site.wire.open():
            client = site.client(read_through=source)
            await getattr(client, method)(*arguments[method], **keywords)
        left = {"put": 3, "prune": 1}.get(method, 2)
        assert len(await threads.load_all(site.client(), THREAD)) == left


for _method in (
    "get_tuple",
    "list",
    "get_delta_channel_history",
    "put",
    "put_writes",
    "copy_thread",
    "prune",
    "set_thread",
):
    read_through(_method)


LISTED = {"thread_owner": lambda metadata: f"{TENANT}:owner"}


async def list_threads(site: Site, **whose: Any) -> None:
    client = site.client(**LISTED)
    for n, writes in enumerate(((), ("a",), ("a", "__interrupt__"))):
        config = await threads.put(client, config_of(f"{THREAD}-{n}"), {"a": n})
        for task, channel in enumerate(writes):
            await client.put_writes(config, [(channel, 1)], f"task-{9 - task}")
    with site.wire.open():
        page = await site.client(**LISTED).list_threads(**whose)
    assert len(page.threads) == 3


@row("`list_threads`")
async def _list_threads(site: Site) -> None:
    await list_threads(site, owner=f"{TENANT}:owner")


@row("`list_threads` of all owners")
async def _list_all_threads(site: Site) -> None:
    await list_threads(site, all_owners=True)


@row("`set_thread`")
async def _set_thread(site: Site) -> None:
    await threads.put(site.client(**LISTED), config_of(THREAD), {})
    with site.wire.open():
        await site.client(**LISTED).set_thread(THREAD, title="title")


@row("`index_threads`")
async def _index_threads(site: Site) -> None:
    unlisted = {"enable_thread_index": False}
    await stored(site, **unlisted)
    many = {f"channel {index}": random.Random(index).randbytes(900) for index in range(40)}
    client = site.client(**unlisted)
    await threads.put(client, config_of(f"{THREAD}-wide"), many)  # a body in chunks
    with site.wire.open():
        assert await site.client(**LISTED).index_threads() == 2


async def prune_threads(site: Site, **whose: Any) -> None:
    for name in ("a", "b"):
        await threads.chain(site.client(**LISTED), f"{THREAD}-{name}", 2)
    client = site.client(**LISTED)
    let_chunks_age(client)
    now = client.target.clock() + 3600
    client.target.clock = lambda: now
    with site.wire.open():
        kept = await client.prune_threads(
            **whose, inactive_for=timedelta(0), strategy="keep_latest"
        )
        deleted = await client.prune_threads(**whose, inactive_for=timedelta(0))
    assert (kept.threads, deleted.threads) == (2, 2)


@row("`prune_threads`")
async def _prune_threads(site: Site) -> None:
    await prune_threads(site, all_owners=True)


@row("`prune_threads` of an owner")
async def _prune_threads_of_owner(site: Site) -> None:
    await prune_threads(site, owner=f"{TENANT}:owner")


@row("`export_threads`")
async def _export_threads(site: Site) -> None:
    await threads.chain(site.client(**LISTED), THREAD, 2)
    few = await threads.put(site.client(**LISTED), config_of(f"{THREAD}-2"), {"few": b"few"})
    await site.client(**LISTED).put_writes(few, [("few", LARGE)], "task")
    with site.wire.open():
        assert await site.client(**LISTED).export_threads(f"{TENANT}:owner", io.StringIO()) == 2


@row("`erase_owner`")
async def _erase_owner(site: Site) -> None:
    await threads.chain(site.client(**LISTED), THREAD, 2)
    with site.wire.open():
        await site.client(**LISTED).erase_owner(f"{TENANT}:owner")
