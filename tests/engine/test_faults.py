"""Every operation, with every single request of it failing in turn in every way.

What must hold: the state afterwards is the one before or the one after, never one between; what
may pass is sent again as often as configured, what cannot pass is not; the error is ours; and
the same call, made again, succeeds.
"""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.types import INTERRUPT, RESUME, _DeltaSnapshot

from either import Either
from fake_table import TABLE, FakeTable
from langgraph_checkpoint_dynamodb import (
    AccessDeniedError,
    DynamoDBSaverError,
    DynamoDBTableConfig,
    RequestRejectedError,
    StorageError,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
)
from langgraph_checkpoint_dynamodb.maintenance.retention import GRACE_SECONDS
from langgraph_checkpoint_dynamodb.runtime.effects import Call, ConditionFailed
from model import answer
from sessions import Scripted, refusal
from threads import config_of

NOW = 1_800_000_000.0
TTL = 30 * 24 * 3600
RETRIES = 2
LARGE = random.Random(1).randbytes(60_000)
WIDE = {f"channel-{n}": random.Random(n).randbytes(200) for n in range(150)}
MESSAGES = [f"{n:04}" * 300 for n in range(8)]
ENDPOINT: dict[str, Any] = {"endpoint_url": "http://table"}
LEFT_OVER = "unprocessed"


class Fault(NamedTuple):
    """A way to fail: what the client raises, what becomes of it, and whether it may pass."""

    raised: Exception | None
    error: type[StorageError]
    passes: bool


FAULTS = {
    "throttled": Fault(refusal("ProvisionedThroughputExceededException"), ThrottledError, True),
    "5xx": Fault(refusal("InternalServerError", 500), UnavailableError, True),
    "dropped": Fault(ConnectionClosedError(**ENDPOINT), UnavailableError, True),
    "timeout": Fault(ReadTimeoutError(**ENDPOINT), UnavailableError, True),
    LEFT_OVER: Fault(None, ThrottledError, True),
    "access denied": Fault(refusal("AccessDeniedException"), AccessDeniedError, False),
    "rejected": Fault(refusal("ValidationException"), RequestRejectedError, False),
    "no table": Fault(refusal("ResourceNotFoundException"), TableNotFoundError, False),
}


def checkpoint(step: int, values: dict[str, Any], **versions: str) -> Any:
    made = empty_checkpoint()
    made.update(id=f"{step:08}", ts="now", channel_values=values)
    made["channel_versions"] = {**dict.fromkeys(values, f"a{step}"), **versions}
    return made


async def put(client: Either, step: int, values: dict[str, Any], **settings: Any) -> Any:
    """The child of the checkpoint of the step before."""
    made = checkpoint(step, values, **settings.get("versions", {}))
    at = config_of(settings.get("thread", "thread"), checkpoint_ns=settings.get("ns", ""))
    if step > 1:
        at["configurable"]["checkpoint_id"] = f"{step - 1:08}"
    metadata = {"step": step, "run_id": f"run-{step}"}
    return await client.put(at, made, metadata, dict.fromkeys(values, f"a{step}"))


def step_of(step: int) -> Any:
    return config_of("thread", checkpoint_id=f"{step:08}")


async def a_thread(client: Either) -> None:
    """Three checkpoints with chunks and writes, and another thread."""
    await put(client, 1, {"messages": MESSAGES[:2], "large": LARGE[:12_000]})
    await client.put_writes(step_of(1), [("messages", "x"), ("large", LARGE[:18_000])], "task")
    await put(client, 2, {"messages": MESSAGES[:4], "large": LARGE[:18_000]})
    await put(client, 3, {"messages": MESSAGES[:5], "large": LARGE[:19_000]})
    await client.put_writes(step_of(3), [("messages", "y"), (INTERRUPT, "why?")], "task")
    await put(client, 1, {"own": LARGE[:9_000]}, ns="child")
    await put(client, 1, {"other": "thread"}, thread="other")


async def a_delta_chain(client: Either) -> None:
    await put(client, 1, {"d": _DeltaSnapshot([LARGE[:5_000]])})
    await client.put_writes(step_of(1), [("d", LARGE[:9_000])], "task-1")
    await put(client, 2, {}, versions={"d": "a2"})
    await client.put_writes(step_of(2), [("d", "small")], "task-2")
    await put(client, 3, {}, versions={"d": "a3"})


Step = Callable[[Either], Awaitable[Any]]


async def nothing(client: Either) -> None: ...


@dataclass(frozen=True)
class Case:
    """An operation, and what it meets.

    Attributes:
        act: The operation.
        warm: What the same saver has done before.
        prepare: What other savers have done before.
        atomic: Whether nothing may be seen of it but all of it.
        changes: Whether a reader sees what it does.
    """

    act: Step
    warm: Step = nothing
    prepare: Step = a_thread
    atomic: bool = True
    changes: bool = True
    table: dict[str, Any] = field(default_factory=dict)
    later: float = 0.0


def writes(*pairs: tuple[str, Any], task: str = "task-2") -> Step:
    return lambda client: client.put_writes(step_of(3), list(pairs), task)


def read_newest(client: Either) -> Awaitable[Any]:
    return client.get_tuple(config_of("thread"))


async def history(client: Either) -> Any:
    return await client.get_delta_channel_history(config=config_of("thread"), channels=["d"])


EXPIRING = {"enable_ttl": True, "ttl_seconds": TTL}
AGED = GRACE_SECONDS + 60.0
CASES = {
    "put, small": Case(lambda c: put(c, 4, {"a": 1}), warm=read_newest),
    "put, chunks": Case(lambda c: put(c, 4, {"large": LARGE})),
    "put, chunks that its parent has": Case(
        lambda c: put(c, 4, {"large": LARGE[:19_000] + b"more"}), warm=read_newest
    ),
    "put, announced chunks": Case(
        lambda c: put(c, 4, {"messages": MESSAGES[:6]}), warm=read_newest
    ),
    "put, a large body": Case(lambda c: put(c, 4, WIDE)),
    "put, over a checkpoint": Case(lambda c: put(c, 3, {"large": LARGE, "a": 1})),
    "put, over an expired checkpoint": Case(
        lambda c: put(c, 4, {"a": 1}),
        prepare=lambda c: put(c, 4, {"a": 1}),
        table=EXPIRING,
        later=2.5 * TTL,
    ),
    "put_writes, regular": Case(writes(("a", 1), ("b", LARGE))),
    "put_writes, special": Case(writes((RESUME, LARGE))),
    "put_writes, special over another": Case(writes((INTERRUPT, LARGE), task="task")),
    "put_writes, both": Case(writes(("a", 1), (RESUME, "yes"), (INTERRUPT, "why?")), atomic=False),
    "put_writes, merged": Case(writes(("a", 1), ("b", LARGE), task="task")),
    "put_writes, already there": Case(writes(("messages", "z"), task="task"), changes=False),
    "get_tuple, cold": Case(read_newest, changes=False),
    "get_tuple, warm": Case(read_newest, warm=read_newest, changes=False),
    "get_tuple, by id": Case(lambda c: c.get_tuple(step_of(1)), changes=False),
    "list": Case(lambda c: c.list({"configurable": {"thread_id": "thread"}}), changes=False),
    "list, all threads": Case(lambda c: c.list(None), changes=False),
    "delta history": Case(history, prepare=a_delta_chain, changes=False),
    "delta history, renewed": Case(
        history, prepare=a_delta_chain, table=EXPIRING, later=0.9 * TTL, changes=False
    ),
    "delete_thread": Case(lambda c: c.delete_thread("thread"), atomic=False),
    "copy_thread": Case(lambda c: c.copy_thread("thread", "copy"), atomic=False),
    "prune": Case(lambda c: c.prune(["thread"]), atomic=False, later=AGED),
    "delete_for_runs": Case(
        lambda c: c.delete_for_runs(["run-1", "run-3"]), atomic=False, later=AGED
    ),
    "delete_for_runs, index": Case(
        lambda c: c.delete_for_runs(["run-1", "run-3"]),
        atomic=False,
        later=AGED,
        table={"enable_run_index": True},
    ),
}


class Faulty:
    """A table behind a client; one of its requests may fail.

    Args:
        broken: Which request, in which occurrence (from 0).
        kind: A name of `FAULTS`.
        takes_effect: Whether the request is executed all the same.
        lasting: Whether it fails at each retry.
    """

    def __init__(self, items: dict[Any, Any]) -> None:
        self.table = FakeTable()
        self.table.items = dict(items)
        self.sent: Counter[str] = Counter()
        self.broken: tuple[str, int] | None = None
        self.kind = ""
        self.takes_effect = self.lasting = False
        self._lock = threading.Lock()

    def answer(self, call: Call) -> Any:
        with self._lock:
            key = name_of(call)
            occurrence = self.sent[key]
            self.sent[key] += 1
            if self.broken is None or key != self.broken[0]:
                return self._execute(call)
            first = self.broken[1]
            fails = occurrence >= first if self.lasting else occurrence == first
            if not fails:
                return self._execute(call)
            if self.takes_effect:
                self._execute(call)
            return FAULTS[self.kind].raised or left_over(call)

    def _execute(self, call: Call) -> Any:
        reply = self.table.answer(call)
        if isinstance(reply, ConditionFailed):
            error = refusal("ConditionalCheckFailedException")
            if reply.item is not None:
                error.response["Item"] = reply.item  # type: ignore[typeddict-unknown-key]
            return error
        return reply


def name_of(call: Call) -> str:
    """A request's name: what is tried again has the same, in whatever order its items are."""
    params = dict(call.params)
    requests = params.get("RequestItems", {}).get(TABLE)
    if isinstance(requests, list):
        params["RequestItems"] = sorted(map(repr, requests))
    return f"{call.method} {params!r}"


def left_over(call: Call) -> Any:
    if call.method == "batch_get_item":
        return {"Responses": {}, "UnprocessedKeys": call.params["RequestItems"]}
    return {"UnprocessedItems": call.params["RequestItems"]}


class Bench:
    """Runs a case's operation again and again, each time from the same state."""

    def __init__(self, case: Case, mode: str) -> None:
        self._case = case
        self._scripted = Scripted(mode)
        self._is_async = mode != "sync"
        self._start: dict[Any, Any] = {}
        self._seen: dict[str, list[Any]] = {}

    def _client(self, faulty: Faulty, later: float) -> Either:
        saver = self._scripted.saver(
            faulty.answer,
            table_config=DynamoDBTableConfig(table_name=TABLE, **self._case.table),
            max_retries=RETRIES,
        )
        saver.clock = lambda: NOW + later  # type: ignore[method-assign]
        return Either(saver, use_async=self._is_async)

    async def prepare(self) -> None:
        faulty = Faulty({})
        client = self._client(faulty, 0.0)
        await self._case.prepare(client)
        await self._close(client)
        self._start = faulty.table.items

    async def opened(self) -> tuple[Faulty, Either]:
        """The table as prepared, and a saver that knows what it may know."""
        faulty = Faulty(self._start)
        client = self._client(faulty, self._case.later)
        await self._case.warm(client)
        faulty.sent.clear()
        return faulty, client

    async def state(self, faulty: Faulty) -> list[Any]:
        """All that a reader with an empty cache sees; of the same items, that is the same."""
        content = repr(sorted(faulty.table.items.items()))
        if content not in self._seen:
            reader = self._client(Faulty(faulty.table.items), self._case.later)
            self._seen[content] = [answer(one) for one in await reader.list(None)]
            await self._close(reader)
        return self._seen[content]

    async def _close(self, client: Either) -> None:
        await client.target.aclose()


def keyed(state: list[Any]) -> dict[Any, Any]:
    return {found["ids"]: found for found in state}


def is_between(before: list[Any], now: list[Any], after: list[Any], *, atomic: bool) -> bool:
    """Whether the state is neither the one before nor the one after.

    What is not atomic may have come, or gone, in part. Each checkpoint is whole still or
    not there; what is there before and after is there meanwhile; nothing else is.
    """
    if now in (before, after):
        return False
    old, new, have = keyed(before), keyed(after), keyed(now)
    kept = old.keys() & new.keys()
    if atomic or not kept <= have.keys():
        return True
    for ids, found in have.items():
        whole = new.get(ids) or old.get(ids)
        if whole is None or {**found, "writes": None} != {**whole, "writes": None}:
            return True
        if any(write not in whole["writes"] for write in found["writes"]):
            return True
        staying = old[ids]["writes"] if ids in kept else []
        if any(write in whole["writes"] and write not in found["writes"] for write in staying):
            return True
    return False


def newest_first(state: list[Any], thread: str) -> list[Any]:
    return [found for found in state if found["ids"][0] == thread and found["ids"][1] == ""]


def comparable(result: Any) -> Any:
    if isinstance(result, list):
        return [answer(one) for one in result]
    return answer(result) if hasattr(result, "checkpoint") else repr(result)


@pytest.mark.parametrize("mode", ["sync", "async"])  # the clients are scripted
@pytest.mark.parametrize("name", CASES)
async def test_every_request_of(name: str, mode: str) -> None:
    case = CASES[name]
    bench = Bench(case, mode)
    await bench.prepare()
    faulty, client = await bench.opened()
    before = await bench.state(faulty)
    result = comparable(await case.act(client))
    after = await bench.state(faulty)
    requests = dict(faulty.sent)
    assert requests
    assert (after == before) == (not case.changes)
    for request, count in requests.items():
        for occurrence in range(count):
            for plan in plans(request):
                faulty, client = await bench.opened()
                faulty.broken = (request, occurrence)
                faulty.kind, faulty.takes_effect, faulty.lasting = plan
                where = f"{plan} at {occurrence} of {request[:200]}"
                try:
                    found = comparable(await case.act(client))
                except DynamoDBSaverError as error:
                    check_error(error, plan, where)
                    check_tries(faulty, plan, where)
                    now = await bench.state(faulty)
                    assert not is_between(before, now, after, atomic=case.atomic), where
                    if name == "delete_thread":
                        newest = newest_first(now, "thread")[:1]
                        assert newest in ([], newest_first(before, "thread")[:1]), where
                else:
                    assert not fails(plan) or is_forgiven(name, request, plan), where
                    assert found == result, where
                    assert await bench.state(faulty) == after, where
                faulty.broken = None
                assert comparable(await case.act(client)) == result, where
                assert await bench.state(faulty) == after, where


Plan = tuple[str, bool, bool]


def is_forgiven(name: str, request: str, plan: Plan) -> bool:
    """Whether an operation may go on without a request: what it left over, or announced."""
    announced = "announced" in name and request.startswith("batch_write_item")
    return announced or plan[0] == LEFT_OVER


def plans(request: str) -> Iterator[Plan]:
    """Each fault, before and after it took effect, at one try and at every one."""
    for kind, fault in FAULTS.items():
        if kind == LEFT_OVER and not request.startswith("batch"):
            continue
        for takes_effect in (False, True):
            for lasting in (False, True) if fault.passes else (True,):
                yield kind, takes_effect, lasting


def fails(plan: Plan) -> bool:
    return plan[2]


def check_error(error: DynamoDBSaverError, plan: Plan, where: str) -> None:
    fault = FAULTS[plan[0]]
    assert fails(plan), where
    assert type(error) is fault.error, where
    assert f"on table '{TABLE}'" in str(error), where
    if fault.passes:
        (tried,) = re.findall(r"(\d+) times", str(error))
        if fault.error is ThrottledError:  # not counted while others of the partition succeed
            assert int(tried) >= RETRIES + 1, where
        else:
            assert int(tried) == RETRIES + 1, where


def check_tries(faulty: Faulty, plan: Plan, where: str) -> None:
    assert faulty.broken is not None
    request, occurrence = faulty.broken
    tries = faulty.sent[request] - occurrence
    if plan[0] == LEFT_OVER:  # what a round leaves is sent again in other batches
        assert tries <= RETRIES + 2, where
    elif FAULTS[plan[0]].error is ThrottledError:  # not counted while others succeed
        assert tries >= RETRIES + 1, where
    else:
        assert tries == (RETRIES + 1 if FAULTS[plan[0]].passes else 1), where
