"""Random graphs on `DynamoDBSaver` and on LangGraph's `InMemorySaver`: a user sees the same.

A case is one thread. Its kind says what it is about:

* `graphs`: messages, windows, sends, commands, interrupts, subgraphs, forks, updates, replays.
* `in_place`: the same, and nodes change what they were handed, with and without returning it.
* `alike`: the same, and messages are replaced by equal ones that are not the same.
* `expiry`: the same with a TTL, while the clock goes on.
* `mixed`: all of these at once.
* `callers`: callers of the saver change what they passed in or got, and put it again.
* `racing`: nodes change a value while it is being stored.
* `readers`, `runs`, `deletions`: several callers use one thread at once.

The first five compare states, histories and everything stored, step by step. The others check
that what is read is a state that the thread has had, and that no call fails. Savers are one to
three processes with caches of every size, sync and async, with encryption, fencing, shared puts.

A failure names seed and case: `run(endpoint, seed, cases, only="racing")` runs one kind, and
`case=` one case.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import concurrent_threads
import direct_callers
import fleet as fleets
import racing_nodes
from langgraph_checkpoint_dynamodb import DynamoDBSaver
from random_threads import Thread, Traits

TITLE = "2,000 random graphs compared with InMemorySaver"
SHORT = {"cases": 40}
LONG = {"cases": 2_000}

Play = Callable[[fleets.Fleet, random.Random, str, Counter[str]], None]


def _compared(traits: Traits) -> Play:
    def play(fleet: fleets.Fleet, chance: random.Random, name: str, figures: Counter[str]) -> None:
        Thread(fleet, chance, traits, name, figures).play(chance.randint(3, 6))

    return play


SMALL = (0, 2_000, 20_000, 200_000)
LARGE = (200_000, None, None)
PLAIN = {"real_time": True, "ttl": None, "fence": False, "encrypted": False}
AT_ONCE = ("racing", "readers", "runs", "deletions")
"""Kinds with threads that take turns more often than Python's usual 5 ms."""

KINDS: dict[str, tuple[int, Play, dict[str, Any]]] = {
    "graphs": (12, _compared(Traits()), {"caches": (None, 200_000)}),
    "in_place": (6, _compared(Traits(in_place=True, small=True)), {"caches": (*SMALL, None)}),
    "alike": (3, _compared(Traits(restyles=True)), {"caches": (None,)}),
    "expiry": (4, _compared(Traits(expires=True)), {"caches": (None,), "count": 1}),
    "mixed": (6, _compared(Traits(True, True, True, True)), {}),
    "callers": (3, direct_callers.callers, {"caches": (None,), "fence": False}),
    "racing": (2, racing_nodes.racing, {"fence": False}),
    "readers": (2, concurrent_threads.readers, {**PLAIN, "caches": LARGE}),
    "runs": (1, concurrent_threads.runs, {**PLAIN, "caches": LARGE}),
    "deletions": (1, concurrent_threads.deletions, {**PLAIN, "caches": LARGE}),
}
"""Each kind's share of 40 cases, how it is played, and its savers' settings."""

SHARES = [kind for kind, (share, _, _) in KINDS.items() for _ in range(share)]


def run(
    endpoint: str,
    seed: int,
    cases: int,
    only: str | None = None,
    case: int | None = None,
    saver_class: type[Any] = DynamoDBSaver,
) -> dict[str, int | float]:
    """Play so many cases, of all kinds or `only` one; or nothing but one `case`."""
    figures: Counter[str] = Counter(cases=0, turns=0, differences=0)
    order = random.Random(seed).sample(SHARES, len(SHARES))
    with fleets.open_table(endpoint, saver_class) as table:
        fleets.connect(table)
        for number in range(cases) if case is None else (case,):
            kind = only or order[number % len(order)]
            where = f"seed {seed}, case {number}, {kind}"
            try:
                _play(table, kind, f"{seed} {number}", figures)
            except Exception as error:
                raise AssertionError(f"{where}: {type(error).__name__}: {error}") from error
            figures["cases"] += 1
            figures[kind] += 1
    return dict(figures)


def _play(table: fleets.Table, kind: str, seed: str, figures: Counter[str]) -> None:
    chance = random.Random(f"{kind} {seed}")
    _, play, settings = KINDS[kind]
    if kind in {"expiry", "mixed"}:
        settings = {"ttl": chance.choice(fleets.LIFETIMES), **settings}
    fleet = fleets.Fleet(table, chance, **settings)
    usual = sys.getswitchinterval()
    if kind in AT_ONCE:
        sys.setswitchinterval(chance.choice((usual, 1e-3, 1e-4)))
    try:
        play(fleet, chance, f"{kind} {seed}", figures)
    finally:
        sys.setswitchinterval(usual)
        fleet.close()
