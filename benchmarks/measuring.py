"""What is measured while a script is played, and after it.

A scenario fills in a `Result` while it runs, so that what was measured before a failure
is kept. `workloads.py` says which are run, and with what arguments.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.checkpoint.memory import InMemorySaver

import floor
import scripts
from calls import DURABLE, RESUME, Call, OverdueError, Recorder, by_method
from capacity import Cost, Meter
from scripts import Script, Turn, plain, texts

LIMIT = 10

Saver = BaseCheckpointSaver[Any]


@dataclass
class Result:
    measures: dict[str, float] = field(default_factory=dict)
    series: dict[str, list[float]] = field(default_factory=dict)
    """Measures by turn, first turn first."""
    rounds: dict[str, dict[str, float]] = field(default_factory=dict)
    """Round trips in sequence of the calls of each method."""
    wrong: str | None = None
    """How what the saver returned differs from what it was given."""
    cold_error: str | None = None
    """Why the turns in cold processes are not known, though the others are."""


@dataclass
class Bench:
    """What a scenario is given."""

    open: Callable[[], Saver]
    """A fresh saver on the table of this run: no cache of an earlier one."""
    meter: Meter
    recorder: Recorder
    result: Result
    stored: Callable[[], tuple[int, int]]
    """Bytes and items that the table holds."""
    progress: Callable[[int, int], None] = lambda _done, _total: None


def thread(name: str, script: Script) -> Any:
    return {"configurable": {"thread_id": name, "checkpoint_ns": ""}, **script.limits}


def play(
    bench: Bench, script: str, cold: bool = True, renewed: bool = False, **arguments: Any
) -> None:
    """Play a script in one process, load its thread, then play it in a process for each turn.

    With `renewed`, what is measured turn by turn is that, and not the one process.
    """
    write = getattr(scripts, script)
    played: Script = write(**arguments)
    saver = turns(bench, played, renewed=renewed)

    place = thread("warm", played)
    load(bench, "warm_load_", saver, played, place)
    values = load(bench, "load_", bench.open(), played, place)
    size, items = bench.stored()
    bench.result.measures |= {"stored_bytes": size, "stored_items": items}
    bench.result.wrong = difference(values, played.expected)
    if cold:
        again: Script = write(**arguments)
        try:
            cold_turns(bench, again)
        except OverdueError as error:
            bench.result.cold_error = str(error)


def turns(bench: Bench, script: Script, *, renewed: bool) -> Saver:
    """Play all turns and measure each; returns the saver of the last."""
    result = bench.result
    saver = bench.open()
    graph = script.graph.compile(checkpointer=saver)
    place = thread("warm", script)
    calls: list[Call] = []
    total: Counter[str] = Counter()
    bench.recorder.take()
    try:
        for number, turn in enumerate(script.turns, start=1):
            before = time.process_time()
            with bench.meter.measure() as cost:
                if renewed:  # what opening a saver sends is a part of it
                    saver = bench.open()
                    graph = script.graph.compile(checkpointer=saver)
                invoke(graph, turn, place)
            total.update(cost.measures() | {"cpu_seconds": time.process_time() - before})
            made = bench.recorder.take()
            calls += made
            add_turn(result, cost, made, turn, bench.stored()[0])
            bench.progress(number, len(script.turns))
    finally:
        result.rounds = by_method([*calls, *bench.recorder.take()])
    result.measures |= total | sums(script, calls)
    return saver


def add_turn(result: Result, cost: Cost, made: list[Call], turn: Turn, stored: int) -> None:
    measured = cost.measures() | {
        "durable_calls": durable(made),
        "new_bytes": new_bytes([turn]),
        "stored_bytes": stored,
    }
    for name, each in measured.items():
        result.series.setdefault(name, []).append(each)


def sums(script: Script, calls: list[Call]) -> dict[str, float]:
    """What was asked of the saver, whatever saver it is, and the floor of that."""
    compressed = floor.compressed(texts(new for turn in script.turns for new in turn.news))
    return {
        "turns": len(script.turns),
        "durable_calls": durable(calls),
        "resumes": sum(call.method == RESUME for call in calls),
        "new_bytes": new_bytes(script.turns),
        "new_compressed": compressed,
        "floor_write_units": floor.write_units(durable(calls), compressed),
    }


def durable(calls: list[Call]) -> int:
    return sum(call.method in DURABLE for call in calls)


def new_bytes(turns: Sequence[Turn]) -> int:
    return sum(len(text) for turn in turns for text in texts(turn.news))


def invoke(graph: Any, turn: Turn, place: Any) -> None:
    for each in turn.inputs:
        graph.invoke(each, place, durability="sync")


def load(bench: Bench, prefix: str, saver: Saver, script: Script, place: Any) -> dict[str, Any]:
    """The values of the finished thread, and what it cost to read them."""
    graph = script.graph.compile(checkpointer=saver)
    bench.recorder.take()
    with bench.meter.measure() as cost:
        state = graph.get_state(place)
    made = bench.recorder.take()
    bench.result.measures |= cost.measures(prefix) | {
        f"{prefix}rounds": sum(call.round_trips for call in made)
    }
    return dict(state.values)


def cold_turns(bench: Bench, script: Script) -> None:
    """Every turn in a process that has seen none of the thread: a function's cold start."""
    place = thread("cold", script)
    with bench.meter.measure() as total:
        for number, turn in enumerate(script.turns, start=1):
            invoke(script.graph.compile(checkpointer=bench.open()), turn, place)
            bench.progress(number, len(script.turns))
    bench.result.measures |= total.measures("cold_")


def difference(found: dict[str, Any], expected: dict[str, Any]) -> str | None:
    for name, value in expected.items():
        other = found.get(name)
        if plain(other) == plain(value):
            continue
        if isinstance(value, list) and len(other or ()) != len(value):
            return f"remembers {len(other or ())} of {len(value)} {name}"
        return f"remembers another {name} than was saved"
    return None


def history(bench: Bench, script: str, **arguments: Any) -> None:
    """Play a script, then list its checkpoints with a fresh saver: all, and the newest 10."""
    result = bench.result
    played: Script = getattr(scripts, script)(**arguments)
    place = thread("warm", played)
    graph = played.graph.compile(checkpointer=bench.open())
    for number, turn in enumerate(played.turns, start=1):
        invoke(graph, turn, place)
        bench.progress(number, len(played.turns))
    size, items = bench.stored()
    result.measures |= {"stored_bytes": size, "stored_items": items}

    newest = listed(bench, "list10_", place, LIMIT)
    found = listed(bench, "history_", place, None)
    result.measures["checkpoints"] = len(found)
    reference = InMemorySaver()
    again: Script = getattr(scripts, script)(**arguments)
    graph = again.graph.compile(checkpointer=reference)
    for turn in again.turns:
        invoke(graph, turn, place)
    expected = list(reference.list(place))
    result.wrong = history_difference(found, expected)
    if not result.wrong and list(map(saved, newest)) != list(map(saved, expected[:LIMIT])):
        result.wrong = f"returns other checkpoints with limit={LIMIT} than without"


def listed(bench: Bench, prefix: str, place: Any, limit: int | None) -> list[CheckpointTuple]:
    saver = bench.open()
    bench.recorder.take()
    with bench.meter.measure() as cost, bench.recorder.call("list"):
        found = list(saver.list(place, limit=limit))
    (made,) = bench.recorder.take()
    bench.result.measures |= cost.measures(prefix) | {f"{prefix}rounds": made.round_trips}
    return found


def history_difference(found: list[CheckpointTuple], expected: list[CheckpointTuple]) -> str | None:
    if len(found) != len(expected):
        return f"returns {len(found)} of {len(expected)} checkpoints"
    if list(map(saved, found)) != list(map(saved, expected)):
        return "returns other checkpoints than were saved"
    writes, expected_writes = list(map(pending, found)), list(map(pending, expected))
    if writes != expected_writes:
        count, expected_count = sum(map(len, writes)), sum(map(len, expected_writes))
        return f"returns {count} of {expected_count} pending writes"
    return None


def saved(checkpoint: CheckpointTuple) -> tuple[Any, ...]:
    """What is equal in two runs of one script: all but random ids, times and versions."""
    values = {
        name: plain(value)
        for name, value in checkpoint.checkpoint["channel_values"].items()
        if not name.startswith(("branch:", "__"))
    }
    return checkpoint.metadata["source"], checkpoint.metadata["step"], values


def pending(checkpoint: CheckpointTuple) -> list[tuple[str, Any]]:
    """Writes of the checkpoint, in the order of their channels' names."""
    writes = [(channel, plain(value)) for _, channel, value in checkpoint.pending_writes or ()]
    return sorted(writes, key=lambda write: write[0])
