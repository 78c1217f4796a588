"""Large states on a partition that takes 1,000 write units and 3,000 read units a second.

A proxy in front of the engine models AWS's documented limit (`tests/support/partition_limits.py`).
A save is what LangGraph does after a task: the task's writes and the checkpoint with the same value
are stored at once. Beside each save a 1 KB state is put into the same thread again and again, and
others into other threads. Figures are seconds, and seconds divided by what the units take at the
limit.
"""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import empty_checkpoint

sys.path.append(str(Path(__file__).parent.parent / "tests" / "support"))

from langgraph_checkpoint_dynamodb import DynamoDBSaver
from partition_limits import Partitions, limited
from tables import config, new_table

TITLE = "States of 5 to 200 MB on a partition with AWS's limits"
SHORT = {"megabytes": (2,), "text": (), "beside": 4}
LONG = {"megabytes": (5, 20, 50), "text": (200,), "beside": 64}

_WRITES, _READS = 1000, 3000
_PAUSE = 0.25


def run(
    endpoint: str, seed: int, megabytes: Sequence[int], text: Sequence[int], beside: int
) -> dict[str, int | float]:
    """Save and load each state; none may fail, and no chunk may be written twice."""
    rng = random.Random(seed)
    figures: dict[str, int | float] = {}
    cases = [(f"{size} MB of bytes", rng.randbytes(size * 1_000_000)) for size in megabytes]
    cases += [(f"{size} MB of text", _text(rng, size)) for size in text]
    with new_table(endpoint) as settings:
        for name, value in cases:
            for mode in ("sync", "async"):
                case = _Case(endpoint, settings.table_config.table_name, f"{mode} {name}", value)
                figures |= case.save(mode, beside)
                figures |= case.load(mode)
    return figures


def _text(rng: random.Random, megabytes: int) -> list[str]:
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(5_000)]
    return [" ".join(rng.choices(words, k=125)) for _ in range(megabytes * 1000)]


class _Case:
    def __init__(self, endpoint: str, table_name: str, name: str, value: Any) -> None:
        self._endpoint, self._table, self._name, self._value = endpoint, table_name, name, value
        self._config: Any = {"configurable": {"thread_id": name, "checkpoint_ns": ""}}

    def save(self, mode: str, beside: int) -> dict[str, float]:
        with self._opened() as (saver, partitions), _small_puts(saver, self._name, beside) as took:
            parent = saver.put(*_put(self._config, None))
            seconds = _save(mode, saver, parent, self._value)
        twice = [key for key, count in partitions.written.items() if count > 1]
        assert not twice, f"{self._name}: {len(twice)} items written twice, such as {twice[0]}"
        least = partitions.units_of(self._name, "write") / _WRITES
        return {
            f"{self._name}: saved in s": round(seconds, 1),
            f"{self._name}: throttled": partitions.throttled,
            f"{self._name}: of the least": round(seconds / least, 2),
            f"{self._name}: 1 KB beside in s": round(max(took[self._name], default=0), 2),
            f"{self._name}: other threads in s": round(max(took["others"], default=0), 2),
        }

    def load(self, mode: str) -> dict[str, float]:
        with self._opened() as (saver, partitions):
            seconds, found = _timed(mode, saver.get_tuple, saver.aget_tuple, self._config)
        assert found is not None, self._name
        assert found.checkpoint["channel_values"] == {"value": self._value}, self._name
        least = partitions.units_of(self._name, "read") / _READS
        return {
            f"{self._name}: loaded in s": round(seconds, 1),
            f"{self._name}: of the least (load)": round(seconds / max(least, 0.001), 2),
        }

    @contextmanager
    def _opened(self) -> Iterator[tuple[DynamoDBSaver, Partitions]]:
        partitions = Partitions(_WRITES, _READS, burst=1)
        with (
            limited(self._endpoint, partitions) as url,
            DynamoDBSaver(config(url, self._table)) as saver,
        ):
            yield saver, partitions


def _put(config: Any, value: Any) -> tuple[Any, ...]:
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"] = {"value": value}
    checkpoint["channel_versions"] = {"value": "1"}
    return config, checkpoint, {}, {"value": "1"}


def _save(mode: str, saver: DynamoDBSaver, parent: Any, value: Any) -> float:
    writes, put = (parent, [("value", value)], "task"), _put(parent, value)

    async def both() -> None:
        await asyncio.gather(saver.aput_writes(*writes), saver.aput(*put))

    began = time.monotonic()
    if mode == "async":
        asyncio.run(both())
    else:
        with ThreadPoolExecutor(2) as pool:
            for one in (pool.submit(saver.put_writes, *writes), pool.submit(saver.put, *put)):
                one.result()
    return time.monotonic() - began


def _timed(mode: str, sync: Any, aio: Any, *arguments: Any) -> tuple[float, Any]:
    began = time.monotonic()
    result = sync(*arguments) if mode == "sync" else asyncio.run(aio(*arguments))
    return time.monotonic() - began, result


@contextmanager
def _small_puts(saver: DynamoDBSaver, thread: str, others: int) -> Iterator[dict[str, list[float]]]:
    """Put 1 KB again and again, in another namespace of the thread and in other threads."""
    took: dict[str, list[float]] = {thread: [], "others": []}
    over = threading.Event()

    def work(key: str, thread_id: str) -> None:
        to = {"configurable": {"thread_id": thread_id, "checkpoint_ns": "beside"}}
        while not over.wait(_PAUSE):
            took[key].append(_timed("sync", saver.put, None, *_put(to, "x" * 900))[0])

    with ThreadPoolExecutor(others + 1) as pool:
        working = [pool.submit(work, thread, thread)]
        working += [pool.submit(work, "others", f"{thread} {n}") for n in range(others)]
        try:
            yield took
        finally:
            over.set()
            for one in working:
                one.result()
