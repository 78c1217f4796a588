"""The thread directory after a campaign, compared with the ledgers of its writers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import work
from langgraph_checkpoint_dynamodb import DynamoDBSaver, ProblemKind, Thread
from langgraph_checkpoint_dynamodb.format.thread_entries import PERIOD_SECONDS

ALLOWED = {ProblemKind.ORPHAN_WRITES, ProblemKind.ORPHAN_CHUNK}
"""What a writer leaves that was killed, or has seen an error: nothing refers to it."""


def check(
    saver: DynamoDBSaver, ledgers: Mapping[str, Sequence[Mapping[str, Any]]], seed: int
) -> int:
    """Hold the directory against the ledgers; returns how many threads are listed.

    A thread with an acknowledged checkpoint is listed, for its owner, with an activity not more
    than an hour older. One whose ledger is empty was deleted: it is not listed, and nothing of it
    is stored. `verify` finds that entries and threads agree; only a thread without an acknowledged
    checkpoint may have an entry alone.
    """
    found = _all_threads(saver, seed, all_owners=True)
    by_owner = [_all_threads(saver, seed, owner=one) for one in work.OWNERS]
    assert sum(map(len, by_owner)) == len(found), f"seed {seed}: pages of owners and of all differ"
    assert found.keys() <= ledgers.keys(), f"seed {seed}: {found.keys() - ledgers.keys()}"
    acknowledged = {}
    for thread_id, entries in ledgers.items():
        where = f"seed {seed}, thread {thread_id}"
        puts = [one for one in entries if "state" in one]
        done = [one["clock"] for one in puts if one["end"] == "done"]
        if done:
            acknowledged[thread_id] = max(done)
            assert thread_id in found, f"{where} is not listed"
            assert found[thread_id].owner == work.owner_of(thread_id), f"{where}: another owner"
            behind = max(done) - found[thread_id].last_activity.timestamp()
            assert behind <= PERIOD_SECONDS + 1, f"{where} is listed {behind} s behind"
        elif not puts:
            assert thread_id not in found, f"{where} is deleted, and listed"
            assert not saver.storage(thread_id).total.items, f"{where} is deleted, and stored"
    _check_entries(saver, acknowledged, seed)
    return len(found)


def _all_threads(saver: DynamoDBSaver, seed: int, **whose: Any) -> dict[str, Thread]:
    found: dict[str, Thread] = {}
    page = saver.list_threads(**whose, limit=7)
    while True:
        for one in page.threads:
            assert one.thread_id not in found, f"seed {seed}: listed twice: {one}"
            found[one.thread_id] = one
        if page.cursor is None:
            return found
        page = saver.list_threads(**whose, limit=7, cursor=page.cursor)


def _check_entries(saver: DynamoDBSaver, acknowledged: Mapping[str, float], seed: int) -> None:
    """Hours after the last put: what is young may be on its way."""
    saver.clock = lambda: max(acknowledged.values(), default=0) + 24 * PERIOD_SECONDS
    try:
        for problem in saver.verify().problems:
            is_begun = (
                problem.kind is ProblemKind.EMPTY_THREAD and problem.thread_id not in acknowledged
            )
            assert is_begun or problem.kind in ALLOWED, f"seed {seed}: {problem}"
    finally:
        del saver.clock
