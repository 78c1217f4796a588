"""The thread directory beside runs, deletions, kills and late requests, call by call.

Processes, each with its own cache, put checkpoints of a few threads, title and delete them. Any of
them may be killed between two calls. A write of a thread's entry may be executed once more at a
later moment, like a request that was given up. Hours pass. As `docs/reliability.md` says, a thread
is deleted when none of its runs is under way.

What must hold whenever all is quiet: a thread with an acknowledged checkpoint is listed once, for
its owner, with an activity not more than an hour older; a deleted one is not listed, whatever
arrives late; its title is the last one that was set; `verify` finds nothing but late entries.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import empty_checkpoint

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb import ProblemKind, Thread
from langgraph_checkpoint_dynamodb.checkpoints import put
from langgraph_checkpoint_dynamodb.checkpoints.new_checkpoint import Put
from langgraph_checkpoint_dynamodb.directory import entries
from langgraph_checkpoint_dynamodb.directory.entries import Description
from langgraph_checkpoint_dynamodb.format import keys
from langgraph_checkpoint_dynamodb.format.thread_entries import PERIOD_SECONDS
from langgraph_checkpoint_dynamodb.maintenance import delete
from langgraph_checkpoint_dynamodb.maintenance.verify import Verification
from langgraph_checkpoint_dynamodb.runtime.context import Context, ThreadNamespace
from langgraph_checkpoint_dynamodb.runtime.effects import Call
from langgraph_checkpoint_dynamodb.saver import thread_arguments
from races import Running

TITLE = "The thread directory beside runs, deletions, kills and late requests"
SHORT = {"interleavings": 60}
LONG = {"interleavings": 4_000}
ENGINE = False

OWNERS = {"a": "ada", "b": "bob", "c": None}
STEPS = 120


@dataclass
class Known:
    """What is known of a thread.

    Attributes:
        newest: Its newest acknowledged checkpoint.
        active: When that was put, in epoch seconds.
        title: The last title that was set.
        is_certain: Whether everything that was begun since its deletion has ended.
    """

    newest: str | None = None
    active: float = 0
    title: str | None = None
    is_certain: bool = True


class World:
    """One interleaving."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.draw = random.Random(name)
        self.table = FakeTable(self._fault)
        self.now = context().now
        self.processes = [context(thread_index=True) for _ in range(3)]
        self.known = {thread_id: Known() for thread_id in OWNERS}
        self.running: list[tuple[str, Running, Any]] = []
        self.late: list[Call] = []
        self.ids = 0
        self.counts: Counter[str] = Counter()

    def _fault(self, call: Call) -> None:
        changed = call.params.get("Key") or call.params.get("Item") or {}
        is_entry = changed.get("SK", {}).get("S") == keys.THREAD_ENTRY
        if is_entry and self.draw.random() < 0.5:
            self.late.append(call)

    def run(self) -> None:
        """Draw what happens; then let everything arrive, and look again."""
        for _ in range(STEPS):
            self.draw.choice((self._begin, self._step, self._step, self._step, self._other))()
            if not self.running:
                self._check()
        while self.running:
            self._step()
        for call in self.late:
            self.table.answer(call)
            self.counts["late requests"] += 1
        self._check()

    def _process(self) -> Context:
        return replace(self.draw.choice(self.processes), now=self.now)

    def _begin(self) -> None:
        self.now += 0.001  # a thread that is begun again has another time of creation
        thread_id = self.draw.choice(list(OWNERS))
        is_idle = thread_id not in {name for name, _, _ in self.running}
        kind = self.draw.choice(("put", "put", "put", "title", "delete"))
        if kind == "put":
            self._begin_put(thread_id)
        elif kind == "title" and is_idle and self.known[thread_id].newest:
            title = f"title {self.ids}"
            operation = entries.set_thread(self._process(), thread_id, Description(title))
            self._start(thread_id, operation, lambda known: setattr(known, "title", title))
        elif kind == "delete" and is_idle:
            operation = delete.delete_thread(self._process(), thread_id)
            self._start(thread_id, operation, lambda _: self._forget(thread_id))
            self.counts["deletions"] += 1

    def _begin_put(self, thread_id: str) -> None:
        if any(
            one.operation.__qualname__ == "delete_thread"
            for name, one, _ in self.running
            if name == thread_id
        ):
            return
        self.ids += 1
        known, now, checkpoint_id = self.known[thread_id], self.now, f"{self.ids:06}"
        made = empty_checkpoint() | {"id": checkpoint_id}
        place = ThreadNamespace(thread_id, "")
        new = Put(place, made, {}, known.newest, {}, owner=OWNERS[thread_id])

        def acknowledge(known: Known) -> None:
            known.newest = max(known.newest or "", checkpoint_id)
            known.active = max(known.active, now)
            self.counts["acknowledged checkpoints"] += 1

        self._start(thread_id, put.put(self._process(), new), acknowledge)

    def _start(self, thread_id: str, operation: Any, end: Any) -> None:
        self.running.append((thread_id, Running(self.table, operation, self.now), end))
        self._drop_ended()

    def _forget(self, thread_id: str) -> None:
        self.known[thread_id] = Known()

    def _step(self) -> None:
        if self.running:
            self.draw.choice(self.running)[1].step(self.draw)
            self._drop_ended()

    def _drop_ended(self) -> None:
        for thread_id, one, end in [each for each in self.running if each[1].done]:
            assert not isinstance(one.result, Exception), f"{self.name}: {one.result!r}"
            end(self.known[thread_id])
        self.running = [each for each in self.running if not each[1].done]

    def _other(self) -> None:
        kind = self.draw.choice(("time", "late", "kill"))
        if kind == "time":
            self.now += self.draw.choice((0.5, 600, 3000))
        elif kind == "late" and self.late:
            self.table.answer(self.late.pop(self.draw.randrange(len(self.late))))
            self.counts["late requests"] += 1
        elif kind == "kill" and self.running and self.draw.random() < 0.3:
            index = self.draw.randrange(len(self.running))
            thread_id, one, _ = self.running.pop(index)
            one.operation.close()
            # Its memory is gone; what it has sent stays.
            self.processes[self.draw.randrange(3)] = context(thread_index=True)
            if one.operation.__qualname__ == "delete_thread":
                self._forget(thread_id)  # some of its checkpoints are gone
            self.known[thread_id].is_certain = False
            self.counts["kills"] += 1

    def _check(self) -> None:
        listed: dict[str, Thread] = {}
        for owner in set(OWNERS.values()):
            first = thread_arguments.page(owner, False, 100, None, True)
            page = self.table.run(first.read(self._process()))
            for one in page.threads:
                assert one.thread_id not in listed, f"{self.name}: listed twice: {one}"
                assert one.owner == OWNERS[one.thread_id] == owner, f"{self.name}: {one}"
                listed[one.thread_id] = one
        for thread_id, known in self.known.items():
            found = listed.get(thread_id)
            if known.newest is not None:
                assert found, f"{self.name}: thread {thread_id} is not listed"
                behind = known.active - found.last_activity.timestamp()
                assert behind < PERIOD_SECONDS + 1, f"{self.name}: {behind} s behind"
                if known.is_certain:
                    assert found.title == known.title, f"{self.name}: {found}, {known}"
            elif known.is_certain:
                assert not found, f"{self.name}: {found} is deleted"
        verification = Verification(None)
        while self.table.run(verification.next_thread(replace(self._process(), now=self.now))):
            pass
        for problem in verification.report.problems:
            assert problem.kind is ProblemKind.EMPTY_THREAD, f"{self.name}: {problem}"
            assert self.known[problem.thread_id].newest is None, f"{self.name}: {problem}"
        self.counts["checks"] += 1


def run(endpoint: str, seed: int, *, interleavings: int) -> dict[str, Any]:
    """Play the interleavings of a seed."""
    counts: Counter[str] = Counter()
    for index in range(interleavings):
        world = World(f"{seed}/{index}")
        world.run()
        counts += world.counts
    return {"interleavings": interleavings, **counts, "lost": 0, "wrong": 0}
