"""Weeks of TTL use on a simulated clock, with the table's settings changed while it lives.

Three processes, each with a cache of its own, run threads with and without delta channels and
subgraphs; they pause, fork, copy and prune, and some runs last for two TTL periods. TTL is
switched on, off and to other lengths in one process after another, so the branches of a thread
are put under different lengths. Items whose time is over are deleted at once, late, or never.

After each step a new process reads every thread. It answers with the checkpoint that was put
last, or with nothing once that has expired: never with an older state. Nothing takes more than
two requests to say. What has not expired is there and whole, and nothing else; and no chunk
goes before what refers to it.

Not played: two processes that put to one thread at the same moment under different lengths. Each
looks at the newest checkpoint before the other's is there, so the later one may expire first.
"""

from __future__ import annotations

import math
import random
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.types import _DeltaSnapshot

sys.path.append(str(Path(__file__).parent.parent / "tests" / "support"))

from fake_table import TABLE, FakeTable
from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.format import keys
from langgraph_checkpoint_dynamodb.storage import body_reader

TITLE = "Weeks of TTL use, its length changed on the way"
SHORT = {"steps": 80}
LONG = {"steps": 1_600}
ENGINE = False

DAY = 86_400
_START = 1_800_000_000
_LENGTHS = (None, DAY, 3 * DAY, 7 * DAY, 10 * DAY)
_DOCUMENT = "".join(random.Random(5).choices("abcdefghij ", k=12_000))


class FakeSaver(DynamoDBSaver):
    """A saver whose requests a table in memory answers."""

    table: FakeTable

    def _run(self, operation: Any, counters: Any = None) -> Any:
        return self.table.run(operation)


@dataclass(slots=True)
class Put:
    """A checkpoint that was put, and what must be read of it."""

    id: str
    ns: str
    parent: str | None
    values: dict[str, Any]
    expiry: float
    writes: list[Any] = field(default_factory=list)

    def logged(self) -> list[int]:
        return [n for _, channel, value in self.writes if channel == "log" for n in value]


@dataclass(slots=True)
class Thread:
    """A thread's checkpoints by id: those that were not pruned, and all of them."""

    delta: bool
    puts: dict[str, Put] = field(default_factory=dict)
    all: dict[str, Put] = field(default_factory=dict)

    def namespaces(self) -> set[str]:
        return {one.ns for one in self.puts.values()}

    def newest(self, ns: str) -> Put | None:
        """The one that was put last, expired or not."""
        return max((p for p in self.puts.values() if p.ns == ns), key=lambda p: p.id, default=None)

    def expiry(self, now: float, ttl: int | None, parent: Put | None, around: Put | None) -> float:
        """When a checkpoint that is put now expires: not before any that was put before it.

        Those before it are its parent and, if that is not the newest, the newest; of a
        subgraph's first, the one of the graph `around` it.
        """
        if ttl is None:
            return math.inf
        newest = self.newest(parent.ns) if parent else None
        before = [one.expiry for one in (parent or around, newest) if one]
        return max(math.ceil(now) + ttl, *before, 0)

    def log(self, put: Put) -> list[int]:
        """The delta channel's value: from the last snapshot on, all writes of the ancestors."""
        writes: list[int] = []
        at: Put | None = put
        while at is not None:
            if at is not put:
                writes = [*at.logged(), *writes]
            if "log" in at.values:
                return [*at.values["log"].value[:-1], *writes]
            at = self.all[at.parent] if at.parent else None
        return writes


def run(endpoint: str, seed: int, steps: int) -> dict[str, int | float]:
    """Take so many steps, and look at all threads after each."""
    campaigns = [Campaign(seed, delta=delta) for delta in (True, False)]
    for campaign in campaigns:
        for step in range(steps // len(campaigns)):
            campaign.step(f"seed {seed}, delta {campaign.delta}, step {step}")
    return {name: sum(one.figures[name] for one in campaigns) for name in campaigns[0].figures}


class Campaign:
    def __init__(self, seed: int, *, delta: bool) -> None:
        self.delta = delta
        self.rng = random.Random(seed)
        self.table = FakeTable()
        self.now = float(_START)
        self.threads: dict[str, Thread] = {}
        self.last_id = 0
        self.where = ""
        self.figures: dict[str, int | float] = {
            **dict.fromkeys(("steps", "days", "checkpoints", "read", "expired", "deleted"), 0),
            **dict.fromkeys(("runs", "subgraphs", "forks", "copies", "prunes", "switches"), 0),
            **dict.fromkeys(("TTLs applied", "newest read", "threads over"), 0),
        }
        self.savers = [self.saver(DAY) for _ in range(3)]

    def saver(self, ttl_seconds: int | None) -> FakeSaver:
        on = ttl_seconds is not None or self.rng.random() < 0.5
        table = DynamoDBTableConfig(table_name=TABLE, enable_ttl=on, ttl_seconds=ttl_seconds)
        cache_bytes = self.rng.choice((1 << 24, 1 << 24, 20_000))
        made = FakeSaver(DynamoDBConfig(table_config=table, cache_bytes=cache_bytes))
        made.table = self.table
        made.clock = lambda: self.now
        return made

    def step(self, where: str) -> None:
        self.where = where
        actions = [self.act_run] * 8 + [self.act_fork] * 2 + [self.act_pause] * 4
        actions += [self.act_copy, self.act_prune, self.act_switch, self.act_apply]
        self.rng.choice(actions)()
        self.figures["steps"] += 1
        self.sweep()
        self.check()
        self.figures["days"] = round((self.now - _START) / DAY)

    # What processes do

    def act_run(self) -> None:
        name = f"t{self.rng.randrange(6)}"
        thread = self.threads.setdefault(name, Thread(delta=self.delta and self.rng.random() < 0.8))
        self.figures["runs"] += 1
        self.run_from(name, thread, None)

    def act_fork(self) -> None:
        name = self.rng.choice(sorted(self.threads) or [""])
        living = [one for one in self.living(self.threads[name]) if not one.ns] if name else []
        if living:
            self.figures["forks"] += 1
            self.run_from(name, self.threads[name], self.rng.choice(living).id)

    def run_from(self, name: str, thread: Thread, checkpoint_id: str | None) -> None:
        """What LangGraph does: read the state, then put pending writes and checkpoints."""
        saver = self.rng.choice(self.savers)
        found = saver.get_tuple(config_of(name, checkpoint_id))
        parent = thread.puts[found.checkpoint["id"]] if found else None
        if parent and thread.delta and found:
            assert self.rebuilt(saver, found.config) == thread.log(parent), self.where
        ttl = saver.config.table_config.ttl_seconds or 10 * DAY
        quick = self.rng.random() < 0.7
        pace = 30 if quick else ttl / 4
        for _ in range(self.rng.randint(1, 8)):
            if parent and self.rng.random() < 0.2:
                self.subgraph(saver, name, thread, parent)
            parent = self.superstep(saver, name, thread, parent)
            self.now += self.rng.random() * pace

    def subgraph(self, saver: FakeSaver, name: str, thread: Thread, around: Put) -> None:
        """A subgraph of one task: its checkpoints are in a namespace of their own."""
        ns = f"sub:{self.last_id}"
        self.figures["subgraphs"] += 1
        parent: Put | None = None
        for _ in range(self.rng.randint(1, 3)):
            self.last_id += 1
            values = {"text": _DOCUMENT[self.last_id % 2_000 :], "n": self.last_id}
            versions = dict.fromkeys(values, self.next_id())
            metadata = {"step": self.last_id, "parents": {"": around.id}}
            parent = self.put(saver, name, thread, parent, values, metadata, versions, around, ns)
            self.now += self.rng.random()

    def superstep(self, saver: FakeSaver, name: str, thread: Thread, parent: Put | None) -> Put:
        self.last_id += 1
        if parent:
            written = [("log", [self.last_id]), ("document", _DOCUMENT[: self.last_id % 9_999])]
            task = f"task {self.next_id()}"
            saver.put_writes(config_of(name, parent.id), written, task, "path")
            parent.writes += [(task, channel, value) for channel, value in written]
            self.now += self.rng.random()
        same = parent is not None and self.rng.random() < 0.7
        text = parent.values["text"] if same and parent else _DOCUMENT[self.last_id % 2_000 :]
        values: dict[str, Any] = {"text": text, "n": self.last_id}
        metadata: dict[str, Any] = {"step": self.last_id}
        if thread.delta and (parent is None or self.rng.random() < 0.1):
            log = [*thread.log(parent), *parent.logged()] if parent else []
            values["log"] = _DeltaSnapshot([*log, _DOCUMENT])
        elif thread.delta:
            metadata["counters_since_delta_snapshot"] = {"log": (1, 1)}
        versions = {"text": text[:8] + str(len(text)), "n": self.next_id(), "log": self.next_id()}
        return self.put(saver, name, thread, parent, values, metadata, versions)

    def next_id(self) -> str:
        return f"{self.last_id:08}"

    def put(
        self,
        saver: FakeSaver,
        name: str,
        thread: Thread,
        parent: Put | None,
        values: dict[str, Any],
        metadata: Any,
        versions: Any,
        around: Put | None = None,
        ns: str = "",
    ) -> Put:
        made_id = self.next_id()
        checkpoint = empty_checkpoint()
        checkpoint |= {"id": made_id, "channel_values": values, "channel_versions": versions}
        same = parent is not None and parent.values["text"] == values["text"]
        changed = {one: version for one, version in versions.items() if one != "text" or not same}
        config = config_of(name, parent.id if parent else None, ns)
        saver.put(config, checkpoint, metadata, changed)
        ttl = saver.config.table_config.ttl_seconds
        expiry = thread.expiry(self.now, ttl, parent, around)
        made = Put(made_id, ns, parent.id if parent else None, values, expiry)
        thread.puts[made_id] = thread.all[made_id] = made
        self.figures["checkpoints"] += 1
        return made

    def act_pause(self) -> None:
        self.now += self.rng.choice((0.1, 0.5, 1, 2, 6)) * DAY * self.rng.random()

    def act_copy(self) -> None:
        name = self.rng.choice(sorted(self.threads) or [""])
        target = f"t{self.rng.randrange(6, 9)}"
        if name in {"", target}:
            return
        saver = self.rng.choice(self.savers)
        saver.delete_thread(target)
        saver.copy_thread(name, target)
        thread = self.threads[name]
        copies = {one.id: replace(one, writes=list(one.writes)) for one in thread.all.values()}
        puts = {one: copies[one] for one in thread.puts}
        self.threads[target] = Thread(thread.delta, puts, copies)
        self.figures["copies"] += 1

    def act_prune(self) -> None:
        name = self.rng.choice(sorted(self.threads) or [""])
        if name:
            self.rng.choice(self.savers).prune([name])
            self.figures["prunes"] += 1
            thread = self.threads[name]
            # Ancestors that it keeps for the newest may be there or not: they are forgotten.
            # So are subgraphs of checkpoints that are gone.
            kept = {one.config["configurable"]["checkpoint_id"] for one in self.list(name)}
            newest = thread.newest("")
            assert newest is None or newest.expiry <= self.now or newest.id in kept, self.where
            assert kept <= {one.id for one in self.living(thread)}, self.where
            thread.puts = {one: put for one, put in thread.puts.items() if one in kept}

    def act_switch(self) -> None:
        """Another TTL in one process, or in all; a process that is started again knows nothing."""
        length = self.rng.choice(_LENGTHS)
        for at in range(3):
            if self.rng.random() < 0.5:
                self.savers[at] = self.saver(length)
        self.figures["switches"] += 1

    def act_apply(self) -> None:
        """What is stored is to expire as if it were put now, unless it does so earlier."""
        saver = self.rng.choice(self.savers)
        ttl = saver.config.table_config.ttl_seconds
        names = self.rng.choice((sorted(self.threads), self.rng.choice([[], *self.threads])))
        if ttl is None or not names:
            return
        wanted = names if isinstance(names, list) else [names]
        saver.apply_ttl(None if wanted == sorted(self.threads) else wanted)
        for name in wanted:
            for put in self.threads[name].all.values():
                put.expiry = min(put.expiry, math.ceil(self.now) + ttl)
        self.figures["TTLs applied"] += 1

    # What DynamoDB does

    def sweep(self) -> None:
        """Delete some of what is over: now, later, or days later."""
        chance = self.rng.choice((0.0, 0.3, 1.0, 1.0))
        for key, item in list(self.table.items.items()):
            over = "ttl" in item and float(item["ttl"]["N"]) <= self.now
            if over and self.rng.random() < chance:
                del self.table.items[key]
                self.figures["deleted"] += 1

    # What must hold

    def living(self, thread: Thread) -> list[Put]:
        return [one for one in thread.puts.values() if one.expiry > self.now]

    def list(self, name: str) -> list[Any]:
        everything: Any = {"configurable": {"thread_id": name}}
        return list(self.saver(self.rng.choice(_LENGTHS)).list(everything))

    def check(self) -> None:
        for name, thread in self.threads.items():
            expected = {one.id: one for one in self.living(thread)}
            found = {one.checkpoint["id"]: one for one in self.list(name)}
            assert found.keys() == expected.keys(), f"{self.where}: {name}"
            self.figures["expired"] += len(thread.puts) - len(expected)
            for one, put in expected.items():
                self.check_whole(name, thread, found[one], put)
            for ns in sorted(thread.namespaces()):
                self.check_newest(name, thread, ns)
        self.check_chunks()

    def check_newest(self, name: str, thread: Thread, ns: str) -> None:
        """A thread answers with the checkpoint that was put last, or not at all."""
        put = thread.newest(ns)
        assert put is not None
        before = len(self.table.calls)
        found = self.saver(self.rng.choice(_LENGTHS)).get_tuple(config_of(name, None, ns))
        took = len(self.table.calls) - before
        answered = found.checkpoint["id"] if found else None
        assert answered == (put.id if put.expiry > self.now else None), (
            f"{self.where}: {name} {ns!r} answers with {answered}; {put.id} was put last"
        )
        assert found or took <= 2, f"{self.where}: {name} {ns!r}: {took} requests for nothing"
        self.figures["newest read" if found else "threads over"] += 1

    def check_whole(self, name: str, thread: Thread, found: Any, put: Put) -> None:
        assert found.checkpoint["channel_values"] == put.values, f"{self.where}: {name} {put.id}"
        assert sorted(map(str, found.pending_writes)) == sorted(map(str, put.writes)), self.where
        self.figures["read"] += 1
        if thread.delta and not put.ns and self.rng.random() < 0.2:
            # As a process that looks on would: what it reads must not hang on its renewing it.
            before = dict(self.table.items)
            reader = self.saver(self.rng.choice(_LENGTHS))
            assert self.rebuilt(reader, found.config) == thread.log(put), (
                f"{self.where}: {name} {put.id}"
            )
            self.table.items = before

    def rebuilt(self, saver: FakeSaver, config: Any) -> list[int]:
        """The delta channel's value, from its own snapshot or its history."""
        found = saver.get_tuple(config)
        assert found is not None, self.where
        own = found.checkpoint["channel_values"].get("log")
        if own is not None:
            return [*own.value[:-1]]
        history = saver.get_delta_channel_history(config=config, channels=["log"])["log"]
        seed = history.get("seed")
        start = list(seed.value[:-1]) if seed else []
        return [*start, *(n for _, _, value in history["writes"] for n in value)]

    def check_chunks(self) -> None:
        """Each chunk that an item refers to is kept at least as long as the item."""
        context = self.saver(None)._context()
        for (thread_id, sort_key), item in self.table.items.items():
            kept = float(item.get("ttl", {"N": "inf"})["N"])
            if not sort_key.startswith(keys.CHECKPOINTS) or kept <= self.now:
                continue
            referred, _ = self.table.run(body_reader.refs_of(context, thread_id, [item], sort_key))
            lasts: dict[bytes, float] = {}
            for generation, ref in referred:
                chunk = self.table.items.get((thread_id, keys.chunk(generation, ref)))
                until = 0.0 if chunk is None else float(chunk.get("ttl", {"N": "inf"})["N"])
                lasts[ref] = max(until, lasts.get(ref, 0.0))
            early = [ref.hex() for ref, until in lasts.items() if until < kept]
            assert not early, f"{self.where}: {sort_key} outlives {early}"


def config_of(thread_id: str, checkpoint_id: str | None = None, ns: str = "") -> Any:
    configurable = {"thread_id": thread_id, "checkpoint_ns": ns}
    if checkpoint_id is not None:
        configurable["checkpoint_id"] = checkpoint_id
    return {"configurable": configurable}
