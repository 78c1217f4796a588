"""Play one scenario on two savers and compare all that a user of the graph sees.

`InMemorySaver` is LangGraph's own reference: whatever a graph returns, and
whatever its states and history say, must come out the same from ours.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Interrupt, PregelTask, StateSnapshot

from either import Either

Scenario = Callable[["Play"], Awaitable[None]]


class Play:
    """One run of a scenario: its graphs, and what was seen of them.

    Args:
        reopen: Makes a saver on the storage of this run, as a new process would.
        use_async: Whether graphs run by their async methods.
    """

    def __init__(self, reopen: Callable[[], BaseCheckpointSaver[Any]], *, use_async: bool) -> None:
        self._reopen = reopen
        self._use_async = use_async
        self.saver = reopen()
        self.seen: list[Any] = []

    def graph(self, builder: Any, **compile_options: Any) -> Either:
        """A state graph, or a function that makes a functional graph of a saver."""
        if hasattr(builder, "compile"):
            compiled = builder.compile(checkpointer=self.saver, **compile_options)
        else:
            compiled = builder(self.saver)
        return Either(compiled, use_async=self._use_async)

    def restart(self) -> None:
        """Graphs made from here on know only what was stored."""
        self.saver = self._reopen()

    def see(self, thing: Any) -> Any:
        """Remember what a user sees, for the comparison."""
        self.seen.append(plain(thing))
        return thing

    async def see_thread(self, graph: Either, config: dict[str, Any]) -> list[StateSnapshot]:
        """Remember a thread's state and its whole history."""
        self.see(await graph.get_state(config, subgraphs=True))
        history: list[StateSnapshot] = await graph.get_state_history(config)
        # Ids differ from run to run; who descends from whom must not.
        order = {checkpoint_id(state.config): at for at, state in enumerate(history)}
        for state in history:
            parent = state.parent_config and order.get(checkpoint_id(state.parent_config), "gone")
            self.seen.append(("parent", parent))
            self.see(state)
        return history


async def compare(
    scenario: Scenario, reopen: Callable[[], BaseCheckpointSaver[Any]], *, use_async: bool
) -> None:
    """Assert that the scenario looks the same on both savers."""
    memory = InMemorySaver()
    expected = Play(lambda: memory, use_async=use_async)
    await scenario(expected)
    actual = Play(reopen, use_async=use_async)
    await scenario(actual)
    assert actual.seen == expected.seen
    assert expected.seen


def in_run_context(function: Callable[[Any], Any]) -> Callable[..., Any]:
    """For what calls `interrupt` or a task.

    These find their run by a context variable, which asyncio hands on to the tasks it makes
    from Python 3.11 on only.
    """
    if sys.version_info >= (3, 11):
        return function

    def run(value: Any, config: RunnableConfig) -> Any:
        context = copy_context()
        context.run(var_child_runnable_config.set, config)
        return context.run(function, value)

    run.__name__ = function.__name__
    return run


def checkpoint_id(config: Any) -> str:
    return str(config["configurable"]["checkpoint_id"])


def thread(name: str = "thread", **configurable: Any) -> dict[str, Any]:
    return {"configurable": {"thread_id": name, **configurable}}


def plain(thing: Any) -> Any:  # noqa: PLR0911 - one for each type
    """Without ids and times, which are drawn anew in every run."""
    match thing:
        case StateSnapshot():
            metadata = thing.metadata or {}
            return {
                "values": plain(thing.values),
                "next": thing.next,
                "source": metadata.get("source"),
                "step": metadata.get("step"),
                "tasks": [plain(task) for task in thing.tasks],
                "interrupts": plain(thing.interrupts),
            }
        case PregelTask():
            return {
                "name": thing.name,
                "path": thing.path,
                "error": repr(thing.error),
                "interrupts": plain(thing.interrupts),
                "result": plain(thing.result),
                # A config names a subgraph whose state was not asked for.
                "state": None if isinstance(thing.state, dict) else plain(thing.state),
            }
        case Interrupt():
            return ("interrupt", plain(thing.value))
        case BaseMessage():
            return (thing.type, plain(thing.content))
        case BaseException():
            return repr(thing)
        case dict():
            result = {key: plain(value) for key, value in thing.items()}
            if "__interrupt__" in result:
                # In the order in which parallel tasks happened to ask.
                result["__interrupt__"] = sorted(result["__interrupt__"])
            return result
        case list() | tuple():
            return [plain(value) for value in thing]
        case _:
            return thing
