"""What a user does with a saver, step by step.

A scenario fills in a `Result` while it runs, so that what was measured before a failure
is kept. `workloads.py` says which are run, and with what arguments.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypedDict
from uuid import UUID

from capacity import Cost, Meter
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from words import Text

SEED = 20_240_607
QUESTION = 200
ANSWER = 800
THREAD: Any = {"configurable": {"thread_id": "benchmark", "checkpoint_ns": ""}}

Saver = BaseCheckpointSaver[Any]


@dataclass
class Result:
    measures: dict[str, float] = field(default_factory=dict)
    series: dict[str, list[float]] = field(default_factory=dict)
    """Measures by turn, first turn first."""
    wrong: str | None = None
    """How what the saver returned differs from what it was given."""


@dataclass
class Bench:
    """What a scenario is given."""

    open: Callable[[], Saver]
    """A fresh saver on the table of this run: no cache of an earlier one."""
    meter: Meter
    result: Result


def chat(bench: Bench, turns: int) -> None:
    result = bench.result
    script = transcript(turns)
    with bench.meter.measure() as total:
        for cost in converse(bench.open(), script, bench.meter):
            for name, each in cost.measures().items():
                result.series.setdefault(name, []).append(each)
    result.measures |= total.measures()

    reopened = chat_graph(bench.open(), ())
    with bench.meter.measure() as load:
        state = reopened.get_state(THREAD)
    result.measures |= load.measures("load_")
    found = plain(state.values.get("messages", ()))
    if len(found) != len(script):
        result.wrong = f"remembers {len(found)} of {len(script)} messages"
    elif found != plain(script):
        result.wrong = "remembers other messages than were said"


def history(bench: Bench, turns: int) -> None:
    result = bench.result
    script = transcript(turns)
    reference = InMemorySaver()
    for saver in (bench.open(), reference):
        for _ in converse(saver, script, bench.meter):
            pass

    reopened = bench.open()
    with bench.meter.measure() as total:
        found = list(reopened.list(THREAD))
    result.measures |= total.measures() | {"checkpoints": len(found)}
    expected = list(reference.list(THREAD))
    if len(found) != len(expected):
        result.wrong = f"returns {len(found)} of {len(expected)} checkpoints"
    elif [saved(each) for each in found] != [saved(each) for each in expected]:
        result.wrong = "returns other checkpoints than were saved"
    else:
        writes, expected_writes = list(map(pending, found)), list(map(pending, expected))
        if writes != expected_writes:
            count, expected_count = sum(map(len, writes)), sum(map(len, expected_writes))
            result.wrong = f"returns {count} of {expected_count} pending writes"


def value(bench: Bench, size: int) -> None:
    result = bench.result
    expected = Text(SEED).mixed(size)
    graph = document_graph(bench.open(), expected)
    with bench.meter.measure() as total:
        graph.invoke({}, THREAD, durability="sync")
    result.measures |= total.measures()

    reopened = document_graph(bench.open(), b"")
    with bench.meter.measure() as load:
        state = reopened.get_state(THREAD)
    result.measures |= load.measures("load_")
    if state.values.get("document") != expected:
        result.wrong = "loads another value than was saved"


def transcript(turns: int) -> list[AnyMessage]:
    """Questions and answers in turn, the same for every saver."""
    text = Text(SEED)

    def identity() -> str:  # as LangGraph gives one, but not the same in every run
        return str(UUID(int=text.random.getrandbits(128), version=4))

    script: list[AnyMessage] = []
    for _ in range(turns):
        script.append(HumanMessage(text.say(QUESTION), id=identity()))
        script.append(AIMessage(text.say(ANSWER), id=identity()))
    return script


def converse(saver: Saver, script: list[AnyMessage], meter: Meter) -> Iterator[Cost]:
    """Run a chat by its script and yield what each turn cost."""
    graph = chat_graph(saver, script[1::2])
    for question in script[::2]:
        with meter.measure() as cost:
            graph.invoke({"messages": [question]}, THREAD, durability="sync")
        yield cost


def chat_graph(saver: Saver, answers: Iterable[AnyMessage]) -> Any:
    # Answers do not depend on the state: a saver that forgets cannot change the script.
    scripted = iter(answers)
    graph = StateGraph(MessagesState)
    graph.add_node("answer", lambda _: {"messages": [next(scripted)]})
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    return graph.compile(checkpointer=saver)


class Document(TypedDict, total=False):
    document: bytes


def document_graph(saver: Saver, document: bytes) -> Any:
    graph = StateGraph(Document)
    graph.add_node("load", lambda _: {"document": document})
    graph.add_edge(START, "load")
    graph.add_edge("load", END)
    return graph.compile(checkpointer=saver)


def plain(messages: Iterable[AnyMessage]) -> list[tuple[str, str | None, Any]]:
    return [(message.type, message.id, message.content) for message in messages]


def saved(checkpoint: CheckpointTuple) -> tuple[Any, ...]:
    """What is equal in two runs of one chat: all but random ids, times and versions."""
    metadata = checkpoint.metadata
    messages = checkpoint.checkpoint["channel_values"].get("messages", ())
    return metadata["source"], metadata["step"], plain(messages)


def pending(checkpoint: CheckpointTuple) -> list[tuple[str, Any]]:
    """Writes of the checkpoint, in the order of their channels' names."""
    writes = [
        (channel, plain(value) if channel == "messages" else value)
        for _, channel, value in checkpoint.pending_writes or ()
    ]
    return sorted(writes, key=lambda write: write[0])
