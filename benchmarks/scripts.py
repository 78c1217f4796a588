"""What is said and done in each workload: graphs, inputs, and what must be remembered.

Nodes answer by a script and not from the state, so a saver that forgets cannot change what
is stored after it. Every function makes the same script each time.
"""

import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict
from uuid import UUID

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send, interrupt

from words import Text

SEED = 20_240_607
QUESTION = 200
ANSWER = 800
WINDOW = 20


@dataclass
class Turn:
    inputs: list[Any]
    """What the graph is invoked with, one after another."""
    news: list[Any]
    """Messages, texts or bytes that this turn brings into the thread."""


@dataclass
class Script:
    graph: StateGraph[Any]
    turns: list[Turn]
    expected: dict[str, Any]
    """Values of the state at the end."""
    limits: dict[str, int] = field(default_factory=dict)
    """What a run's config has to raise."""


class Author(Text):
    """Text, and messages with ids as LangGraph gives them, but the same in every run."""

    def __init__(self) -> None:
        super().__init__(SEED)

    def identity(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def human(self, size: int = QUESTION) -> HumanMessage:
        return HumanMessage(self.say(size), id=self.identity())

    def ai(self, size: int = ANSWER, **fields: Any) -> AIMessage:
        return AIMessage(self.say(size), id=self.identity(), **fields)


def plain(value: Any) -> Any:
    """Comparable: what was said, not what LangGraph adds to it."""
    if isinstance(value, BaseMessage):
        return (value.type, value.id, value.content)
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def texts(news: Iterable[Any]) -> list[str | bytes]:
    """New information as it is compressed for the floor."""
    found: list[str | bytes] = []
    for new in news:
        if not isinstance(new, BaseMessage):
            found.append(new)
            continue
        found += [str(new.content), str(new.id)]
        for call in getattr(new, "tool_calls", ()):
            found += [*map(str, call["args"].values()), str(call["id"])]
    return found


def chat(turns: int) -> Script:
    author = Author()
    said: list[AnyMessage] = []
    for _ in range(turns):
        said += [author.human(), author.ai()]
    return _dialogue(MessagesState, said, said)


def window(turns: int) -> Script:
    author = Author()
    said: list[AnyMessage] = []
    for _ in range(turns):
        said += [author.human(), author.ai()]
    return _dialogue(Window, said, said[-WINDOW:])


def keep_last(old: list[AnyMessage], new: list[AnyMessage]) -> list[AnyMessage]:
    return (old + new)[-WINDOW:]


class Window(TypedDict):
    messages: Annotated[list[AnyMessage], keep_last]


def _dialogue(state: Any, said: list[AnyMessage], kept: list[AnyMessage]) -> Script:
    answers = iter(said[1::2])
    graph = StateGraph(state)
    graph.add_node("answer", lambda _: {"messages": [next(answers)]})
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    pairs = zip(said[::2], said[1::2], strict=True)
    turns = [Turn([{"messages": [one]}], [one, other]) for one, other in pairs]
    return Script(graph, turns, {"messages": kept})


def agent(turns: int, result: int) -> Script:
    """A model that calls a tool, reads its result and answers."""
    author = Author()
    said: list[list[AnyMessage]] = []
    for _ in range(turns):
        identity = f"call_{author.random.getrandbits(96):024x}"
        call = {"name": "search", "args": {"query": author.say(60)}, "id": identity}
        question, request = author.human(), author.ai(100, tool_calls=[call])
        found = ToolMessage(author.say(result), tool_call_id=identity, id=author.identity())
        said.append([question, request, found, author.ai()])
    flat = [message for turn in said for message in turn]
    answers = iter([message for message in flat if message.type == "ai"])
    results = iter([message for message in flat if message.type == "tool"])

    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda _: {"messages": [next(answers)]})
    graph.add_node("tools", lambda _: {"messages": [next(results)]})
    graph.add_edge(START, "model")
    graph.add_conditional_edges(
        "model", lambda state: "tools" if state["messages"][-1].tool_calls else END, ["tools", END]
    )
    graph.add_edge("tools", "model")
    script = [Turn([{"messages": turn[:1]}], turn) for turn in said]
    return Script(graph, script, {"messages": flat})


class Research(TypedDict, total=False):
    question: str
    results: Annotated[list[str], operator.add]
    report: str


def fan_out(tasks: int) -> Script:
    """One node sends a topic to each of many tasks, and one gathers what they found."""
    author = Author()
    question, report = author.say(QUESTION), author.say(ANSWER)
    topics = [author.say(60) for _ in range(tasks)]
    found = {topic: author.say(1000) for topic in topics}

    graph = StateGraph(Research)
    graph.add_node("plan", lambda _: {})
    graph.add_node("work", lambda sent: {"results": [found[sent["topic"]]]})
    graph.add_node("gather", lambda _: {"report": report})
    graph.add_edge(START, "plan")
    graph.add_conditional_edges(
        "plan", lambda _: [Send("work", {"topic": topic}) for topic in topics], ["work"]
    )
    graph.add_edge("work", "gather")
    graph.add_edge("gather", END)
    results = list(found.values())
    turn = Turn([{"question": question}], [question, *topics, *results, report])
    return Script(graph, [turn], {"question": question, "results": results, "report": report})


class Desk(TypedDict, total=False):
    document: str | bytes
    note: str
    step: int


def document(size: int, steps: int, source: str) -> Script:
    """A document that lies on the desk while notes are taken: an input, or a task's write."""
    author = Author()
    text = author.say(size)
    first = author.say(100)
    start = {"note": first} | ({"document": text} if source == "input" else {})
    loaded = {"document": text} if source == "task" else {}
    script = _notes(author, first, steps, loaded)
    script.turns[0].inputs = [start]
    script.turns[0].news.insert(0, text)
    script.expected["document"] = text
    return script


def notes(steps: int) -> Script:
    """A loop that replaces one short note in each step."""
    author = Author()
    return _notes(author, author.say(100), steps, {})


def _notes(author: Author, first: str, steps: int, loaded: dict[str, Any]) -> Script:
    taken = [author.say(100) for _ in range(steps)]
    notes = iter(enumerate(taken, start=1))

    def take(_: Desk) -> dict[str, Any]:
        step, note = next(notes)
        return {"note": note, "step": step}

    graph = StateGraph(Desk)
    if loaded:
        graph.add_node("load", lambda _: loaded)
        graph.add_edge(START, "load")
        graph.add_edge("load", "take")
    else:
        graph.add_edge(START, "take")
    graph.add_node("take", take)
    graph.add_conditional_edges(
        "take", lambda state: "take" if state["step"] < steps else END, ["take", END]
    )
    turn = Turn([{"note": first}], [first, *taken])
    return Script(graph, [turn], {"note": taken[-1], "step": steps}, {"recursion_limit": steps + 5})


def value(size: int) -> Script:
    """One node returns one large value."""
    content = Author().mixed(size)
    graph = StateGraph(Desk)
    graph.add_node("load", lambda _: {"document": content})
    graph.add_edge(START, "load")
    graph.add_edge("load", END)
    return Script(graph, [Turn([{}], [content])], {"document": content})


class Approval(TypedDict, total=False):
    request: str
    draft: str
    answers: Annotated[list[str], operator.add]


def interrupts(times: int) -> Script:
    """A draft waits for a human, who answers; again and again in one thread."""
    author = Author()
    requests, drafts, answers = (
        [author.say(size) for _ in range(times)] for size in (QUESTION, ANSWER, 100)
    )
    written = iter(drafts)

    def approve(state: Approval) -> dict[str, Any]:
        # It runs twice in a turn: a node starts over when it is resumed.
        return {"answers": [interrupt(f"Shall I send draft {len(state.get('answers', ()))}?")]}

    graph = StateGraph(Approval)
    graph.add_node("write", lambda _: {"draft": next(written)})
    graph.add_node("approve", approve)
    graph.add_edge(START, "write")
    graph.add_edge("write", "approve")
    graph.add_edge("approve", END)
    turns = [
        Turn([{"request": request}, Command(resume=answer)], [request, draft, answer])
        for request, draft, answer in zip(requests, drafts, answers, strict=True)
    ]
    return Script(graph, turns, {"answers": answers, "draft": drafts[-1], "request": requests[-1]})


class Edited(MessagesState):
    request: str


def edit(turns: int, length: int, size: int) -> Script:
    """A long list, and in each turn one message in its middle half gets another text."""
    author = Author()
    kept: list[AnyMessage] = [author.ai(size) for _ in range(length)]
    first = list(kept)
    wanted, edits = [], []
    for _ in range(turns):
        place = author.random.randrange(length // 4, length * 3 // 4)
        edited = AIMessage(author.say(size), id=kept[place].id)
        kept[place] = edited
        edits.append(edited)
        wanted.append(author.say(60))
    edited_next = iter(edits)

    def change(state: Edited) -> dict[str, Any]:
        return {"messages": [next(edited_next)]} if state.get("request") else {}

    graph = StateGraph(Edited)
    graph.add_node("change", change)
    graph.add_edge(START, "change")
    graph.add_edge("change", END)
    changes = [
        Turn([{"request": request}], [request, edited.content])
        for request, edited in zip(wanted, edits, strict=True)
    ]
    script = [Turn([{"messages": first}], first), *changes]
    return Script(graph, script, {"messages": kept, "request": wanted[-1]})


def wide(nodes: int, channels: int) -> Script:
    """A chain of nodes over many small channels; each node writes two of them."""
    author = Author()
    names = [f"channel_{number:03}" for number in range(channels)]
    start = {name: author.say(20) for name in names}
    written = [
        {names[(2 * number + one) % channels]: author.say(20) for one in (0, 1)}
        for number in range(nodes)
    ]
    graph = StateGraph(TypedDict("Wide", dict.fromkeys(names, str)))
    previous = START
    for number, update in enumerate(written):
        graph.add_node(f"node_{number:02}", lambda _, update=update: update)
        graph.add_edge(previous, f"node_{number:02}")
        previous = f"node_{number:02}"
    graph.add_edge(previous, END)
    news = [text for update in (start, *written) for text in update.values()]
    expected = dict(start)
    for update in written:
        expected |= update
    return Script(graph, [Turn([start], news)], expected, {"recursion_limit": nodes + 5})


class Findings(MessagesState):
    findings: str


def subgraphs(turns: int) -> Script:
    """A graph with a subgraph of two steps, which keeps checkpoints in its own namespace."""
    author = Author()
    said = [(author.human(), author.say(1000), author.ai(400), author.ai()) for _ in range(turns)]
    found, summaries, answers = (iter([turn[place] for turn in said]) for place in (1, 2, 3))

    inner = StateGraph(Findings)
    inner.add_node("search", lambda _: {"findings": next(found)})
    inner.add_node("summarize", lambda _: {"messages": [next(summaries)]})
    inner.add_edge(START, "search")
    inner.add_edge("search", "summarize")
    inner.add_edge("summarize", END)

    graph = StateGraph(MessagesState)
    graph.add_node("research", inner.compile())
    graph.add_node("answer", lambda _: {"messages": [next(answers)]})
    graph.add_edge(START, "research")
    graph.add_edge("research", "answer")
    graph.add_edge("answer", END)
    script = [Turn([{"messages": [turn[0]]}], list(turn)) for turn in said]
    kept = [message for turn in said for message in (turn[0], *turn[2:])]
    return Script(graph, script, {"messages": kept})
