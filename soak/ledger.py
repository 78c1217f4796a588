"""What writers were promised: every put that began, and every one that was acknowledged.

A ledger is a file of JSON lines that outlives its process. An entry is written before a call
is made and again, fsynced, right after the saver has acknowledged it; `check` holds a thread
against its entries.
"""

import hashlib
import itertools
import json
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import WRITES_IDX_MAP

import listed
from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, ProblemKind

Entry = Mapping[str, Any]

BEGAN = time.time()
"""When the process began that the writers are of, or are forked from."""


def clock() -> float:
    """The time of writers: an hour is a second, so that activity is written to entries often."""
    return BEGAN + (time.time() - BEGAN) * 3600


class Ledger:
    """Appends to a file, from any thread of the process."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    @contextmanager
    def entry(self, **facts: Any) -> Iterator[None]:
        name = f"{os.getpid()}-{next(self._numbers)}"
        self._append({"name": name, **facts})
        try:
            yield
        except BaseException:
            self._append({"name": name, "end": "failed"})
            raise
        self._append({"name": name, "end": "done"})
        os.fsync(self._file)

    def _append(self, line: Entry) -> None:
        with self._lock:
            os.write(self._file, json.dumps(line).encode() + b"\n")


class LedgerSaver(DynamoDBSaver):
    """Keeps a ledger of its puts for each thread, in a file of the thread's name."""

    clock = staticmethod(clock)

    def __init__(self, config: DynamoDBConfig, directory: Path) -> None:
        super().__init__(config)
        self._directory = directory
        self._ledgers: dict[str, Ledger] = {}
        self._lock = threading.Lock()

    def _ledger(self, config: Any) -> Ledger:
        thread_id = config["configurable"]["thread_id"]
        with self._lock:
            if thread_id not in self._ledgers:
                self._ledgers[thread_id] = Ledger(self._directory / thread_id)
            return self._ledgers[thread_id]

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        with self._ledger(config).entry(**_of_put(config, checkpoint, metadata)):
            return super().put(config, checkpoint, metadata, new_versions)

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        with self._ledger(config).entry(**_of_put(config, checkpoint, metadata)):
            return await super().aput(config, checkpoint, metadata, new_versions)

    def put_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        with self._ledger(config).entry(**_of_writes(config, writes, task_id)):
            super().put_writes(config, writes, task_id, task_path)

    async def aput_writes(
        self, config: Any, writes: Any, task_id: str, task_path: str = ""
    ) -> None:
        with self._ledger(config).entry(**_of_writes(config, writes, task_id)):
            await super().aput_writes(config, writes, task_id, task_path)


def _of_put(config: Any, checkpoint: Any, metadata: Any) -> Entry:
    parent = config["configurable"].get("checkpoint_id")
    return {
        "at": [config["configurable"].get("checkpoint_ns", ""), checkpoint["id"]],
        "state": state_digest(checkpoint, metadata, parent),
        "clock": clock(),
    }


def _of_writes(config: Any, writes: Sequence[tuple[str, Any]], task_id: str) -> Entry:
    at = config["configurable"]
    return {
        "at": [at.get("checkpoint_ns", ""), at["checkpoint_id"]],
        "task": task_id,
        "writes": [
            [WRITES_IDX_MAP.get(channel, index), channel, digest(value)]
            for index, (channel, value) in enumerate(writes)
        ],
    }


def state_digest(checkpoint: Any, metadata: Any, parent: str | None) -> str:
    """Of all that a checkpoint says, but for what its graph changes while it is put.

    LangGraph's barrier of an edge with several starts, `join:…`, hands out the set in which
    it counts on. A put in the background may see more in it than when the checkpoint was made.
    """
    values = {
        channel: value
        for channel, value in checkpoint["channel_values"].items()
        if not channel.startswith("join:")
    }
    checkpoint = {**checkpoint, "channel_values": values}
    return digest([checkpoint, metadata.get("source"), metadata.get("step"), parent])


def digest(value: Any) -> str:
    return hashlib.blake2b(repr(_plain(value)).encode(), digest_size=12).hexdigest()


def _plain(value: Any) -> Any:
    """The same for values that are equal, whatever the order of their keys and elements."""
    if isinstance(value, dict):
        return sorted((repr(key), _plain(one)) for key, one in value.items())
    if isinstance(value, set):
        return sorted(map(repr, value))
    if isinstance(value, BaseException):  # the serializer stores no more of it
        return repr(value)
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def check_all(settings: DynamoDBConfig, directory: Path, seed: int) -> Counter[str]:
    """Hold every thread against its ledger; returns sums, with the number of threads."""
    counts: Counter[str] = Counter()
    with DynamoDBSaver(settings) as saver:
        for path in (paths := sorted(directory.iterdir())):
            counts += check(saver, path.name, read(path), seed)
            counts["threads"] += 1
        counts["listed"] = listed.check(saver, {one.name: read(one) for one in paths}, seed)
    return counts


def read(path: Path) -> list[dict[str, Any]]:
    """The entries of a ledger in the order in which they began, each with its `end`, if any.

    `began` and `ended` are positions in the file. The last line may be torn.
    """
    entries: dict[str, dict[str, Any]] = {}
    for position, line in enumerate(path.read_bytes().splitlines(keepends=True)):
        if not line.endswith(b"\n"):
            break
        told = json.loads(line)
        if "end" in told:
            entries[told["name"]].update(end=told["end"], ended=position)
        else:
            entries[told["name"]] = {**told, "end": "killed", "began": position, "ended": position}
    return list(entries.values())


def check(
    saver: DynamoDBSaver, thread_id: str, entries: Sequence[Entry], seed: int
) -> Counter[str]:
    """Hold what the thread says now against what was acknowledged.

    Everything that is there is whole and as some put began it; everything that was acknowledged
    is there; nothing acknowledged was undone by an older call.
    """
    where = f"seed {seed}, thread {thread_id}"
    report = saver.verify(thread_id)
    # Writes of a task may be stored before their checkpoint, and that never come.
    broken = [one for one in report.problems if one.kind is not ProblemKind.ORPHAN_WRITES]
    assert not broken, f"{where}: {broken}"
    config: Any = {"configurable": {"thread_id": thread_id}}
    found = {
        (at := one.config["configurable"])["checkpoint_ns"] + "@" + at["checkpoint_id"]: one
        for one in saver.list(config)
    }
    puts, writes = defaultdict(list), defaultdict(list)
    for entry in entries:
        (writes if "writes" in entry else puts)["@".join(entry["at"])].append(entry)
    counts = Counter(checkpoints=0, writes=0, unacknowledged=0)
    for key, one in found.items():
        state = state_digest(
            one.checkpoint,
            one.metadata,
            (one.parent_config or {"configurable": {}})["configurable"].get("checkpoint_id"),
        )
        began = [entry["state"] for entry in puts[key]]
        assert state in began, f"{where}: checkpoint {key} is not as it was put"
        counts["writes"] += _check_writes(
            one.pending_writes, writes[key], f"{where}, checkpoint {key}"
        )
        counts["unacknowledged"] += not any(entry["end"] == "done" for entry in puts[key])
    for key, began in puts.items():
        if any(entry["end"] == "done" for entry in began):
            assert key in found, f"{where}: acknowledged checkpoint {key} is lost"
            counts["checkpoints"] += 1
    roots = [key for key in found if key.startswith("@")]
    if roots:
        newest = saver.get_tuple(config)
        assert newest is not None, f"{where}: no newest checkpoint, but {len(roots)} in the list"
        assert newest.checkpoint["id"] == max(roots)[1:], f"{where}: not the newest checkpoint"
    return counts


def _check_writes(pending: Any, entries: Iterable[Entry], where: str) -> int:
    """A regular write keeps its first value; a special one has its last, or an unfinished one."""
    stored = Counter((task, channel, digest(value)) for task, channel, value in pending or ())
    begun = defaultdict(list)
    for entry in entries:
        for index, channel, value in entry["writes"]:
            begun[entry["task"], index, channel].append((entry, value))
    known = {
        (task, channel, value) for (task, _, channel), tries in begun.items() for _, value in tries
    }
    strange = sorted(stored.keys() - known)
    assert not strange, f"{where}: pending writes that nobody has written: {strange}"
    acknowledged = 0
    for (task, index, channel), tries in begun.items():
        done = [entry for entry, _ in tries if entry["end"] == "done"]
        if not done:
            continue
        acknowledged += 1
        # Values of calls that had ended when an acknowledged one began are history.
        allowed = {
            value
            for entry, value in tries
            if index >= 0 or not any(later["began"] > entry["ended"] for later in done)
        }
        assert any((task, channel, value) in stored for value in allowed), (
            f"{where}: task {task}: an acknowledged write to {channel!r} is lost or undone"
        )
    return acknowledged
