"""One state far larger than an item: saved and loaded by new processes, sync and async.

Each process does one thing, so that its peak memory tells what that takes.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import empty_checkpoint

sys.path.append(str(Path(__file__).parent.parent / "tests" / "support"))

from capacity import Costs
from clients import async_session, sync_session
from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig

TITLE = "A state of 200 MB saved and loaded"
SHORT = {"megabytes": 8}
LONG = {"megabytes": 200}

_MB = 1_000_000
_CONFIG: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
_FACTOR = 8
"""How many times a state's bytes a process may take, beyond what it takes for none."""


def run(endpoint: str, seed: int, megabytes: int) -> dict[str, int | float]:
    """Save and load a state; figures are peak memory in MB, and requests."""
    figures: dict[str, int | float] = {"megabytes": megabytes}
    for mode in ("sync", "async"):
        table = f"large-{uuid.uuid4().hex}"
        saver = _saver(endpoint, table, Costs())
        for part in ("nothing", "save", "load"):
            arguments = [endpoint, table, str(seed), str(megabytes), mode, part]
            ran = subprocess.run(
                [sys.executable, __file__, *arguments], capture_output=True, text=True, check=False
            )
            assert ran.returncode == 0, f"seed {seed}, {mode} {part}: {ran.stderr[-2_000:]}"
            told = json.loads(ran.stdout)
            figures |= {f"{mode} {part}: {name}": value for name, value in told.items()}
        for part in ("save", "load"):
            taken = figures[f"{mode} {part}: MB"] - figures[f"{mode} nothing: MB"]
            assert taken < _FACTOR * megabytes + 50, f"seed {seed}, {mode} {part}: {taken} MB"
        saver.destroy(force=True)
        saver.close()
    return figures


def _saver(endpoint: str, table: str, costs: Costs) -> DynamoDBSaver:
    config = DynamoDBConfig(
        table_config=DynamoDBTableConfig(table_name=table),
        endpoint_url=endpoint,
        session=costs.watch(sync_session()),
        async_session=costs.watch(async_session()),
    )
    return DynamoDBSaver(config, deploy=True)


def state(seed: int, megabytes: int) -> dict[str, Any]:
    """Half of it a list of messages, half of it one value without structure."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(5_000)]
    messages = [" ".join(rng.choices(words, k=125)) for _ in range(megabytes * _MB // 2_000)]
    return {"messages": messages, "blob": rng.randbytes(megabytes * _MB // 2)}


async def _part(saver: DynamoDBSaver, values: dict[str, Any], mode: str, part: str) -> None:
    if part == "save":
        checkpoint = empty_checkpoint()
        checkpoint["channel_values"] = values
        checkpoint["channel_versions"] = dict.fromkeys(values, "1")
        arguments: Any = (_CONFIG, checkpoint, {}, dict.fromkeys(values, "1"))
        if mode == "sync":
            saver.put(*arguments)
        else:
            await saver.aput(*arguments)
    if part == "load":
        found = saver.get_tuple(_CONFIG) if mode == "sync" else await saver.aget_tuple(_CONFIG)
        assert found is not None
        assert found.checkpoint["channel_values"] == values
    await saver.aclose()


def main(endpoint: str, table: str, seed: str, megabytes: str, mode: str, part: str) -> None:
    """What a child process does; it prints its figures."""
    costs = Costs()
    saver = _saver(endpoint, table, costs)
    values = state(int(seed), int(megabytes))
    before = costs.requests
    asyncio.run(_part(saver, values, mode, part))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"MB": round(peak), "requests": costs.requests - before}))


if __name__ == "__main__":
    main(*sys.argv[1:])
