"""A writing process gets SIGKILL at random moments; then every thread must load whole.

Writers are forked from one process that has imported everything, so that a thousand lives take
minutes. Each goes on with a thread that another has died on, by a graph or by plain puts. Now and
then a thread is deleted, by a process that is killed and by one that is not; it may begin again.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from aiobotocore.session import AioSession

import ledger
import work
from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver
from tables import KEYS, REGION, config, new_table

TITLE = "SIGKILL of a writing process at a random moment"
SHORT = {"kills": 10}
LONG = {"kills": 1000}

AT_ONCE = 3
LIVES_A_THREAD = 12
DELETED_EVERY = 5
"""After so many lives a thread is deleted."""
LONGEST_DELETION = 0.15
"""Seconds from the start of a deletion to its death, at most."""
SETTLED = 0.2
"""Seconds after which the engine has executed what a dead writer had sent."""
LONGEST_LIFE = 0.3
"""Seconds from a writer's first put to its death, at most."""
PLAIN = "0369"
"""Last digits of the threads that are written without a graph."""
STUCK = 60
"""Seconds after which a writer that has put nothing is taken for stuck."""


def run(endpoint: str, seed: int, kills: int) -> dict[str, int | float]:
    """Kill writers, then hold every thread against what was acknowledged on it."""
    with tempfile.TemporaryDirectory() as directory, new_table(endpoint) as settings:
        table = settings.table_config.table_name
        command = [sys.executable, __file__, endpoint, table, directory, str(seed), str(kills)]
        done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, f"seed {seed}: a writer failed: {done.stderr[-3000:]}"
        counts = ledger.check_all(settings, Path(directory), seed)
    return {
        "kills": kills,
        "threads": counts["threads"],
        "deletions": kills // DELETED_EVERY,
        "listed": counts["listed"],
        "acknowledged_checkpoints": counts["checkpoints"],
        "acknowledged_writes": counts["writes"],
        "complete_though_not_acknowledged": counts["unacknowledged"],
        "lost": 0,
    }


class Writer(NamedTuple):
    """A process that works on a thread."""

    process: int
    thread_id: str
    ledger: Path
    size_at_birth: int
    born: float
    life: float


def breed(endpoint: str, table: str, directory: Path, seed: int, kills: int) -> None:
    """Fork writers and kill each some time after its first put."""
    chance = random.Random(seed)
    prepared = sessions(endpoint)
    threads = [f"thread-{n}" for n in range(max(2 * AT_ONCE, kills // LIVES_A_THREAD))]
    living: list[Writer] = []
    for number in range(kills + AT_ONCE):
        if number < kills:
            busy = {writer.thread_id for writer in living}
            thread_id = chance.choice([name for name in threads if name not in busy])
            path = directory / thread_id
            size = path.stat().st_size if path.exists() else 0
            process = os.fork()
            if process == 0:
                settings = config(endpoint, table, share_puts=number % 2 == 0, **prepared)
                live(settings, thread_id, path, f"{seed} {number}")
            life = chance.uniform(0, LONGEST_LIFE)
            living.append(Writer(process, thread_id, path, size, time.monotonic(), life))
            if (number + 1) % DELETED_EVERY == 0:
                busy = {writer.thread_id for writer in living}
                idle = chance.choice([name for name in threads if name not in busy])
                delete(config(endpoint, table, **prepared), idle, chance)
                (directory / idle).write_text("")
        if len(living) >= AT_ONCE or number >= kills:
            kill(living.pop(0))
        if not living:
            break


def sessions(endpoint: str) -> dict[str, Any]:
    """Sessions that have read the models of the service; their clients have no connections."""
    session = boto3.Session(region_name=REGION, **KEYS)
    session.client("dynamodb", endpoint_url=endpoint).close()
    async_session = AioSession()
    async_session.set_credentials(*KEYS.values())

    async def warm() -> None:
        async with async_session.create_client(
            "dynamodb", region_name=REGION, endpoint_url=endpoint
        ):
            pass

    asyncio.run(warm())
    return {"session": session, "async_session": async_session}


def kill(writer: Writer) -> None:
    """Kill a writer within its time from its first put on; it must not have ended by itself."""
    began = None
    while began is None or time.monotonic() < began + writer.life:
        time.sleep(0.002)
        ended, status = os.waitpid(writer.process, os.WNOHANG)
        if ended:
            sys.exit(f"the writer of {writer.thread_id} ended with status {status}")
        if began is None and writer.ledger.exists():
            began = (
                time.monotonic() if writer.ledger.stat().st_size > writer.size_at_birth else None
            )
        assert began or time.monotonic() < writer.born + STUCK, f"{writer.thread_id}: stuck"
    os.kill(writer.process, signal.SIGKILL)
    os.waitpid(writer.process, 0)


def delete(settings: DynamoDBConfig, thread_id: str, chance: random.Random) -> None:
    """Delete a thread: a process that does so is killed at some time, another one is not."""
    time.sleep(SETTLED)
    for life in (chance.uniform(0, LONGEST_DELETION), None):
        process = os.fork()
        if process == 0:
            _delete_and_exit(settings, thread_id)
        if life is not None:
            time.sleep(life)
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if status not in {0, signal.SIGKILL}:
            sys.exit(f"the deletion of {thread_id} ended with status {status}")


def _delete_and_exit(settings: DynamoDBConfig, thread_id: str) -> None:
    try:
        DynamoDBSaver(settings).delete_thread(thread_id)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def live(settings: DynamoDBConfig, thread_id: str, path: Path, seed: str) -> None:
    """Work on a thread until death."""
    try:
        chance = random.Random(seed)
        saver = ledger.LedgerSaver(settings, path.parent)
        if thread_id[-1] in PLAIN:
            with ThreadPoolExecutor(3) as pool:
                while True:
                    work.plain(saver, thread_id, chance, pool)
        if chance.random() < 0.5:
            asyncio.run(_live_in_loop(saver, thread_id, chance))
        compiled = work.graph(saver)
        while True:
            work.turn(compiled, thread_id, chance)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


async def _live_in_loop(saver: Any, thread_id: str, chance: random.Random) -> None:
    compiled = work.graph(saver)
    while True:
        await work.aturn(compiled, thread_id, chance)


if __name__ == "__main__":
    breed(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
