"""Many processes write at once, on threads of their own and all on one, without and with a fence.

Without one every chain of checkpoints is kept: each loads with its own state, its parent is
right, and no version of a channel is given by two. With one there is a single chain: each step
has one winner, and the losers were told. Each process keeps a ledger of what it was told.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import multiprocessing
import operator
import random
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from langgraph_checkpoint_dynamodb import (
    DynamoDBConfig,
    DynamoDBSaver,
    DynamoDBTableConfig,
    StaleParentError,
)

TITLE = "Processes that write to the same thread at once"
SHORT = {"processes": 3, "runs": 4}
LONG = {"processes": 8, "runs": 100}

_SHARED = "shared"
_OWN_EVERY = 4
"""Every so many runs of a process are on a thread of its own."""


def run(endpoint: str, seed: int, *, processes: int, runs: int) -> dict[str, int | float]:
    """Let processes write, without and with a fence, then read everything.

    Args:
        endpoint: DynamoDB Local's URL.
        seed: Decides which thread each run is on, and how large its values are.
        processes: How many write at once.
        runs: How often each of them runs a graph.
    """
    figures: Counter[str] = Counter()
    for fence in (False, True):
        table = f"writers-{uuid.uuid4().hex}"
        with _saver(endpoint, table, fence, deploy=True) as saver:
            with tempfile.TemporaryDirectory() as directory:
                arguments = [endpoint, table, directory, seed, processes, runs, int(fence)]
                command = [sys.executable, __file__, *map(str, arguments)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                assert done.returncode == 0, f"seed {seed}: {done.stderr[-3000:]}"
                ledgers = [_read(path) for path in sorted(Path(directory).iterdir())]
            assert len(ledgers) == processes, seed
            figures += _check(saver, ledgers, fence, f"seed {seed}, fence={fence}")
            saver.destroy()
    return {**figures, "lost": 0, "wrong": 0}


def _saver(
    endpoint: str, table: str, fence: bool, *, deploy: bool = False, cls: Any = DynamoDBSaver
) -> Any:
    config = DynamoDBConfig(
        table_config=DynamoDBTableConfig(table_name=table),
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        fence=fence,
        max_retries=8,
    )
    return cls(config, deploy=deploy)


# What is checked


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _check(
    saver: DynamoDBSaver, ledgers: Sequence[list[dict[str, Any]]], fence: bool, where: str
) -> Counter[str]:
    told = [entry for ledger in ledgers for entry in ledger]
    _check_versions(ledgers, where)
    refused = {entry["id"] for entry in told if not entry["stored"]}
    stored = {entry["id"]: entry for entry in told if entry["stored"]}
    assert len(stored) + len(refused) == len(told), where
    assert fence or not refused, where
    forks = 0
    for thread_id in {entry["thread"] for entry in told}:
        config: Any = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
        found = {one.checkpoint["id"]: one for one in saver.list(config)}
        wanted = {name for name, entry in stored.items() if entry["thread"] == thread_id}
        assert found.keys() == wanted, f"{where}: {thread_id}: {found.keys() ^ wanted}"
        children: Counter[str | None] = Counter()
        for name, one in found.items():
            parent = one.parent_config and one.parent_config["configurable"]["checkpoint_id"]
            assert parent == stored[name]["parent"], f"{where}: the parent of {name}"
            values = _digest(one.checkpoint["channel_values"])
            assert values == stored[name]["values"], f"{where}: the state of {name}"
            children[parent] += 1
        forks += sum(count - 1 for count in children.values())
    assert not fence or forks == 0, f"{where}: {forks} forks"
    kind = "fenced " if fence else ""
    return Counter({f"{kind}checkpoints": len(stored), "forks": forks, "refused": len(refused)})


def _check_versions(ledgers: Sequence[list[dict[str, Any]]], where: str) -> None:
    """Each version was given by one put only."""
    given = Counter(
        (entry["thread"], channel, version)
        for ledger in ledgers
        for entry in ledger
        for channel, version in entry["given"].items()
    )
    shared = [version for version, count in given.items() if count > 1]
    assert shared == [], f"{where}: given twice: {shared[:3]}"


def _digest(values: Any) -> str:
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode()).hexdigest()


# What a process does


class _State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    document: str


class _Keeping(DynamoDBSaver):
    """Keeps a ledger of every put: what was asked, and what was answered."""

    ledger: Any

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        with _Entry(self.ledger, config, checkpoint, new_versions):
            return super().put(config, checkpoint, metadata, new_versions)

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        with _Entry(self.ledger, config, checkpoint, new_versions):
            return await super().aput(config, checkpoint, metadata, new_versions)


class _Entry:
    """One line of a ledger, written when the put has ended."""

    def __init__(self, ledger: Any, config: Any, checkpoint: Any, given: Any) -> None:
        self._ledger = ledger
        self._line = {
            "thread": config["configurable"]["thread_id"],
            "id": checkpoint["id"],
            "parent": config["configurable"].get("checkpoint_id"),
            "values": _digest(checkpoint["channel_values"]),
            "given": given,
        }

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if error is None or isinstance(error, StaleParentError):
            line = json.dumps({**self._line, "stored": error is None})
            self._ledger.write(f"{line}\n")


def _graph(saver: BaseCheckpointSaver[Any], draw: random.Random) -> Any:
    def edit(state: _State) -> _State:
        document = state.get("document", "")
        at = draw.randrange(len(document) + 1)
        return {"document": document[:at] + draw.randbytes(1500).hex() + document[at:][:40_000]}

    builder = StateGraph(_State)
    builder.add_node("edit", edit)
    builder.add_node("log", lambda state: {"log": [str(draw.random())]})
    builder.add_edge(START, "edit").add_edge("edit", "log")
    return builder.compile(checkpointer=saver)


def _write(
    number: int, endpoint: str, table: str, directory: str, seed: int, runs: int, fence: bool
) -> None:
    draw = random.Random(f"{seed} {number}")
    with (
        Path(directory, str(number)).open("w", encoding="utf-8") as ledger,
        _saver(endpoint, table, fence, cls=_Keeping) as saver,
    ):
        saver.ledger = ledger
        graph = _graph(saver, draw)

        def each() -> Any:
            for count in range(runs):
                thread_id = f"own {number}" if count % _OWN_EVERY == 0 else _SHARED
                durability = draw.choice(("sync", "async"))
                config = {"configurable": {"thread_id": thread_id}}
                yield {"log": [f"{number} {count}"]}, config, durability

        async def write() -> None:
            for given, config, durability in each():
                with suppress(StaleParentError):
                    await graph.ainvoke(given, config, durability=durability)
            await saver.aclose()

        if number % 2:
            asyncio.run(write())
            return
        for given, config, durability in each():
            with suppress(StaleParentError):
                graph.invoke(given, config, durability=durability)


def _main(
    endpoint: str, table: str, directory: str, seed: str, processes: str, runs: str, fence: str
) -> None:
    """Fork the writers from a process that has imported everything."""
    context = multiprocessing.get_context("fork")
    arguments = (endpoint, table, directory, int(seed), int(runs), fence == "1")
    numbers = range(int(processes))
    writers = [context.Process(target=_write, args=(number, *arguments)) for number in numbers]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    sys.exit(max(abs(writer.exitcode or 0) for writer in writers))


if __name__ == "__main__":
    _main(*sys.argv[1:])
