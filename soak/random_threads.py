"""One thread, played step by step on two savers: after each, what a user sees is the same.

`InMemorySaver` is LangGraph's own reference. What a step does is drawn from the seed and from
what both savers have shown, so both play the same until the first difference.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

import random_graphs
import random_values
import seen
from fleet import Fleet

DURABILITIES = ("sync", "async", "exit")


@dataclass(frozen=True)
class Traits:
    """What a kind of case has.

    Attributes:
        in_place: Nodes change what they were handed, when no put is under way.
        restyles: Messages are replaced by equal ones that are not the same.
        expires: There is a TTL, and the clock goes on between steps.
        small: Caches too small for a state.
    """

    in_place: bool = False
    restyles: bool = False
    expires: bool = False
    small: bool = False


class Side:
    """A graph on one of the two savers."""

    def __init__(self, saver: Any, plan: random_graphs.Plan, wait: Callable[[Any], Any]) -> None:
        self.wait = wait
        self.builder = random_graphs.build(plan)
        self.stops: Any = {kind: list(names) for kind, names in plan.stops}
        self.graphs: dict[int, Any] = {}
        self.use(saver)

    def use(self, saver: Any) -> None:
        self.saver = saver
        if id(saver) not in self.graphs:
            self.graphs[id(saver)] = self.builder.compile(checkpointer=saver, **self.stops)
        self.graph = self.graphs[id(saver)]

    def call(self, name: str, *args: Any, use_async: bool = False, **kwargs: Any) -> Any:
        """A method's result, or the error that it raised. A history comes as a list."""
        try:
            if use_async:
                return self.wait(_listed(getattr(self.graph, "a" + name)(*args, **kwargs)))
            found = getattr(self.graph, name)(*args, **kwargs)
            return list(found) if name == "get_state_history" else found
        except Exception as error:
            return error


async def _listed(found: Any) -> Any:
    if hasattr(found, "__aiter__"):
        return [one async for one in found]
    return await found


class Thread:
    """One case: a random graph, its thread, and the steps on it."""

    def __init__(
        self, fleet: Fleet, chance: random.Random, traits: Traits, name: str, figures: Counter[str]
    ) -> None:
        self.fleet, self.chance, self.traits, self.figures = fleet, chance, traits, figures
        self.plan = random_graphs.draw_plan(
            chance, in_place=traits.in_place, restyles=traits.restyles
        )
        self.name = name
        self.inputs = 0
        self.story: list[str] = []
        memory = InMemorySaver(serde=random_values.serializer())
        wait = fleet.table.wait
        self.sides = (Side(memory, self.plan, wait), Side(fleet.savers[0], self.plan, wait))
        self.state: Any = None
        self.past: tuple[list[Any], list[Any]] = ([], [])

    @property
    def config(self) -> dict[str, Any]:
        return {"configurable": {"thread_id": self.name}, "metadata": {"user": "ada"}}

    def play(self, steps: int) -> None:
        for _ in range(steps):
            self.sides[1].use(self.chance.choice(self.fleet.savers))
            if self.traits.expires and self.chance.random() < 0.5:
                self.fleet.pass_time()
            if self.traits.small and self.chance.random() < 0.4:
                self.fleet.evict(self.sides[1].saver)
            step = self.chance.choices(*zip(*STEPS, strict=True))[0]
            self.story.append(step.__name__)
            step(self)
            self.look()
        self.look_back()
        self.check_stored()

    # Calls on both sides

    def both(self, name: str, make: Callable[[int], tuple[Any, ...]], **kwargs: Any) -> list[Any]:
        """Call a method on both sides, each with arguments of its own."""
        use_async = self.chance.random() < 0.4
        self.figures["async_calls"] += use_async
        found = []
        for at, side in enumerate(self.sides):
            found.append(side.call(name, *make(at), use_async=use_async, **kwargs))
        return found

    def same(self, what: str, left: Any, right: Any) -> None:
        if left != right:
            told = seen.difference(left, right)
            raise AssertionError(f"{what} after {self.story}: {told} ({self.fleet}; {self.plan})")

    def look(self) -> None:
        """The newest state, on both sides."""
        states = self.both("get_state", lambda _: (self.config,), subgraphs=True)
        self.figures["reads"] += 1
        self.compare("the state", states, self._snapshot)
        self.state = None if isinstance(states[0], Exception) else states[0]

    def look_back(self) -> None:
        histories = self.both("get_state_history", lambda _: (self.config,))
        self.figures["histories"] += 1
        self.compare("the history", histories, self._history)
        failed = isinstance(histories[0], Exception)
        self.past = ([], []) if failed else (histories[0], histories[1])

    def check_stored(self) -> None:
        """Every checkpoint of every namespace, as a new process reads it; and the table."""
        config = {"configurable": {"thread_id": self.name}}
        fresh = self.fleet.fresh()
        tuples = [list(saver.list(config)) for saver in (self.sides[0].saver, fresh)]
        # Where nodes change values in place, what a task has returned may be changed as well.
        rebuilt = {"delta"} | ({"messages"} if self.plan.messages == "delta" else set())
        results = not self.traits.in_place
        left, right = (seen.stored(one, rebuilt=rebuilt, results=results) for one in tuples)
        self.same("what is stored", left, right)
        self.figures["checkpoints"] += len(tuples[0])
        report = fresh.verify(self.name)
        assert not report.problems, f"after {self.story}: {report} ({self.fleet})"

    def compare(self, what: str, found: list[Any], show: Callable[[Any], Any]) -> None:
        left, right = (
            seen.exact(one) if isinstance(one, Exception) else show(one) for one in found
        )
        self.same(what, left, right)
        if isinstance(found[0], Exception):
            self.figures["errors"] += 1

    def _snapshot(self, state: Any) -> Any:
        return seen.snapshot(state, results=not self.traits.in_place)

    def _history(self, states: Any) -> Any:
        return seen.history(states, results=not self.traits.in_place)

    # Steps

    def invoke(self, make: Callable[[int], Any], at: list[Any] | None = None) -> None:
        """One run, from the newest state or from `at`, a config of each side."""
        calm = ("sync", "exit") if self.traits.in_place else DURABILITIES
        if at is not None and self.traits.in_place:
            calm = ("exit",)  # a fork's own checkpoint is put while the first node runs
        durability = self.chance.choice(calm)
        configs = [self.config, self.config] if at is None else at
        given = [make(side) for side in (0, 1)]
        found = self.both(
            "invoke", lambda side: (given[side], configs[side]), durability=durability
        )
        self.figures["turns"] += 1
        self.compare(f"invoke with {durability!r}", found, seen.result)
        if self.chance.random() < 0.3:
            self._spoil([*given, *found])

    def turn(self) -> None:
        state = self.state
        if state is not None and state.interrupts and self.chance.random() < 0.85:
            self.resume()
        elif state is not None and state.next and self.chance.random() < 0.7:
            self.invoke(lambda _: None)
        else:
            self.invoke(self._input())

    def resume(self) -> None:
        self.figures["interrupts"] += 1
        draw = self.chance.random()
        answer = random_values.nested(self.chance)
        if draw < 0.4 or len(self.state.interrupts) == 1:
            update = {"note": "with the answer"} if draw < 0.1 else None
            self.invoke(lambda _: Command(resume=answer, update=update))
            return
        chosen = self.chance.randrange(len(self.state.interrupts))
        every = self.chance.random() < 0.5
        states = self.both("get_state", lambda _: (self.config,))

        def answers(side: int) -> Any:
            asked = sorted(states[side].interrupts, key=lambda one: repr(seen.exact(one)))
            taken = asked if every else asked[chosen : chosen + 1]
            return Command(resume={one.id: answer for one in taken})

        self.invoke(answers)

    def fork(self) -> None:
        """Go on from an old checkpoint: a replay, or another input."""
        at = self._old_configs()
        if at is None:
            return self.turn()
        self.figures["forks"] += 1
        make = self._input() if self.chance.random() < 0.5 else lambda _: None
        return self.invoke(make, at)

    def update(self) -> None:
        """`update_state`, of the newest state or an old one, as some node or another."""
        at = self._old_configs() if self.chance.random() < 0.5 else None
        configs = at or [self.config, self.config]
        make = self._input(extra=True)
        as_node = self.chance.choice((None, *self.plan.names, "__copy__", "__end__"))
        found = self.both(
            "update_state",
            lambda side: (configs[side], None if as_node == "__copy__" else make(side)),
            **({} if as_node is None else {"as_node": as_node}),
        )
        self.figures["updates"] += 1
        self.compare(f"update_state as {as_node!r}", found, lambda config: ())
        if not isinstance(found[0], Exception) and self.chance.random() < 0.4:
            found = self.both("get_state", lambda side: (found[side],))
            self.compare("the state of an update", found, self._snapshot)

    def restart(self) -> None:
        self.figures["restarts"] += 1
        at = self.chance.randrange(len(self.fleet.savers))
        self.fleet.restart(at)
        self.sides[1].use(self.fleet.savers[at])

    def read(self) -> None:
        """An old state, and a caller who changes what it got."""
        at = self._old_configs()
        if at is None:
            return
        found = self.both("get_state", lambda side: (at[side],), subgraphs=True)
        self.figures["reads"] += 1
        self.compare("an old state", found, self._snapshot)
        if not isinstance(found[0], Exception):
            self._spoil([one.values for one in found] + [one.metadata for one in found])

    # Chance

    def _input(self, *, extra: bool = False) -> Callable[[int], Any]:
        """Makes the same input for each side."""
        self.inputs += 1
        return partial(_make_input, f"{self.plan.seed} {self.inputs} {self.chance.random()}", extra)

    def _old_configs(self) -> list[Any] | None:
        self.look_back()
        if not self.past[0]:
            return None
        at = self.chance.randrange(len(self.past[0]))
        return [states[at].config for states in self.past]

    def _spoil(self, things: list[Any]) -> None:
        """Change what was passed in or got back: nobody else may see it."""
        for thing in things:
            if isinstance(thing, dict):
                for held in thing.values():
                    if isinstance(held, list) and held:
                        held.pop()
                    if isinstance(held, dict):
                        held["spoiled"] = True
                thing["spoiled"] = True


def _make_input(seed: str, extra: bool, side: int) -> Any:
    chance = random.Random(seed)
    count = chance.choice((1, 1, 2, 5, 5, 70 if chance.random() < 0.3 else 3))
    made: dict[str, Any] = {
        "messages": [random_values.message(chance, f"in {seed} {n}") for n in range(count)]
    }
    if chance.random() < 0.3:
        made["data"] = {chance.choice("abcd"): random_values.value(chance)}
    if chance.random() < 0.3:
        made["note"] = random_values.value(chance)
    if chance.random() < 0.5:
        made["delta"] = ["from outside"]
    if extra and chance.random() < 0.5:
        made = {"log": [random_values.nested(chance)], "note": random_values.value(chance)}
    return made


STEPS: tuple[tuple[Callable[[Thread], None], int], ...] = (
    (Thread.turn, 10),
    (Thread.fork, 2),
    (Thread.update, 3),
    (Thread.restart, 2),
    (Thread.read, 1),
)
