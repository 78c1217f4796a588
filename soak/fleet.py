"""The savers of a case: processes that share one table and its settings, each with its own cache.

Savers are made by the thousand. They get sessions whose clients share connections, so that a
new saver costs no more than its empty cache.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import boto3
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

import random_values
from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig
from tables import KEYS, REGION, new_table

CACHES = (0, 2_000, 20_000, 200_000, None, None)
"""Sizes of a saver's cache in bytes; `None` for the default."""

LIFETIMES = (3_600, 86_400, 30 * 86_400)
KEY = b"a key of 32 bytes, from a vault!"
START = 1_900_000_000
"""The simulated clock starts in the future: the engine itself expires nothing."""


class Client:
    """A client that several savers use, and that none of them closes."""

    def __init__(self, client: Any, *, fresh: bool = True) -> None:
        self._client = client
        # What a saver registers with its client is registered once.
        ignoring = SimpleNamespace(register=lambda *_, **__: None)
        self.meta = client.meta if fresh else SimpleNamespace(events=ignoring)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def close(self) -> None:
        pass


class Connections:
    """What savers take for a session of boto3: one client, made once."""

    def __init__(self) -> None:
        self._session = boto3.Session(region_name=REGION, **KEYS)
        self._client: Any = None

    def client(self, name: str, **arguments: Any) -> Client:
        self._client = self._client or self._session.client(name, **arguments)
        return Client(self._client)


class AsyncConnections:
    """The same for aiobotocore: one client, on the one event loop of the campaign."""

    def __init__(self) -> None:
        from aiobotocore.session import AioSession

        self._session = AioSession()
        self._session.set_config_variable("region", REGION)
        self._session.set_credentials(*KEYS.values())
        self._opened: Any = None
        self._client: Any = None

    @asynccontextmanager
    async def create_client(self, name: str, **arguments: Any) -> AsyncIterator[Client]:
        fresh = self._client is None
        if fresh:
            self._opened = self._session.create_client(name, **arguments)
            self._client = await self._opened.__aenter__()
        yield Client(self._client, fresh=fresh)

    async def aclose(self) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(None, None, None)


@dataclass
class Table:
    """The campaign's table, how to connect to it, and the event loop of all async calls."""

    endpoint: str
    name: str
    saver_class: type[Any]
    loop: asyncio.AbstractEventLoop
    sync_connections: Connections = field(default_factory=Connections)
    async_connections: AsyncConnections = field(default_factory=AsyncConnections)

    def wait(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)


@contextmanager
def open_table(endpoint: str, saver_class: type[Any] = DynamoDBSaver) -> Iterator[Table]:
    loop = asyncio.new_event_loop()
    try:
        if issubclass(saver_class, DynamoDBSaver):
            with new_table(endpoint) as config:
                table = Table(endpoint, config.table_config.table_name, saver_class, loop)
                try:
                    yield table
                finally:
                    loop.run_until_complete(table.async_connections.aclose())
        else:
            yield Table(endpoint, "none", saver_class, loop)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def connect(table: Table) -> None:
    """Make the clients: the first call of a case then takes no longer than others."""
    fleet = Fleet(table, random.Random(0), count=1)
    config: Any = {"configurable": {"thread_id": "nobody", "checkpoint_ns": ""}}
    assert fleet.savers[0].get_tuple(config) is None
    assert table.wait(fleet.savers[0].aget_tuple(config)) is None
    fleet.close()


class Fleet:
    """The savers of one case.

    Args:
        table: Where they store.
        chance: What their settings are drawn from.
        settings: Those that are given instead: `ttl`, `fence`, `encrypted`, `count`, `caches`,
            `real_time`.
    """

    def __init__(self, table: Table, chance: random.Random, **settings: Any) -> None:
        self.table = table
        self.chance = chance
        self.caches = settings.get("caches", CACHES)
        self.fence = settings.get("fence", chance.random() < 0.15)
        self.encrypted = settings.get("encrypted", chance.random() < 0.15)
        self.ttl = settings.get("ttl", chance.choice((None, None, None, *LIFETIMES)))
        self.real_time = settings.get("real_time", False)
        self.now = START + chance.random() * max(LIFETIMES)
        self.left = 0.9 * self.ttl if self.ttl else 0.0
        """How far the clock may still go: nothing that a case has stored expires in it."""
        self.opened: list[Any] = []
        self.savers = [
            self.open() for _ in range(settings.get("count", chance.choice((1, 1, 2, 3))))
        ]

    def __str__(self) -> str:
        sizes = [saver.config.cache_bytes for saver in self.savers]
        return f"ttl {self.ttl}, fence {self.fence}, encrypted {self.encrypted}, caches {sizes}"

    def open(self, **settings: Any) -> Any:
        """A saver as a new process has it."""
        cache = settings.get("cache_bytes", self.chance.choice(self.caches))
        table = DynamoDBTableConfig(
            table_name=self.table.name, enable_ttl=self.ttl is not None, ttl_seconds=self.ttl
        )
        config = DynamoDBConfig(
            table_config=table,
            region_name=REGION,
            endpoint_url=self.table.endpoint,
            session=self.table.sync_connections,  # type: ignore[arg-type]
            async_session=self.table.async_connections,
            fence=self.fence,
            share_puts=self.chance.random() < 0.25,
            **({} if cache is None else {"cache_bytes": cache}),
        )
        saver = self.table.saver_class(config, serde=self._serde())
        if not self.real_time:
            saver.clock = lambda: self.now
        self.opened.append(saver)
        return saver

    def fresh(self) -> Any:
        """A saver that knows nothing, and keeps nothing."""
        return self.open(cache_bytes=0)

    def restart(self, at: int) -> None:
        self.savers[at] = self.open()

    def pass_time(self) -> None:
        part = self.chance.random()
        step = self.left * self.chance.choice((part / 10, part, 0.6))
        self.left -= step
        self.now += step

    def evict(self, saver: Any) -> None:
        """Traffic of another thread, which takes the place of this one's in the cache."""
        config: Any = {"configurable": {"thread_id": uuid.uuid4().hex, "checkpoint_ns": ""}}
        for _ in range(2):
            made = empty_checkpoint()
            size = self.chance.choice((3_000, 30_000, 120_000))
            made["id"] = str(uuid6())
            made["channel_values"] = {"other": self.chance.randbytes(size)}
            made["channel_versions"] = versions = {"other": saver.get_next_version(None, None)}
            config = saver.put(config, made, {"source": "loop", "step": 1}, versions)

    def close(self) -> None:
        for saver in self.opened:
            self.table.wait(saver.aclose())
            saver.close()

    def _serde(self) -> Any:
        serde = random_values.serializer()
        if self.encrypted:
            return EncryptedSerializer.from_pycryptodome_aes(serde=serde, key=KEY)
        return serde
