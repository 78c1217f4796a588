"""Fan-out, subgraphs with and without their own memory, messages, joins, parents."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, Overwrite, Send
from typing_extensions import TypedDict

from play import Play, checkpoint_id, thread


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    note: Any


class Counted(TypedDict, total=False):
    count: Annotated[int, operator.add]


async def send_fan_out(play: Play) -> None:
    def scatter(state: State) -> list[Send]:
        return [Send("work", {"note": n}) for n in range(15)]

    def work(state: State) -> State:
        return {"log": [f"worked on {state['note']}"]}

    builder = (
        StateGraph(State)
        .add_node("work", work)
        .add_node("gather", lambda state: {"note": len(state["log"])})
        .add_conditional_edges(START, scatter, ["work"])
        .add_edge("work", "gather")
    )
    result = play.see(await play.graph(builder).invoke({"log": []}, thread()))
    assert result["log"] == [f"worked on {n}" for n in range(15)]
    play.restart()
    history = await play.see_thread(play.graph(builder), thread())
    # The fan-out replays from its stored tasks, in the order in which they were sent.
    scattered = next(state for state in history if len(state.tasks) == 15)
    config = thread(checkpoint_id=checkpoint_id(scattered.config))
    play.see(await play.graph(builder).invoke(None, config))
    await play.see_thread(play.graph(builder), thread())


def counter() -> StateGraph[Counted]:
    return (
        StateGraph(Counted)
        .add_node("add", lambda state: {"count": 1})
        .add_node("double", lambda state: {"count": state["count"]})
        .add_edge(START, "add")
        .add_edge("add", "double")
    )


def around(subgraph: Any) -> StateGraph[State]:
    # Python 3.10 does not carry the config into an awaited call by itself.
    def call(state: State, config: RunnableConfig) -> State:
        return {"log": [subgraph.invoke({"count": 1}, config)["count"]]}

    async def acall(state: State, config: RunnableConfig) -> State:
        return {"log": [(await subgraph.ainvoke({"count": 1}, config))["count"]]}

    return StateGraph(State).add_node("call", RunnableLambda(call, acall)).add_edge(START, "call")


async def subgraph_with_its_own_memory(play: Play) -> None:
    builder = around(counter().compile(checkpointer=True))
    for _ in range(3):
        play.restart()
        play.see(await play.graph(builder).invoke({"log": []}, thread()))
    await play.see_thread(play.graph(builder), thread())
    state = await play.graph(builder).get_state(thread())
    assert state.values["log"] == [4, 12, 28]


async def subgraph_without_its_own_memory(play: Play) -> None:
    builder = around(counter().compile())
    for _ in range(3):
        play.restart()
        play.see(await play.graph(builder).invoke({"log": []}, thread()))
    await play.see_thread(play.graph(builder), thread())
    state = await play.graph(builder).get_state(thread())
    assert state.values["log"] == [4, 4, 4]


async def subgraph_that_is_never_stored(play: Play) -> None:
    builder = around(counter().compile(checkpointer=False))
    for _ in range(2):
        play.see(await play.graph(builder).invoke({"log": []}, thread()))
    await play.see_thread(play.graph(builder), thread())


async def subgraph_as_a_node(play: Play) -> None:
    child = (
        StateGraph(State)
        .add_node("#child", lambda state: {"log": ["child"]})
        .add_node("a$b%c", lambda state: {"log": ["odd"]})
        .add_edge(START, "#child")
        .add_edge("#child", "a$b%c")
    )
    builder = (
        StateGraph(State)
        .add_node("one", child.compile())
        .add_node("one more", child.compile())
        .add_edge(START, "one")
        .add_edge("one", "one more")
    )
    stops = {"interrupt_after": ["one"]}
    play.see(await play.graph(builder, **stops).invoke({"log": []}, thread()))
    await play.see_thread(play.graph(builder, **stops), thread())
    play.restart()
    play.see(await play.graph(builder, **stops).invoke(None, thread()))
    await play.see_thread(play.graph(builder, **stops), thread())


async def command_to_the_parent(play: Play) -> None:
    def leave(state: State) -> Command[Any]:
        return Command(graph=Command.PARENT, goto="after", update={"log": ["left the child"]})

    child = StateGraph(State).add_node("leave", leave).add_edge(START, "leave")
    builder = (
        StateGraph(State)
        .add_node("child", child.compile(), destinations=("after",))
        .add_node("after", lambda state: {"log": ["after"]})
        .add_edge(START, "child")
    )
    play.see(await play.graph(builder).invoke({"log": []}, thread()))
    await play.see_thread(play.graph(builder), thread())


async def join_of_branches_with_a_stop_between(play: Play) -> None:
    builder = StateGraph(State)
    for name in ("short", "long 1", "long 2", "join"):
        builder.add_node(name, lambda state, name=name: {"log": [name]})
    builder.add_edge(START, "short")
    builder.add_edge(START, "long 1")
    builder.add_edge("long 1", "long 2")
    builder.add_edge(["short", "long 2"], "join")
    stops = {"interrupt_before": ["long 2"]}
    play.see(await play.graph(builder, **stops).invoke({"log": []}, thread()))
    play.restart()
    play.see(await play.graph(builder, **stops).invoke(None, thread()))
    await play.see_thread(play.graph(builder, **stops), thread())


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


async def chat_that_edits_its_messages(play: Play) -> None:
    def reply(state: Chat) -> Any:
        turn = len(state["messages"])
        messages: list[Any] = [AIMessage(f"reply {turn} " * 200, id=f"ai-{turn}")]
        if turn > 6:
            messages += [RemoveMessage(id=str(m.id)) for m in state["messages"][:2]]
            messages += [HumanMessage("edited", id=str(state["messages"][2].id))]
        return {"messages": messages}

    builder = StateGraph(Chat).add_node("reply", reply).add_edge(START, "reply")
    for turn in range(8):
        play.restart()
        question = {"messages": [HumanMessage(f"question {turn}", id=f"human-{turn}")]}
        play.see(await play.graph(builder).invoke(question, thread()))
    await play.see_thread(play.graph(builder), thread())


async def values_that_are_nothing(play: Play) -> None:
    builder = (
        StateGraph(State)
        .add_node("clear", lambda state: {"note": None, "log": [None, 0, "", [], {}]})
        .add_node("overwrite", lambda state: {"log": Overwrite([False])})
        .add_edge(START, "clear")
        .add_edge("clear", "overwrite")
    )
    play.see(await play.graph(builder).invoke({"log": [None], "note": "full"}, thread()))
    play.restart()
    await play.see_thread(play.graph(builder), thread())


SCENARIOS = [
    send_fan_out,
    subgraph_with_its_own_memory,
    subgraph_without_its_own_memory,
    subgraph_that_is_never_stored,
    subgraph_as_a_node,
    command_to_the_parent,
    join_of_branches_with_a_stop_between,
    chat_that_edits_its_messages,
    values_that_are_nothing,
]
