"""Writers in threads and on an event loop, that do their step again when storage fails."""

import asyncio
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import ledger
import work
from langgraph_checkpoint_dynamodb import DynamoDBConfig, StorageError


class Crowd:
    """Half of the writers in threads, half on one event loop; each on a thread of its own.

    Args:
        settings: Of the savers. The writers of each half have two, of which one shares puts.
        directory: Where the ledgers go.
        seed: For what the writers do.
    """

    def __init__(self, settings: DynamoDBConfig, directory: Path, seed: int) -> None:
        self._settings = settings, replace(settings, share_puts=True)
        self._directory, self._seed = directory, seed
        self._lock = threading.Lock()
        self._turns = 0
        self._end = 0.0
        self.counts = Counter(turns=0, errors=0)

    def work(self, writers: int, *, seconds: float = 0, turns: int = 0) -> None:
        """Run until the time is over, or each writer has done its turns.

        Raises:
            StorageError: One that the same step, done again, cannot mend.
        """
        self._end, self._turns = time.monotonic() + seconds, turns
        in_threads = writers // 2
        with (
            ExitStack() as opened,
            ThreadPoolExecutor(8) as helpers,
            ThreadPoolExecutor(in_threads + 1) as pool,
        ):
            savers = [opened.enter_context(saver) for saver in self._savers()]
            graphs = [work.graph(saver) for saver in savers]
            jobs = [pool.submit(asyncio.run, self._in_loop(writers - in_threads))]
            jobs += [
                pool.submit(self._in_thread, n, savers[n // 2 % 2], graphs[n // 2 % 2], helpers)
                for n in range(in_threads)
            ]
            for job in jobs:
                job.result()

    def _savers(self) -> list[Any]:
        return [ledger.LedgerSaver(settings, self._directory) for settings in self._settings]

    def _in_thread(
        self, number: int, saver: Any, compiled: Any, helpers: ThreadPoolExecutor
    ) -> None:
        thread_id = f"sync-{number}"
        chance = random.Random(f"{self._seed} {thread_id}")
        done = 0
        while self._goes_on(done):
            try:
                if number % 2:
                    work.plain(saver, thread_id, chance, helpers)
                else:
                    work.turn(compiled, thread_id, chance)
            except StorageError as error:
                self._failed(error)
            else:
                done = self._succeeded(done)

    async def _in_loop(self, writers: int) -> None:
        async with AsyncExitStack() as opened:
            savers = [await opened.enter_async_context(saver) for saver in self._savers()]
            graphs = [work.graph(saver) for saver in savers]
            await asyncio.gather(*(self._task(n, graphs[n % 2]) for n in range(writers)))

    async def _task(self, number: int, compiled: Any) -> None:
        thread_id = f"async-{number}"
        chance = random.Random(f"{self._seed} {thread_id}")
        done = 0
        while self._goes_on(done):
            try:
                await work.aturn(compiled, thread_id, chance)
            except StorageError as error:
                self._failed(error)
            else:
                done = self._succeeded(done)

    def _goes_on(self, done: int) -> bool:
        return done < self._turns or time.monotonic() < self._end

    def _failed(self, error: StorageError) -> None:
        if not error.retryable:
            raise error
        with self._lock:
            self.counts["errors"] += 1

    def _succeeded(self, done: int) -> int:
        with self._lock:
            self.counts["turns"] += 1
        return done + 1
