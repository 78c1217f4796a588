"""Fixtures: an engine, fresh tables on it, and the three ways to run the saver."""

from __future__ import annotations

import ipaddress
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import botocore.session
import pytest

import engine
import migration_sources
import play
from capacity import Costs
from clients import KEYS, REGION, async_session, sync_session
from either import Either
from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig
from permissions import Calls
from play import Scenario

pytest.register_assert_rewrite("graph_scenarios")

UNIT = Path(__file__).parent / "unit"

MakeSaver = Callable[..., DynamoDBSaver]

_TABLE_FIELDS = {field.name for field in fields(DynamoDBTableConfig)}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "aio: runs on an async client (aiobotocore or aioboto3)")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if UNIT in item.path.parents and "endpoint_url" in getattr(item, "fixturenames", ()):
        pytest.fail("tests/unit needs no engine: move this test to tests/engine", pytrace=False)


@pytest.fixture(autouse=True)
def unit_tests_reach_no_other_host(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test in tests/unit fails when it starts an engine or connects to another host."""
    if UNIT not in request.path.parents:
        yield
        return
    connect, getaddrinfo = socket.socket.connect, socket.getaddrinfo

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            refuse_other_hosts(address[0])
        connect(self, address)

    def look_up_here(host: Any, *args: Any, **kwargs: Any) -> Any:
        refuse_other_hosts(host)
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_here)
        patch.setattr(socket, "getaddrinfo", look_up_here)
        patch.setattr(engine, "run_engine", refuse_engine)
        yield


def refuse_engine() -> None:
    pytest.fail("tests/unit needs no engine: move this test to tests/engine")


def refuse_other_hosts(host: Any) -> None:
    with suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return
    if host not in {"localhost", None}:
        pytest.fail(f"tests/unit needs no network, but this test connects to {host}")


@pytest.fixture(scope="session", autouse=True)
def what_savers_read_of_files_is_read_once() -> Iterator[None]:
    """Savers of different tests share AWS's service models.

    A process has few savers, and the tests make thousands: reading the models took most of the time
    that each needs.
    """
    create, read = botocore.session.create_loader, {}

    def sharing(*arguments: Any) -> Any:
        loader = create(*arguments)
        loader._cache = read
        return loader

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", sharing)
        yield


@pytest.fixture(scope="session", autouse=True)
def calls_of_savers() -> Iterator[Calls]:
    calls = Calls()
    with calls.recorded():
        yield calls


@pytest.fixture(autouse=True)
def every_call_is_documented(calls_of_savers: Calls) -> Iterator[None]:
    """No method asks AWS for more than `docs/infrastructure.md` says; see `test_policies.py`."""
    yield
    found = calls_of_savers.undocumented()
    calls_of_savers.found.clear()
    assert found == []


@pytest.fixture(scope="session")
def endpoint_url() -> Iterator[str]:
    try:
        with engine.run_engine() as url:
            yield url
    except engine.EngineMissingError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """An S3 with the payloads that langgraph-checkpoint-aws has stored there."""
    with migration_sources.run_s3() as url:
        yield url


@pytest.fixture(scope="session")
def dynamodb(endpoint_url: str) -> Any:
    """A plain client of the engine, to look at tables past the saver."""
    return sync_session().client("dynamodb", endpoint_url=endpoint_url)


@pytest.fixture(params=["sync", pytest.param("async", marks=pytest.mark.aio), "threads"])
def mode(request: pytest.FixtureRequest) -> str:
    """Sync methods, async methods on an async client, async methods in worker threads."""
    return str(request.param)


@pytest.fixture
async def make_saver(endpoint_url: str, dynamodb: Any) -> AsyncIterator[MakeSaver]:
    """Make savers, each on a new table unless `table_name` is given.

    Takes the fields of `DynamoDBConfig` and `DynamoDBTableConfig` as keywords,
    `deploy`, `serde`, `read_through`, and `cls` for a subclass. `mode="threads"` takes the async
    client away. `costs` counts all that the saver asks.
    """
    savers: list[DynamoDBSaver] = []

    def make(
        *,
        mode: str = "async",
        costs: Costs | None = None,
        deploy: bool = True,
        serde: Any = None,
        read_through: Any = None,
        cls: type[DynamoDBSaver] = DynamoDBSaver,
        **overrides: Any,
    ) -> DynamoDBSaver:
        table = {name: overrides.pop(name) for name in _TABLE_FIELDS & overrides.keys()}
        table.setdefault("table_name", f"test-{uuid.uuid4().hex}")
        if costs is not None:
            overrides["session"] = costs.watch(sync_session())
            if mode == "async":
                overrides["async_session"] = costs.watch(async_session())
        elif mode == "threads":
            overrides["session"] = sync_session()
        elif not {"session", "async_session"} & overrides.keys():
            overrides = {"region_name": REGION, **KEYS, **overrides}
        saver = cls(
            DynamoDBConfig(
                table_config=DynamoDBTableConfig(**table),
                **{"endpoint_url": endpoint_url, **overrides},
            ),
            deploy=deploy,
            serde=serde,
            read_through=read_through,
        )
        savers.append(saver)
        return saver

    yield make
    for saver in savers:
        await saver.aclose()
        saver.close()
    for name in {saver.config.table_config.table_name for saver in savers}:
        with suppress(dynamodb.exceptions.ResourceNotFoundException):
            dynamodb.delete_table(TableName=name.rpartition("/")[2])


@pytest.fixture
def saver(make_saver: MakeSaver, mode: str) -> DynamoDBSaver:
    return make_saver(mode=mode)


@pytest.fixture
def client(saver: DynamoDBSaver, mode: str) -> Either:
    """The saver's methods, sync or async by `mode`."""
    return Either(saver, use_async=mode != "sync")


@pytest.fixture
def scan(dynamodb: Any) -> Callable[[str], list[dict[str, Any]]]:
    """Every item of a table, as stored."""

    def scan_table(table_name: str) -> list[dict[str, Any]]:
        pages = dynamodb.get_paginator("scan").paginate(TableName=table_name, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    return scan_table


@pytest.fixture
def stored(
    client: Either, scan: Callable[[str], list[dict[str, Any]]]
) -> Callable[..., dict[str, Any]]:
    """The items of a thread whose sort keys have a prefix, by sort key."""

    def read(thread_id: str, prefix: str = "") -> dict[str, Any]:
        return {
            item["SK"]["S"]: item
            for item in scan(client.target.config.table_config.table_name)
            if item["PK"]["S"] == thread_id and item["SK"]["S"].startswith(prefix)
        }

    return read


@pytest.fixture
def compare(make_saver: MakeSaver, mode: str) -> Callable[[Scenario], Awaitable[None]]:
    """Play a scenario on `InMemorySaver` and on a saver run by `mode`; then the table verifies."""
    table_name = f"test-{uuid.uuid4().hex}"
    opened: list[DynamoDBSaver] = []

    def reopen() -> DynamoDBSaver:
        # Every second one shares its puts: each goes on with what the other has stored.
        settings = {"deploy": not opened, "share_puts": len(opened) % 2 == 1}
        opened.append(make_saver(mode=mode, table_name=table_name, **settings))
        return opened[-1]

    async def run(scenario: Scenario) -> None:
        await play.compare(scenario, reopen, use_async=mode != "sync")
        report = await Either(reopen(), use_async=mode != "sync").verify()
        assert report.ok, report

    return run
