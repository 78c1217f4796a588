"""A table without capacity: three calls in ten are throttled, wholly or in part.

The replies are put in place of the engine's by botocore's events. Waits are observed where the
drivers ask for them; the clock says nothing about who waited for what.
"""

import asyncio
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import boto3
from aiobotocore.session import AioSession

import ledger
from crowd import Crowd
from langgraph_checkpoint_dynamodb.drivers.pacing import Pacer
from tables import KEYS, REGION, config, new_table

TITLE = "30 % of calls throttled, or batches left in part"
SHORT = {"turns": 2, "writers": 6}
LONG = {"turns": 12, "writers": 32}

SHARE = 0.3
RETRIES = 14
"""Enough that none of a million calls fails at each try."""
FIRST_DELAY, LONGEST_DELAY = 0.005, 0.05


def run(endpoint: str, seed: int, turns: int, writers: int) -> dict[str, int | float]:
    """Work to the end; no writer may see an error, and no wait may be over its bound."""
    table = Throttled(seed)
    with tempfile.TemporaryDirectory() as directory, new_table(endpoint) as settings:
        throttled = config(
            endpoint,
            settings.table_config.table_name,
            max_retries=RETRIES,
            initial_retry_delay=FIRST_DELAY,
            max_retry_delay=LONGEST_DELAY,
            session=table.watch(boto3.Session(region_name=REGION, **KEYS)),
            async_session=table.watch(_async_session()),
        )
        crowd = Crowd(throttled, Path(directory), seed)
        # These throttles do not depend on the rate, so pacing has nothing to find here; see
        # `partition.py` for those that do.
        with patch.object(Pacer, "delay", return_value=0.0), observed_waits() as waits:
            crowd.work(writers, turns=turns)
        counts = ledger.check_all(settings, Path(directory), seed)
    assert not crowd.counts["errors"], f"seed {seed}: {crowd.counts['errors']} errors"
    assert crowd.counts["turns"] == turns * writers, f"seed {seed}: not all work was done"
    assert max(waits) <= LONGEST_DELAY, f"seed {seed}: waited {max(waits)} s"
    assert len(waits) >= table.done["throttled"], f"seed {seed}: tried again without waiting"
    return {
        "writers": writers,
        "turns": crowd.counts["turns"],
        **table.done,
        "waits": len(waits),
        "longest_wait_ms": max(waits) * 1000,
        "acknowledged_checkpoints": counts["checkpoints"],
        "acknowledged_writes": counts["writes"],
        "errors": 0,
        "lost": 0,
    }


def _async_session() -> AioSession:
    session = AioSession()
    session.set_credentials(*KEYS.values())
    return session


@contextmanager
def observed_waits() -> Iterator[list[float]]:
    """Every wait that a driver of this process asks for, in seconds."""
    waits: list[float] = []
    sleep, asleep = time.sleep, asyncio.sleep

    def note(seconds: float) -> None:
        waits.append(seconds)
        sleep(seconds)

    async def anote(seconds: float, *rest: Any) -> Any:
        if seconds:  # without, a task only lets others run
            waits.append(seconds)
        return await asleep(seconds, *rest)

    with patch("time.sleep", note), patch("asyncio.sleep", anote):
        yield waits


class Throttled:
    """Throttles the calls of the clients of the sessions that it watches.

    A batch may also be done by halves: the rest is kept from the request, and told as unprocessed
    or refused.
    """

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self.done = Counter(requests=0, throttled=0, left_in_part=0)

    def watch(self, session: Any) -> Any:
        """A session of boto3 or aiobotocore; returns it."""
        events = getattr(session, "events", None) or session.get_component("event_emitter")
        for batch in ("BatchWriteItem", "BatchGetItem"):
            events.register(f"provide-client-params.dynamodb.{batch}", self._halve)
            events.register(f"after-call.dynamodb.{batch}", self._tell)
        statements = "dynamodb.BatchExecuteStatement"
        events.register(f"provide-client-params.{statements}", self._drop)
        events.register(f"after-call.{statements}", self._tell_of_statements)
        events.register("before-call.dynamodb", self._throttle)
        return session

    def _throttle(self, context: Any, **_: Any) -> Any:
        with self._lock:
            self.done["requests"] += 1
            if "left" in context or self._chance.random() >= SHARE:
                return None
            self.done["throttled"] += 1
        refusal = {"Code": "ProvisionedThroughputExceededException", "Message": "too fast"}
        return SimpleNamespace(status_code=400), {
            "Error": refusal,
            "ResponseMetadata": {"HTTPStatusCode": 400},
        }

    def _halve(self, params: Any, context: Any, **_: Any) -> Any:
        ((table, wanted),) = params["RequestItems"].items()
        entries = wanted["Keys"] if isinstance(wanted, dict) else wanted
        with self._lock:
            if len(entries) < 2 or self._chance.random() >= SHARE:
                return None
            self._chance.shuffle(entries := list(entries))
            self.done["left_in_part"] += 1
        half = len(entries) // 2
        now, left = (
            {**wanted, "Keys": some} if isinstance(wanted, dict) else some
            for some in (entries[half:], entries[:half])
        )
        context["left"] = {table: left}
        return {**params, "RequestItems": {table: now}}

    def _drop(self, params: Any, context: Any, **_: Any) -> Any:
        statements = params["Statements"]
        with self._lock:
            if self._chance.random() >= SHARE:
                return None
            dropped = set(self._chance.sample(range(len(statements)), len(statements) // 2))
            self.done["left_in_part"] += 1
        context["left"] = dropped
        return {**params, "Statements": [s for n, s in enumerate(statements) if n not in dropped]}

    def _tell_of_statements(self, parsed: Any, context: Any, **_: Any) -> None:
        for n in sorted(context.get("left", ())):
            error = {"Code": "ProvisionedThroughputExceeded", "Message": "too fast"}
            parsed["Responses"].insert(n, {"Error": error})

    def _tell(self, parsed: Any, context: Any, **_: Any) -> None:
        if "left" in context:
            name = "UnprocessedKeys" if "Responses" in parsed else "UnprocessedItems"
            parsed[name] = context["left"]
