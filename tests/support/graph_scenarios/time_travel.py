"""Earlier states: edited, forked from, run again."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from langgraph.graph import START, StateGraph
from langgraph.types import StateUpdate
from typing_extensions import TypedDict

from play import Play, checkpoint_id, thread


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    last: str
    document: str


def steps() -> StateGraph[State]:
    builder = StateGraph(State)
    names = ("a", "b", "c")
    for name in names:
        builder.add_node(name, lambda state, name=name: {"log": [name], "last": name})
    for before, after in zip((START, *names), names, strict=False):
        builder.add_edge(before, after)
    return builder


async def fork_from_every_checkpoint(play: Play) -> None:
    start = {"log": ["begin"], "document": "constant " * 2000}
    await play.graph(steps()).invoke(start, thread())
    history = await play.graph(steps()).get_state_history(thread())
    assert len(history) == 5
    for state in history:
        play.restart()
        config = thread(checkpoint_id=checkpoint_id(state.config))
        play.see(await play.graph(steps()).invoke(None, config))
        play.see(await play.graph(steps()).invoke({"log": ["new input"]}, config))
    await play.see_thread(play.graph(steps()), thread())


async def update_every_checkpoint(play: Play) -> None:
    await play.graph(steps()).invoke({"log": ["begin"]}, thread())
    history = await play.graph(steps()).get_state_history(thread())
    for state in history[:-1]:
        play.restart()
        edit = {"log": [f"edit at {state.next}"], "last": "edit"}
        forked = await play.graph(steps()).update_state(state.config, edit)
        play.see(await play.graph(steps()).get_state(forked))
        play.see(await play.graph(steps()).invoke(None, forked))
    await play.see_thread(play.graph(steps()), thread())


async def update_as_a_node(play: Play) -> None:
    graph = play.graph(steps())
    first = await graph.update_state(thread(), {"log": ["before any run"]}, as_node="a")
    play.see(await graph.get_state(first))
    play.see(await graph.invoke(None, thread()))
    await graph.update_state(thread(), {"log": ["as b"]}, as_node="b")
    play.restart()
    result = play.see(await play.graph(steps()).invoke(None, thread()))
    assert result["log"] == ["before any run", "b", "c", "as b", "c"]
    await play.see_thread(play.graph(steps()), thread())


async def several_updates_at_once(play: Play) -> None:
    graph = play.graph(steps())
    updates = [
        [StateUpdate({"log": ["input"]}, "__input__")],
        [StateUpdate({"log": ["as a"]}, "a"), StateUpdate({"log": ["as b"]}, "b")],
    ]
    await graph.bulk_update_state(thread(), updates)
    play.restart()
    await play.see_thread(play.graph(steps()), thread())


async def copy_and_clear_by_update(play: Play) -> None:
    stops = {"interrupt_before": ["b"]}
    await play.graph(steps(), **stops).invoke({"log": ["begin"]}, thread())
    graph = play.graph(steps(), **stops)
    await graph.update_state(thread(), None, as_node="__copy__")
    play.see(await graph.get_state(thread()))
    play.restart()
    await play.graph(steps(), **stops).update_state(thread(), None)
    await play.see_thread(play.graph(steps(), **stops), thread())


async def history_in_parts(play: Play) -> None:
    graph = play.graph(steps())
    for turn in range(3):
        await graph.invoke({"log": [f"turn {turn}"]}, thread(), durability="sync")
    play.restart()
    graph = play.graph(steps())
    history = await graph.get_state_history(thread())
    for limit in (1, 4, 100):
        play.see(await graph.get_state_history(thread(), limit=limit))
    play.see(await graph.get_state_history(thread(), before=history[6].config, limit=3))
    play.see(await graph.get_state_history(thread(), filter={"source": "input"}, limit=2))
    play.see(await graph.get_state_history(thread(), filter={"step": 3}))
    assert [state.metadata["step"] for state in history] == list(range(13, -2, -1))


async def threads_beside_each_other(play: Play) -> None:
    names = [
        "1",
        "10",
        "1#",
        "1%23",
        "1$",
        " 1",
        "1 ",
        "'1'",
        '"1"',
        "é",
        "🧵",
        "1\n",
        "C#1",
        "x" * 1000,
    ]
    for name in names:
        await play.graph(steps()).invoke({"log": [f"thread {name}"]}, thread(name))
    play.restart()
    for name in names:
        state = play.see(await play.graph(steps()).get_state(thread(name)))
        assert state.values["log"][0] == f"thread {name}"
        history = await play.graph(steps()).get_state_history(thread(name))
        play.see(len(history))


async def run_metadata_is_kept(play: Play) -> None:
    graph = play.graph(steps())
    config: dict[str, Any] = {
        **thread(user="ada"),
        "metadata": {"source": "spoofed", "step": 99, "tenant": "t1", "nested": {"not": "kept"}},
    }
    await graph.invoke({"log": []}, config)
    play.restart()
    for state in await play.graph(steps()).get_state_history(thread()):
        metadata = dict(state.metadata)
        assert metadata["source"] in {"input", "loop"}
        assert metadata["tenant"] == "t1"
        play.see({key: value for key, value in metadata.items() if key != "run_id"})


SCENARIOS = [
    fork_from_every_checkpoint,
    update_every_checkpoint,
    update_as_a_node,
    several_updates_at_once,
    copy_and_clear_by_update,
    history_in_parts,
    threads_beside_each_other,
    run_metadata_is_kept,
]
