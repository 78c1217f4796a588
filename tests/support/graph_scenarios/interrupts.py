"""A graph that asks a human, stops, and goes on in another process."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from play import Play, checkpoint_id, in_run_context, thread


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    answer: str


def ask(name: str, *, times: int = 1) -> Callable[..., State]:
    def node(state: State) -> State:
        return {"log": [f"{name}: {interrupt(f'{name} {n}')}" for n in range(times)]}

    return in_run_context(node)


async def single(play: Play) -> None:
    builder = (
        StateGraph(State)
        .add_node("ask", ask("ask"))
        .add_node("tell", lambda state: {"answer": state["log"][-1]})
        .add_edge(START, "ask")
        .add_edge("ask", "tell")
    )
    play.see(await play.graph(builder).invoke({"log": ["begin"]}, thread()))
    await play.see_thread(play.graph(builder), thread())
    play.restart()
    result = play.see(await play.graph(builder).invoke(Command(resume="yes"), thread()))
    assert result["answer"] == "ask: yes"
    await play.see_thread(play.graph(builder), thread())


async def several_in_one_node(play: Play) -> None:
    builder = StateGraph(State).add_node("ask", ask("ask", times=4)).add_edge(START, "ask")
    play.see(await play.graph(builder).invoke({"log": []}, thread()))
    for n in range(4):
        play.restart()
        play.see(await play.graph(builder).invoke(Command(resume=f"answer {n}"), thread()))
        await play.see_thread(play.graph(builder), thread())
    assert play.seen[-1]["values"]["log"] == []


def parallel_asks(count: int) -> StateGraph[State]:
    builder = StateGraph(State)
    for n in range(count):
        builder.add_node(f"ask {n}", ask(f"ask {n}")).add_edge(START, f"ask {n}")
    builder.add_node("join", lambda state: {"answer": "|".join(state["log"])})
    builder.add_edge([f"ask {n}" for n in range(count)], "join")
    return builder


async def parallel_resumed_one_by_one(play: Play) -> None:
    builder = parallel_asks(3)
    play.see(await play.graph(builder).invoke({"log": []}, thread()))
    for n in (1, 0, 2):
        play.restart()
        graph = play.graph(builder)
        state = play.see(await graph.get_state(thread()))
        waiting = next(i for i in state.interrupts if i.value == f"ask {n} 0")
        play.see(await graph.invoke(Command(resume={waiting.id: f"answer {n}"}), thread()))
    await play.see_thread(play.graph(builder), thread())
    answer = (await play.graph(builder).get_state(thread())).values["answer"]
    assert answer == "ask 0: answer 0|ask 1: answer 1|ask 2: answer 2"


async def parallel_resumed_at_once(play: Play) -> None:
    builder = parallel_asks(12)
    graph = play.graph(builder)
    await graph.invoke({"log": []}, thread())
    state = play.see(await graph.get_state(thread()))
    assert len(state.interrupts) == 12
    play.restart()
    answers = {waiting.id: waiting.value.upper() for waiting in state.interrupts}
    play.see(await play.graph(builder).invoke(Command(resume=answers), thread()))
    await play.see_thread(play.graph(builder), thread())


async def nested_two_deep(play: Play) -> None:
    inner = StateGraph(State).add_node("inner", ask("inner", times=2)).add_edge(START, "inner")
    middle = (
        StateGraph(State)
        .add_node("middle", inner.compile())
        .add_node("beside", ask("beside"))
        .add_edge(START, "middle")
        .add_edge("middle", "beside")
    )
    outer = StateGraph(State).add_node("outer", middle.compile()).add_edge(START, "outer")
    play.see(await play.graph(outer).invoke({"log": ["begin"]}, thread()))
    for answer in ("first", "second", "third"):
        await play.see_thread(play.graph(outer), thread())
        play.restart()
        play.see(await play.graph(outer).invoke(Command(resume=answer), thread()))
    await play.see_thread(play.graph(outer), thread())
    final = await play.graph(outer).get_state(thread())
    assert final.next == ()


async def before_and_after_nodes(play: Play) -> None:
    builder = (
        StateGraph(State)
        .add_node("a", lambda state: {"log": ["a"]})
        .add_node("b", lambda state: {"log": ["b"]})
        .add_node("c", lambda state: {"log": ["c"]})
        .add_edge(START, "a")
        .add_edge("a", "b")
        .add_edge("b", "c")
    )
    stops = {"interrupt_before": ["b"], "interrupt_after": ["b"]}
    play.see(await play.graph(builder, **stops).invoke({"log": []}, thread()))
    play.restart()
    await play.graph(builder, **stops).update_state(thread(), {"log": ["edited"]})
    play.see(await play.graph(builder, **stops).invoke(None, thread()))
    play.restart()
    result = play.see(await play.graph(builder, **stops).invoke(None, thread()))
    assert result["log"] == ["a", "edited", "b", "c"]
    await play.see_thread(play.graph(builder, **stops), thread())


async def resume_with_update_and_goto(play: Play) -> None:
    def gate(state: State) -> Command[Any]:
        chosen = interrupt("where to?")
        return Command(goto=chosen, update={"log": [f"gate to {chosen}"]})

    builder = (
        StateGraph(State)
        .add_node("gate", in_run_context(gate), destinations=("left", "right"))
        .add_node("left", lambda state: {"log": ["left"]})
        .add_node("right", lambda state: {"log": ["right"]})
        .add_edge(START, "gate")
        .add_edge("left", END)
        .add_edge("right", END)
    )
    play.see(await play.graph(builder).invoke({"log": []}, thread()))
    play.restart()
    command = Command(resume="right", update={"log": ["by the human"]})
    play.see(await play.graph(builder).invoke(command, thread()))
    await play.see_thread(play.graph(builder), thread())


async def resumed_again_from_the_question(play: Play) -> None:
    builder = StateGraph(State).add_node("ask", ask("ask")).add_edge(START, "ask")
    graph = play.graph(builder)
    await graph.invoke({"log": []}, thread())
    asked = (await graph.get_state(thread())).config
    for answer in ("yes", "no", "perhaps"):
        play.restart()
        config = thread(checkpoint_id=checkpoint_id(asked))
        play.see(await play.graph(builder).invoke(Command(resume=answer), config))
        play.see(await play.graph(builder).invoke(Command(resume=answer.upper()), config))
    await play.see_thread(play.graph(builder), thread())


SCENARIOS = [
    single,
    several_in_one_node,
    parallel_resumed_one_by_one,
    parallel_resumed_at_once,
    nested_two_deep,
    before_and_after_nodes,
    resume_with_update_and_goto,
    resumed_again_from_the_question,
]
