"""Where a turn's CPU time goes: this project's saver on a table that answers at once.

    .venvs/bench-ours/bin/python benchmarks/profile_turn.py --turns 100

Prints one row for each package, as Markdown. cProfile slows small Python functions down more
than large calls of C, so the parts are to be read as an order and not as shares of a clock.
"""

import argparse
import cProfile
import pstats
import re
import time
from collections import Counter
from typing import Any

from timing_own import METHODS, own_saver
from timing_report import profiled
from timing_stub import StubSession

OWN = "langgraph_checkpoint_dynamodb"
STUB = "the table's stand-in"
GROUPS = (
    (rf"{OWN}/(\w+)/\w+\.py", rf"{OWN}.\1"),
    (r"langgraph/checkpoint/serde", "langgraph.checkpoint.serde"),
    (r"langgraph/checkpoint", "langgraph.checkpoint"),
    (r"langchain_core|pydantic", "langchain_core and pydantic: messages"),
    (r"tenacity", "tenacity"),
    (r"timing_stub|sqlite3|pickle", STUB),
)
C_MODULES = {
    "ormsgpack": "ormsgpack",
    "zstandard": "zstandard",
    "Zstd": "zstandard",
    "pydantic_core": "langchain_core and pydantic: messages",
    "_hashlib": "hashlib",
    "hash": "hashlib",
    "blake2": "hashlib",
    "fastcdc": "pyfastcdc",
    "FastCDC": "pyfastcdc",
    "sqlite3": STUB,
    "_pickle": STUB,
}
OTHER = "the rest of Python"

Function = tuple[str, int, str]


class Profiler:
    """A profile of each call of a saver's methods, in whatever thread it runs."""

    def __init__(self) -> None:
        self.profiles: list[cProfile.Profile] = []
        self.running = False

    def profile(self, saver: Any) -> Any:
        """The same saver, profiled: a subclass, because LangGraph copies savers."""
        kind, profiler = type(saver), self

        def profiled(name: str) -> Any:
            method = getattr(kind, name)

            def call(saver: Any, *args: Any, **kwargs: Any) -> Any:
                if not profiler.running:
                    return method(saver, *args, **kwargs)
                profile = cProfile.Profile(time.thread_time)
                profiler.profiles.append(profile)
                return profile.runcall(method, saver, *args, **kwargs)

            return call

        saver.__class__ = type(kind.__name__, (kind,), {name: profiled(name) for name in METHODS})
        return saver


def group_of(function: Function) -> str | None:
    """What a function is counted as; a built-in one that is not known counts to its callers."""
    file, _, name = function
    if file == "~":
        return next((told for part, told in C_MODULES.items() if part in name), None)
    for pattern, told in GROUPS:
        if found := re.search(pattern, file):
            return found.expand(told)
    return OTHER


def seconds_by_group(stats: Any) -> Counter[str]:
    """Time of each group of functions, without what they call."""
    found: Counter[str] = Counter()
    for function, (_, _, own, _, callers) in stats.items():
        group = group_of(function)
        if group is not None:
            found[group] += own
            continue
        for caller, (_, _, part, _) in callers.items():
            found[group_of(caller) or OTHER] += part
    return found


def profile(chat: Any, turns: int, first: int) -> dict[str, float]:
    """Milliseconds a turn of each group, of the turns after the `first` ones."""
    profiler = Profiler()
    played = chat(profiler.profile(own_saver(StubSession())))
    for _ in range(first):
        played.turn("profiled")
    profiler.running = True
    for _ in range(turns):
        played.turn("profiled")
    together = pstats.Stats(profiler.profiles[0])
    for each in profiler.profiles[1:]:
        together.add(each)
    found = seconds_by_group(together.stats)  # type: ignore[attr-defined]
    del found[STUB]
    return {group: seconds * 1000 / turns for group, seconds in found.most_common()}


if __name__ == "__main__":
    from timing import Chat

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=100, help="turns that are profiled")
    parser.add_argument("--first", type=int, default=0, help="turns before them")
    chosen = parser.parse_args()
    print(profiled(profile(Chat, chosen.turns, chosen.first)))
