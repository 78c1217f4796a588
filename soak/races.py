"""Runs and maintenance of one table, interleaved call by call in an order that a seed chooses.

Each actor is a process of its own: own cache, and nothing shared but the table. Runs read the
newest checkpoint and put children with their writes, as LangGraph does, some at once. Others
prune, delete by run, copy or delete the same threads, read, verify, or are killed. Hours pass,
though never a grace time within one operation.

What must hold: a checkpoint that was acknowledged, and that nobody had reason to delete, loads
whole, delta channels included; so does what is left of the others. A reader sees a checkpoint
whole or not at all; `CorruptCheckpointError` is for what is being deleted only. A last prune
leaves nothing to report. Excused is a checkpoint that was put on one that had been given up
while its run was under way: the saver's `prune` says so.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.types import _DeltaSnapshot

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

from fake_table import FakeTable, context
from langgraph_checkpoint_dynamodb import ConflictError, CorruptCheckpointError
from langgraph_checkpoint_dynamodb.checkpoints import delta_history, get, put, put_writes
from langgraph_checkpoint_dynamodb.maintenance import copy as copies
from langgraph_checkpoint_dynamodb.maintenance import delete, prune
from langgraph_checkpoint_dynamodb.maintenance.retention import GRACE_SECONDS, RetentionPolicy
from langgraph_checkpoint_dynamodb.maintenance.verify import Verification
from langgraph_checkpoint_dynamodb.runtime.context import Context, ThreadNamespace
from langgraph_checkpoint_dynamodb.runtime.effects import Done, Join, Operation, advance

TITLE = "10,000 interleavings of runs with prune, deletion, copies and kills"
SHORT = {"interleavings": 100}
LONG = {"interleavings": 10_000}
ENGINE = False

DOCUMENTS = [random.Random(seed).randbytes(9_000) for seed in range(3)]
ANSWERS = (CorruptCheckpointError, ConflictError)
"""Errors that a caller may get: to be judged like any other result."""


@dataclass
class Stored:
    """What is known of a checkpoint.

    Attributes:
        values: Its values.
        parent_id: Its parent.
        run_id: The run that put it.
        acknowledged: Whether its put has returned.
        given_up: Whether somebody had reason to delete it.
        abandoned: Likewise, also while it is the newest.
        excused: Whether it builds on what was given up before it was acknowledged.
        writes: The acknowledged writes to the delta channel, by task.
    """

    values: dict[str, Any]
    parent_id: str | None
    run_id: str
    acknowledged: bool = False
    given_up: bool = False
    abandoned: bool = False
    excused: bool = False
    writes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Pruning:
    """A prune to the last so many, and the checkpoints that there were when it ended."""

    last: int
    seen: set[str] | None = None

    def give_up(self, known: dict[str, Stored]) -> None:
        for checkpoint_id in sorted(known)[: -self.last]:
            known[checkpoint_id].given_up = True

    def takes(self, parent_id: str | None, child_id: str, known: Iterable[str]) -> bool:
        """Whether it may have taken a parent away before its child was there."""
        others = sorted(set(self.seen or known) - {child_id})
        return parent_id in others and parent_id not in others[-self.last :]


Phase = list[tuple[Operation[Any], Callable[[Any], None]]]
"""Operations that run at once, each with what to do with its result."""

Actor = Generator[Phase, None, None]


class Running:
    """An operation under way: the calls of its round are answered one by one."""

    def __init__(self, table: FakeTable, operation: Operation[Any], started: float) -> None:
        self.table = table
        self.operation = operation
        self.started = started
        self.result: Any = None
        self.done = False
        self._calls: dict[int, Any] = {}
        self._replies: dict[int, Any] = {}
        self._join: Join | None = None
        self._take(advance(operation))

    def is_blocked(self) -> bool:
        return self._join is not None and not self._join.future.done()

    def step(self, draw: random.Random) -> None:
        if self._join is not None:
            answer = self._join.future.done() and self._join.future.result()
            self._join = None
            self._advance(answer)
            return
        index = draw.choice(list(self._calls))
        self._replies[index] = self.table.answer(self._calls.pop(index))
        if not self._calls:
            self._advance([self._replies[one] for one in sorted(self._replies)])

    def _advance(self, answer: Any = None, error: BaseException | None = None) -> None:
        try:
            effect = advance(self.operation, answer, error)
        except ANSWERS as error_found:
            effect = Done(error_found)
        self._take(effect)

    def _take(self, effect: Any) -> None:
        while True:
            if isinstance(effect, Done):
                self.result, self.done = effect.result, True
                return
            if isinstance(effect, Join):
                self._join = effect
                return
            if isinstance(effect, list):
                self._calls, self._replies = dict(enumerate(effect)), {}
                return
            try:
                answer, error = self.table.perform(effect), None
            except Exception as raised:
                answer, error = None, raised
            try:
                effect = advance(self.operation, answer, error)
            except ANSWERS as error_found:
                effect = Done(error_found)


class World:
    """One interleaving."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.draw = random.Random(name)
        self.table = FakeTable()
        self.now = context().now
        self.threads: dict[str, dict[str, Stored]] = {}
        self.ids = 0
        self.is_quiet = True
        """Whether nothing has been deleted or killed yet: then `verify` finds nothing at all."""
        self.prunings: dict[str, list[Pruning]] = {}
        self.going: set[str] = set()
        """Threads that are being deleted."""
        self.counts: Counter[str] = Counter()

    def context(self, process: Context) -> Context:
        return replace(process, now=self.now)

    # What actors do

    def put(
        self, process: Context, thread_id: str, parent_id: str | None, run_id: str
    ) -> tuple[Operation[Any], Callable[[Any], None]]:
        """A child with some values changed."""
        self.ids += 1
        checkpoint_id = f"{self.ids:06}"
        known = self.threads.setdefault(thread_id, {})
        parent = known.get(parent_id or "")
        before = dict(parent.values) if parent else {}
        changes: dict[str, Any] = {"step": self.ids}
        if self.draw.random() < 0.5 or not parent:
            changes["document"] = self.draw.choice(DOCUMENTS) * self.draw.choice((1, 1, 3))
        grown = [*before.get("messages", []), f"{self.ids:04}" * 200]
        changes["messages"] = grown[-self.draw.choice((6, 30)) :]
        values = {**before, **changes}
        values.pop("log", None)
        written = bool(before.get("log") or (parent and self._log_is_written(thread_id, parent_id)))
        if self.draw.random() < 0.25:
            values["log"] = changes["log"] = _DeltaSnapshot([checkpoint_id])
        self.versions = getattr(self, "versions", {})
        versions = dict(self.versions.get((thread_id, parent_id), {}))
        new_versions = dict.fromkeys(changes, f"a{checkpoint_id}")
        if written and "log" not in changes:
            new_versions["log"] = f"a{checkpoint_id}"
        versions |= new_versions
        self.versions[thread_id, checkpoint_id] = versions
        metadata: dict[str, Any] = {"run_id": run_id}
        if "log" in versions and "log" not in values:
            metadata["counters_since_delta_snapshot"] = {"log": (1, 1)}
        made = empty_checkpoint()
        made |= {"id": checkpoint_id, "channel_values": values, "channel_versions": versions}
        stored = known[checkpoint_id] = Stored(values, parent_id, run_id)

        def acknowledge(result: Any) -> None:
            assert result == checkpoint_id, f"{self.name}: {result}"
            stored.acknowledged = True
            if thread_id in self.going:
                stored.given_up = stored.excused = True
            self.excuse(thread_id, checkpoint_id)

        around = self.context(process)
        place = ThreadNamespace(thread_id, "")
        new = put.Put(place, made, metadata, parent_id, new_versions)
        return put.put(around, new), acknowledge

    def excuse(self, thread_id: str, checkpoint_id: str) -> None:
        """If what it is put on may have been deleted before it was there."""
        stored = self.threads[thread_id][checkpoint_id]
        stored.excused |= self.is_excused(thread_id, checkpoint_id)

    def is_excused(self, thread_id: str, checkpoint_id: str) -> bool:
        known = self.threads[thread_id]
        stored = known[checkpoint_id]
        parent = known.get(stored.parent_id or "")
        if stored.excused or parent is None:
            return stored.excused
        prunings = self.prunings.get(thread_id, ())
        taken = any(one.takes(stored.parent_id, checkpoint_id, known) for one in prunings)
        return parent.excused or parent.abandoned or taken

    def _log_is_written(self, thread_id: str, checkpoint_id: str | None) -> bool:
        return "log" in self.versions.get((thread_id, checkpoint_id), {}) or bool(
            self.threads[thread_id][checkpoint_id or ""].writes
        )

    def run(self, thread_id: str, run_id: str, steps: int) -> Actor:
        """A graph's run: on the newest checkpoint, each step's writes and its checkpoint."""
        process = context()
        parent_id: str | None = None

        def take(found: Any) -> None:
            nonlocal parent_id
            if isinstance(found, CorruptCheckpointError):
                self.check_broken(thread_id, found)
                return
            parent_id = found.checkpoint["id"] if found else None

        yield [(get.get_tuple(self.context(process), ThreadNamespace(thread_id, ""), None), take)]
        for _ in range(steps):
            if parent_id is not None and self.draw.random() < 0.5:
                yield [self.put_log(process, thread_id, parent_id)]
            child = self.put(process, thread_id, parent_id, run_id)
            child_id = f"{self.ids:06}"
            phase = [child]
            if parent_id is not None:
                document = self.threads[thread_id][child_id].values["document"]
                task = self.put_writes(process, thread_id, parent_id, "document", document)
                phase.insert(0, (task, lambda _: None))
            yield phase
            parent_id = child_id

    def put_writes(
        self, process: Context, thread_id: str, parent_id: str, channel: str, value: Any
    ) -> Operation[Any]:
        place = ThreadNamespace(thread_id, "")
        task = f"task-{self.draw.randrange(10**9)}"
        around = self.context(process)
        return put_writes.put_writes(around, place, parent_id, [(channel, value)], task, "")

    def put_log(
        self, process: Context, thread_id: str, parent_id: str
    ) -> tuple[Operation[Any], Callable[[Any], None]]:
        """Writes to the delta channel: LangGraph puts the child only once they are stored."""
        value = self.draw.choice(DOCUMENTS)[: self.draw.choice((10, 9_000))]
        parent = self.threads[thread_id][parent_id]

        def acknowledge(result: Any) -> None:
            assert result is None, f"{self.name}: {result}"
            parent.writes[str(len(parent.writes))] = value

        return self.put_writes(process, thread_id, parent_id, "log", value), acknowledge

    def prune(self, thread_id: str, last: int) -> Actor:
        pruning = Pruning(last)
        self.prunings.setdefault(thread_id, []).append(pruning)

        def give_up(result: Any) -> None:
            self.judge(result, thread_id)
            known = self.threads.get(thread_id, {})
            pruning.give_up(known)
            pruning.seen = set(known)

        self.is_quiet = False
        # A checkpoint may be deleted as soon as it is not among the last: from the beginning.
        give_up(None)
        pruning.seen = None
        operation = prune.prune(self.context(context()), thread_id, RetentionPolicy(last=last))
        yield [(operation, give_up)]

    def delete_for_runs(self, run_ids: list[str]) -> Actor:
        def give_up(result: Any) -> None:
            self.judge(result, "t")
            for known in self.threads.values():
                for stored in known.values():
                    stored.abandoned |= stored.run_id in run_ids
                    stored.given_up |= stored.abandoned

        self.is_quiet = False
        give_up(None)
        yield [(delete.delete_for_runs(self.context(context()), run_ids), give_up)]

    def delete_thread(self, thread_id: str) -> Actor:
        def give_up(_: Any) -> None:
            self.going ^= {thread_id}
            for stored in self.threads.get(thread_id, {}).values():
                stored.given_up = stored.abandoned = True
                stored.excused |= not stored.acknowledged  # its chunks are not spared

        self.is_quiet = False
        give_up(None)
        yield [(delete.delete_thread(self.context(context()), thread_id), give_up)]

    def copy(self, source: str, target: str) -> Actor:
        there = dict(self.threads.get(source, {}))
        copied = self.threads.setdefault(target, {})
        for checkpoint_id, stored in there.items():
            # Not acknowledged yet: of an unknown outcome.
            copied[checkpoint_id] = replace(stored, acknowledged=False, writes={})
            self.versions[target, checkpoint_id] = self.versions[source, checkpoint_id]
        complete = {one for one, stored in there.items() if stored.acknowledged}
        written = {one: dict(stored.writes) for one, stored in there.items()}

        def finish(result: Any) -> None:
            if isinstance(result, ConflictError):
                return  # what it has put is of an unknown outcome
            assert result is None, f"{self.name}: {result}"
            for pruning in self.prunings.get(source, ()):
                if pruning.seen is None:
                    pruning.give_up(self.threads[source])
            for checkpoint_id, stored in there.items():
                copy = copied[checkpoint_id]
                copy.excused |= stored.excused
                copy.given_up |= stored.given_up
                copy.writes = written[checkpoint_id]
                copy.acknowledged = checkpoint_id in complete

        yield [(copies.copy_thread(self.context(context()), source, target), finish)]

    def read(self, thread_id: str) -> Actor:
        for _ in range(3):
            newest = self.newest(thread_id)

            def check(found: Any, newest: str = newest) -> None:
                self.check_read(thread_id, newest, found)

            yield [
                (
                    get.get_tuple(self.context(context()), ThreadNamespace(thread_id, ""), None),
                    check,
                )
            ]

    def verify(self, thread_id: str) -> Actor:
        verification = Verification(thread_id)

        def check(_: Any) -> None:
            assert not verification.report.problems or not self.is_quiet, f"{self.name}: not quiet"
            for problem in verification.report.problems:
                if problem.checkpoint_id is None or problem.kind.value == "orphan-writes":
                    continue  # a prune is under way, or was broken off
                stored = self.stored(thread_id, problem.checkpoint_id)
                assert stored.given_up or stored.excused, f"{self.name}: {problem}"

        yield [(verification.next_thread(self.context(context())), check)]

    # What must hold

    def judge(self, result: Any, thread_id: str) -> None:
        """Of maintenance: it may stumble over what is broken already."""
        if result is None:
            return
        broken = any(one.excused for one in self.threads[thread_id].values())
        assert broken, f"{self.name}: {result}"
        self.counts["stumbled"] += 1

    def stored(self, thread_id: str, checkpoint_id: str) -> Stored:
        """A copy may have taken along what was put into its source once it had begun."""
        return self.threads[thread_id].get(checkpoint_id) or self.threads["t"][checkpoint_id]

    def newest(self, thread_id: str) -> str:
        """The newest checkpoint that a reader has to find, or one newer than it."""
        known = self.threads.get(thread_id, {})
        return max(
            (i for i, one in known.items() if one.acknowledged and not one.given_up), default=""
        )

    def check_broken(self, thread_id: str, error: Exception) -> None:
        """A reader's error tells of a checkpoint that stands and lacks bytes, and of no other.

        One that is deleted while it is read is read anew, or not found.
        """
        broken = [
            one
            for thread in {thread_id, "t"}  # a copy takes along what its source lacks
            for one, stored in self.threads.get(thread, {}).items()
            if stored.excused or (not stored.acknowledged and self.is_excused(thread, one))
        ]
        assert broken, f"{self.name}: {error}"
        self.counts["read broken"] += 1

    def check_read(self, thread_id: str, newest: str, found: Any) -> None:
        known = self.threads.get(thread_id, {})
        if isinstance(found, CorruptCheckpointError):
            self.check_broken(thread_id, found)
            return
        if newest and not known[newest].given_up:
            assert found is not None, f"{self.name}: nothing found of {thread_id}"
            assert found.checkpoint["id"] >= newest, f"{self.name}: an older state"
        if found is not None:
            stored = self.stored(thread_id, found.checkpoint["id"])
            assert found.checkpoint["channel_values"] == stored.values, f"{self.name}: half"

    def settle(self) -> None:
        """Judge what was killed before it ended."""
        for thread_id, known in self.threads.items():
            for checkpoint_id in sorted(known):
                if not known[checkpoint_id].acknowledged:  # its run was killed
                    self.excuse(thread_id, checkpoint_id)
        for thread_id, prunings in self.prunings.items():
            for pruning in prunings:
                if pruning.seen is None:  # it was killed
                    pruning.give_up(self.threads.get(thread_id, {}))

    def check_end(self) -> None:
        self.settle()
        for thread_id, known in self.threads.items():
            for checkpoint_id, stored in known.items():
                self._check_stored(thread_id, checkpoint_id, stored)
        self.now += 2 * GRACE_SECONDS
        source = self.threads["t"].values()
        for thread_id in self.threads:
            excused = any(one.excused for one in (*self.threads[thread_id].values(), *source))
            around = self.context(context())
            try:
                self.table.run(prune.prune(around, thread_id, RetentionPolicy(last=1_000)))
            except CorruptCheckpointError as error:
                assert excused, f"{self.name}: {error}"
                continue
            verification = Verification(thread_id)
            self.table.run(verification.next_thread(around))
            for problem in verification.report.problems:
                assert problem.checkpoint_id is not None, f"{self.name}: {problem}"
                concerned = self.stored(thread_id, problem.checkpoint_id)
                cut = problem.kind.value == "cut-chain" and concerned.given_up
                # Writes of a run that was cut off, on a checkpoint that is gone.
                left = concerned.abandoned and any(one.excused for one in source)
                assert concerned.excused or cut or left, f"{self.name}: {problem}"
            assert verification.report.young == 0, self.name

    def _check_stored(self, thread_id: str, checkpoint_id: str, stored: Stored) -> None:
        place = ThreadNamespace(thread_id, "")
        where = f"{self.name}: {thread_id}, {checkpoint_id}"
        around = self.context(context())
        try:
            found = self.table.run(get.get_tuple(around, place, checkpoint_id))
        except CorruptCheckpointError as error:
            assert stored.excused, f"{where}: {error}"
            self.counts["cut off"] += 1
            return
        if found is None:
            lost = stored.acknowledged and not stored.given_up
            assert not lost, f"{where}: lost"
            self.counts["deleted"] += stored.acknowledged
            return
        assert found.checkpoint["channel_values"] == stored.values, f"{where}: wrong"
        if stored.acknowledged and not stored.given_up and not stored.excused:
            self._check_log(around, place, checkpoint_id, where)
        self.counts["loaded"] += 1

    def _check_log(
        self, around: Context, place: ThreadNamespace, checkpoint_id: str, where: str
    ) -> None:
        known = self.threads[place.thread_id]
        if "log" not in self.versions[place.thread_id, checkpoint_id]:
            return
        if "log" in known[checkpoint_id].values:
            return
        found = self.table.run(
            delta_history.get_delta_channel_history(around, place, checkpoint_id, ["log"])
        )["log"]
        expected: list[Any] = []
        seed = None
        at = known[checkpoint_id].parent_id
        while at is not None and seed is None:
            expected += known[at].writes.values()
            seed, at = known[at].values.get("log"), known[at].parent_id
        assert found.get("seed") == seed, f"{where}: another seed"
        # Writes that were not acknowledged may be there besides.
        missing = [one for one in expected if one not in [value for *_, value in found["writes"]]]
        assert not missing, f"{where}: {len(missing)} writes lost"


def actors_of(world: World) -> list[Actor]:
    """What goes on at once; only some of it builds on what is given up."""
    draw = world.draw
    actors = [world.run("t", "new", draw.randint(1, 4))]
    if draw.random() < 0.2:
        actors.append(world.run("t", "beside", draw.randint(1, 3)))
    choices: list[Callable[[], Actor]] = [
        lambda: world.prune("t", draw.choice((1, 1, 2, 3))),
        lambda: world.prune("t", 1),
        lambda: world.delete_for_runs(["old"]),
        lambda: world.copy("t", "copy"),
        lambda: world.prune("copy", 1),
        lambda: world.read("t"),
        lambda: world.read("copy"),
        lambda: world.verify("t"),
    ]
    if draw.random() < 0.1:
        choices.append(lambda: world.delete_thread("t"))
    return actors + [choice() for choice in draw.sample(choices, draw.randint(1, 3))]


def begin(world: World) -> None:
    """A thread of two runs, its chunks past the grace time."""
    process = context()
    parent_id: str | None = None
    for step in range(world.draw.randint(2, 6)):
        for phase in world.draw.sample([1, 1, 0], 1) if parent_id else []:
            if phase:
                operation, acknowledge = world.put_log(process, "t", parent_id)
                acknowledge(world.table.run(operation))
        operation, acknowledge = world.put(process, "t", parent_id, "old" if step < 2 else "base")
        acknowledge(world.table.run(operation))
        parent_id = f"{world.ids:06}"
    world.now += world.draw.choice((0, 2, 2)) * GRACE_SECONDS


def interleave(world: World) -> None:
    draw = world.draw
    actors: dict[int, tuple[Actor, dict[int, tuple[Running, Callable[[Any], None]]]]] = {
        index: (actor, {}) for index, actor in enumerate(actors_of(world))
    }
    mortal = draw.random() < 0.3
    while actors:
        index = draw.choice(list(actors))
        actor, under_way = actors[index]
        if not under_way:
            phase = next(actor, None)
            if phase is None:
                del actors[index]
                continue
            for number, (operation, then) in enumerate(phase):
                under_way[number] = Running(world.table, operation, world.now), then
        elif mortal and draw.random() < 0.01:
            for running, _ in under_way.values():
                running.operation.close()
            del actors[index]
            world.counts["killed"] += 1
            world.is_quiet = False
            continue
        else:
            ready = [one for one, (running, _) in under_way.items() if not running.is_blocked()]
            if ready:
                under_way[draw.choice(ready)][0].step(draw)
        for number, (running, then) in list(under_way.items()):
            if running.done:
                del under_way[number]
                then(running.result)
        pass_time(world, [r for _, us in actors.values() for r, _ in us.values()])


def pass_time(world: World, under_way: list[Running]) -> None:
    """Now and then: an hour or more, unless an operation has been at work for long."""
    if world.draw.random() > 0.05:
        return
    hours = world.draw.choice((0.3, 0.3, 3))
    oldest = min((one.started for one in under_way), default=world.now)
    if world.now + hours * GRACE_SECONDS - oldest < 0.9 * GRACE_SECONDS or not under_way:
        world.now += hours * GRACE_SECONDS


def worlds(seed: int, interleavings: int) -> Iterator[World]:
    for number in range(interleavings):
        yield World(f"seed {seed}, interleaving {number}")


def run(endpoint: str, seed: int, interleavings: int) -> dict[str, int | float]:
    """Play so many interleavings; `endpoint` is not used: the table is in memory."""
    counts: Counter[str] = Counter()
    for world in worlds(seed, interleavings):
        begin(world)
        interleave(world)
        world.check_end()
        counts += world.counts
        counts["calls"] += len(world.table.calls)
    return {"interleavings": interleavings, **counts, "lost": 0, "wrong": 0}
