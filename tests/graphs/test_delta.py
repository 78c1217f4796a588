"""DeltaChannel state: stored as writes, rebuilt from ancestors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Any

import pytest
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Overwrite, Send, interrupt
from typing_extensions import TypedDict

from play import Play, Scenario, checkpoint_id, in_run_context, thread


def append(state: list[Any] | None, writes: Sequence[list[Any]]) -> list[Any]:
    """Depends on the order of its writes, as a list of messages does."""
    return [*(state or []), *(item for write in writes for item in write)]


def state_type(frequency: int) -> Any:
    channel = Annotated[list[Any], DeltaChannel(append, snapshot_frequency=frequency)]
    rare = Annotated[list[Any], DeltaChannel(append, snapshot_frequency=1000)]
    return TypedDict("State", {"log": channel, "rare": rare, "item": int}, total=False)


def many_tasks(frequency: int) -> StateGraph[Any]:
    """12 parallel tasks write in each step; the order of replay shows in the list."""

    def work(state: Any) -> Any:
        return {"log": [f"work {state['item']}", "x" * 300 * (state["item"] % 3)]}

    def scatter(state: Any) -> list[Send]:
        return [Send("work", {"item": n}) for n in range(12)]

    return (
        StateGraph(state_type(frequency))
        .add_node("work", work)
        .add_node("after", lambda state: {"log": [f"after {len(state['log'])}"], "rare": ["once"]})
        .add_conditional_edges(START, scatter, ["work"])
        .add_edge("work", "after")
    )


async def written_by_many_tasks(play: Play, frequency: int) -> None:
    for turn in range(4):
        play.restart()
        value = {"log": [f"turn {turn}"]}
        play.see(await play.graph(many_tasks(frequency)).invoke(value, thread()))
    play.restart()
    state = await play.graph(many_tasks(frequency)).get_state(thread())
    assert len(state.values["log"]) == 4 * (1 + 24 + 1)
    await play.see_thread(play.graph(many_tasks(frequency)), thread())


async def edited_and_forked(play: Play, frequency: int) -> None:
    builder = partial(many_tasks, frequency)
    for turn in range(2):
        await play.graph(builder()).invoke({"log": [f"turn {turn}"]}, thread())
    await play.graph(builder()).update_state(thread(), {"log": ["edited"]}, as_node="after")
    play.restart()
    history = await play.see_thread(play.graph(builder()), thread())
    for state in history:
        play.restart()
        config = thread(checkpoint_id=checkpoint_id(state.config))
        play.see(await play.graph(builder()).invoke({"log": ["fork"]}, config))
        edited = await play.graph(builder()).update_state(
            state.config, {"log": ["edit"], "rare": ["edit"]}, as_node="after"
        )
        play.see(await play.graph(builder()).get_state(edited))
    await play.see_thread(play.graph(builder()), thread())


async def overwritten(play: Play, frequency: int) -> None:
    builder = (
        StateGraph(state_type(frequency))
        .add_node("add", lambda state: {"log": ["added"]})
        .add_node("reset", lambda state: {"log": Overwrite(["reset"]), "rare": Overwrite(None)})
        .add_edge(START, "add")
        .add_edge("add", "reset")
    )
    for _ in range(3):
        play.restart()
        value = {"log": ["begin"], "rare": ["begin"]}
        play.see(await play.graph(builder).invoke(value, thread()))
    await play.see_thread(play.graph(builder), thread())


async def interrupted_with_writes_pending(play: Play, frequency: int) -> None:
    builder = StateGraph(state_type(frequency))
    for name in ("one", "two"):
        builder.add_node(name, lambda state, name=name: {"log": [name]}).add_edge(START, name)
    ask = in_run_context(lambda state: {"log": [interrupt("?")]})
    builder.add_node("ask", ask).add_edge(START, "ask")
    for turn in range(3):
        play.see(await play.graph(builder).invoke({"log": [turn]}, thread()))
        await play.see_thread(play.graph(builder), thread())
        play.restart()
        play.see(await play.graph(builder).invoke(Command(resume=f"answer {turn}"), thread()))
        play.restart()
    await play.see_thread(play.graph(builder), thread())


async def stored_at_exit_only(play: Play, frequency: int) -> None:
    for turn in range(3):
        play.restart()
        graph = play.graph(many_tasks(frequency))
        play.see(await graph.invoke({"log": [turn]}, thread(), durability="exit"))
    await play.see_thread(play.graph(many_tasks(frequency)), thread())


def plain_append(state: list[Any], write: list[Any]) -> list[Any]:
    return [*state, *write]


class Before(TypedDict):
    log: Annotated[list[Any], plain_append]


async def changed_from_a_plain_reducer(play: Play, frequency: int) -> None:
    old = StateGraph(Before).add_node("add", lambda state: {"log": ["old"]}).add_edge(START, "add")
    new = (
        StateGraph(state_type(frequency))
        .add_node("add", lambda state: {"log": ["new"]})
        .add_edge(START, "add")
    )
    for builder in (old, old, new, new):
        play.restart()
        play.see(await play.graph(builder).invoke({"log": ["begin"]}, thread()))
    await play.see_thread(play.graph(new), thread())


SCENARIOS = [
    written_by_many_tasks,
    edited_and_forked,
    overwritten,
    interrupted_with_writes_pending,
    stored_at_exit_only,
    changed_from_a_plain_reducer,
]


@pytest.mark.parametrize("frequency", [1, 3, 1000])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_delta_channels(
    scenario: Callable[..., Awaitable[None]],
    frequency: int,
    compare: Callable[[Scenario], Awaitable[None]],
) -> None:
    await compare(partial(scenario, frequency=frequency))
