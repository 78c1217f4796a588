"""Random sequences of every operation, on our saver and on a model of it, side by side.

Two of our savers share the table, as two processes would: one with a cache, one without.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import MakeSaver
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.serde.types import (
    ERROR,
    INTERRUPT,
    RESUME,
    SCHEDULED,
    _DeltaSnapshot,
)

from langgraph_checkpoint_dynamodb import (
    ConflictError,
    CorruptCheckpointError,
    DynamoDBSaver,
    ProblemKind,
)
from model import CutChainError, Ids, Model, answer, ids

THREADS = ("1", "10", "1#C")
NAMESPACES = ("", "child", "child:1|grand", "c%20")
CHANNELS = ("a", "ab", "list", "delta")
TASKS = ("task", "task1", "#t", "t$1")
RUNS = ("run 1", "run 2", "run 3")

threads = st.sampled_from(THREADS)
namespaces = st.sampled_from(NAMESPACES)
values = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=5),
    st.lists(st.booleans(), max_size=3),
    # Past the sizes at which values are chunked, and at which a body is.
    st.builds(
        lambda seed, size: random.Random(seed).randbytes(size),
        st.integers(0, 3),
        st.sampled_from([500, 3_000, 20_000, 450_000]),
    ),
)
writes = st.lists(
    st.tuples(st.sampled_from((*CHANNELS, ERROR, INTERRUPT, RESUME, SCHEDULED)), values),
    min_size=1,
    max_size=14,
)
pick = st.integers(0, 10**6)


class SaverMachine(RuleBasedStateMachine):
    """Each rule does one thing on both sides; a rule that reads compares the answers."""

    savers: tuple[DynamoDBSaver, DynamoDBSaver]
    stored: Callable[[], list[Any]]

    def __init__(self) -> None:
        super().__init__()
        # What a failed example has left behind.
        for thread_id in THREADS:
            self.savers[0].delete_thread(thread_id)
        self.model = Model()
        self.version: str | None = None
        self.clock = time.time()
        self.ids = itertools.count()
        for saver in self.savers:
            saver.clock = lambda: self.clock  # type: ignore[method-assign]
        self.model.clock = lambda: self.clock  # type: ignore[method-assign]

    @initialize()
    def first_checkpoint(self) -> None:
        self.put(self.savers[0], "1", "", None, {"a": 1}, None, "run 1", 1)

    def put(
        self,
        saver: DynamoDBSaver,
        thread_id: str,
        ns: str,
        parent: Any,
        changes: dict[str, Any],
        dropped: str | None,
        run_id: str,
        step: int,
    ) -> None:
        checkpoint = empty_checkpoint()
        checkpoint["id"] = str(uuid6(clock_seq=next(self.ids)))
        before = parent.checkpoint if parent else checkpoint
        state = {**before["channel_values"], **changes}
        state.pop(dropped, None)
        # A delta channel is stored as a snapshot or not at all.
        if not isinstance(changes.get("delta"), _DeltaSnapshot):
            state.pop("delta", None)
        self.version = saver.get_next_version(self.version, None)
        changed = {*changes, dropped} - {None}
        new_versions = dict.fromkeys(changed, self.version)
        checkpoint["channel_values"] = state
        checkpoint["channel_versions"] = {**before["channel_versions"], **new_versions}
        checkpoint["versions_seen"] = {"node": dict(before["channel_versions"])}
        checkpoint["updated_channels"] = sorted(changed)
        metadata: dict[str, Any] = {"source": "loop", "step": step, "run_id": run_id}
        if "delta" in checkpoint["channel_versions"] and "delta" not in state:
            metadata["counters_since_delta_snapshot"] = {"delta": (1, 1)}
        configurable = {"thread_id": thread_id, "checkpoint_ns": ns}
        if parent:
            configurable["checkpoint_id"] = parent.checkpoint["id"]
        arguments = ({"configurable": configurable}, checkpoint, metadata, new_versions)
        assert saver.put(*arguments) == self.model.put(*arguments)

    def choose(self, number: int) -> Any:
        found = self.model.tuples()
        return found[number % len(found)]

    def config(self, place: Ids) -> Any:
        return {
            "configurable": dict(
                zip(("thread_id", "checkpoint_ns", "checkpoint_id"), place, strict=True)
            )
        }

    def some_checkpoint(self) -> bool:
        return bool(self.model.tuples())

    @rule(
        which=st.booleans(),
        thread_id=threads,
        ns=namespaces,
        changes=st.dictionaries(st.sampled_from(CHANNELS[:3]), values, max_size=3),
        run_id=st.sampled_from(RUNS),
    )
    def put_root(self, which: bool, thread_id: str, ns: str, changes: Any, run_id: str) -> None:
        self.put(self.savers[which], thread_id, ns, None, changes, None, run_id, 0)

    @precondition(some_checkpoint)
    @rule(
        which=st.booleans(),
        number=pick,
        newest=st.booleans(),
        changes=st.dictionaries(st.sampled_from(CHANNELS[:3]), values, max_size=3),
        appended=st.none() | st.text(min_size=1, max_size=3),
        delta=st.sampled_from(["untouched", "written", "snapshot"]),
        dropped=st.none() | st.sampled_from(CHANNELS[:3]),
        run_id=st.sampled_from(RUNS),
        step=st.integers(0, 3),
    )
    def put_child(
        self,
        which: bool,
        number: int,
        newest: bool,
        changes: dict[str, Any],
        appended: str | None,
        delta: str,
        dropped: str | None,
        run_id: str,
        step: int,
    ) -> None:
        parent = self.choose(number)
        thread_id, ns, _ = ids(parent)
        if newest:
            parent = self.model.get_tuple(self.config((thread_id, ns, "")))
            assert parent is not None
        if appended:
            before = parent.checkpoint["channel_values"].get("list")
            changes["list"] = [*(before if isinstance(before, list) else []), appended * 900]
        if delta == "snapshot":
            changes["delta"] = _DeltaSnapshot([run_id, step])
        elif delta == "written" or "delta" in parent.checkpoint["channel_versions"]:
            changes["delta"] = None
        if dropped in changes:
            dropped = None
        self.put(self.savers[which], thread_id, ns, parent, changes, dropped, run_id, step)

    @precondition(some_checkpoint)
    @rule(
        which=st.booleans(),
        number=pick,
        writes=writes,
        task_id=st.sampled_from(TASKS),
        path=st.sampled_from(["", "~__pregel_pull, a", "~__pregel_push, 0000000010"]),
    )
    def put_writes(self, which: bool, number: int, writes: Any, task_id: str, path: str) -> None:
        place = ids(self.choose(number))
        # A task writes under one path.
        known = {
            task: known_path for (task, _), (*_, known_path) in self.model.writes[place].items()
        }
        path = known.get(task_id, path)
        for side in (self.savers[which], self.model):
            side.put_writes(self.config(place), writes, task_id, path)

    @precondition(some_checkpoint)
    @rule(which=st.booleans(), number=pick)
    def get(self, which: bool, number: int) -> None:
        config = self.config(ids(self.choose(number)))
        found = self.savers[which].get_tuple(config)
        assert answer(found) == answer(self.model.get_tuple(config))

    @rule(which=st.booleans(), thread_id=threads, ns=namespaces)
    def get_newest(self, which: bool, thread_id: str, ns: str) -> None:
        config = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ns}}
        found = self.savers[which].get_tuple(config)
        assert answer(found) == answer(self.model.get_tuple(config))

    @precondition(some_checkpoint)
    @rule(which=st.booleans(), number=pick)
    def get_delta_history(self, which: bool, number: int) -> None:
        config = self.config(ids(self.choose(number)))
        arguments: Any = {"config": config, "channels": ["delta", "a", "never"]}
        try:
            expected = self.model.get_delta_channel_history(**arguments)
        except CutChainError:
            with pytest.raises(CorruptCheckpointError):
                self.savers[which].get_delta_channel_history(**arguments)
        else:
            assert self.savers[which].get_delta_channel_history(**arguments) == expected

    @rule(
        which=st.booleans(),
        thread_id=threads,
        ns=st.none() | namespaces,
        criteria=st.fixed_dictionaries(
            {},
            optional={
                "limit": st.integers(0, 4),
                "filter": st.fixed_dictionaries(
                    {}, optional={"step": st.integers(0, 3), "run_id": st.sampled_from(RUNS)}
                ),
            },
        ),
        before=st.none() | pick,
    )
    def list_thread(
        self, which: bool, thread_id: str, ns: str | None, criteria: Any, before: int | None
    ) -> None:
        if before is not None and self.some_checkpoint():
            criteria["before"] = self.config(ids(self.choose(before)))
        config = {"configurable": {"thread_id": thread_id}}
        limit = criteria.pop("limit", None)
        if ns is not None:
            config["configurable"]["checkpoint_ns"] = ns
        found = list(self.savers[which].list(config, limit=limit, **criteria))
        expected = sorted(
            self.model.list(config, **criteria), key=lambda one: one.checkpoint["id"], reverse=True
        )
        assert list(map(answer, found)) == list(map(answer, expected[:limit]))

    @rule(which=st.booleans())
    def list_everything(self, which: bool) -> None:
        found = {ids(one): answer(one) for one in self.savers[which].list(None)}
        assert found == {ids(one): answer(one) for one in self.model.tuples()}

    @rule(which=st.booleans(), source=threads, to=threads)
    def copy(self, which: bool, source: str, to: str) -> None:
        if self.model.may_copy(source, to):
            self.savers[which].copy_thread(source, to)
            self.model.copy_thread(source, to)
        else:
            with pytest.raises(ConflictError):
                self.savers[which].copy_thread(source, to)

    @rule(
        which=st.booleans(),
        some=st.lists(threads, max_size=2, unique=True),
        keep_last=st.none() | st.integers(1, 4),
        # What was put lately, and before hours passed; or all of it.
        older_than=st.none() | st.sampled_from([timedelta(minutes=30), timedelta(days=30)]),
    )
    def prune(
        self, which: bool, some: list[str], keep_last: int | None, older_than: timedelta | None
    ) -> None:
        for side in (self.savers[which], self.model):
            side.prune(some, keep_last=keep_last, older_than=older_than)

    @rule(which=st.booleans(), thread_id=threads)
    def delete_thread(self, which: bool, thread_id: str) -> None:
        for side in (self.savers[which], self.model):
            side.delete_thread(thread_id)

    @rule(which=st.booleans(), run_id=st.sampled_from(RUNS))
    def delete_for_runs(self, which: bool, run_id: str) -> None:
        for side in (self.savers[which], self.model):
            side.delete_for_runs([run_id])

    @rule()
    def hours_pass(self) -> None:
        """Unused chunks may be deleted from here on."""
        self.clock += 2 * 3600

    def teardown(self) -> None:
        self.list_everything(True)
        # Chunks that were young when what referred to them was deleted are left to a prune.
        problems = self.savers[1].verify().problems
        assert {one.kind for one in problems} <= {ProblemKind.ORPHAN_CHUNK}
        self.clock += 2 * 3600
        for saver in self.savers:
            saver.prune(THREADS)
        report = self.savers[1].verify()
        assert report.ok, report
        assert report.young == report.under_way == 0
        for thread_id in THREADS:
            self.savers[0].delete_thread(thread_id)
        assert self.stored() == []


def test_every_answer_is_the_model_s(make_saver: MakeSaver, scan: Any) -> None:
    warm = make_saver()
    table_name = warm.config.table_config.table_name
    cold = make_saver(table_name=table_name, deploy=False, cache_bytes=0)

    class Machine(SaverMachine):
        savers = (warm, cold)

        def stored(self) -> list[Any]:
            return list(scan(table_name))

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            report_multiple_bugs=False,
            phases=set(Phase) - {Phase.explain},
            suppress_health_check=list(HealthCheck),
        ),
    )
