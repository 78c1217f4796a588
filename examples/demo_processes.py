"""What each process of the demo does. `demo.py` starts this file, once for each process:

    python demo_processes.py ENDPOINT TABLE ACT ARGUMENTS

A process shares nothing with the one before it but the table. It reports on standard
output, one JSON object a line, at once: also a process that is killed has then reported
all that it did.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import sys
import threading
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import boto3
from demo_costs import Cost, watch
from demo_graphs import Trip, chat, filing, payment, trip
from langchain_core.runnables.config import RunnableConfig, set_config_context
from langgraph.types import Command

from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig

CRASH_EXIT_CODE = 137
"""What a shell reports for a process that was killed with SIGKILL."""


def open_saver(
    endpoint: str,
    table: str,
    told: Callable[[str, Cost], None],
    saver: type[DynamoDBSaver] = DynamoDBSaver,
    *,
    deploy: bool = False,
    use_async: bool = False,
) -> DynamoDBSaver:
    """Make a saver that names every request it sends to DynamoDB, and its cost.

    A program needs no more than `DynamoDBSaver(DynamoDBConfig(...))`; the sessions are
    only here because botocore's events are how the demo counts requests.
    """
    session = boto3.Session()
    watch(session, told)
    async_session = None
    if use_async and has_aiobotocore():  # a third of a second to import
        from aiobotocore.session import get_session

        async_session = get_session()
        watch(async_session, told)
    config = DynamoDBConfig(
        table_config=DynamoDBTableConfig(table_name=table),
        endpoint_url=endpoint,
        session=session,
        async_session=async_session,
    )
    return saver(config, deploy=deploy)


def has_aiobotocore() -> bool:
    """Whether the async methods have an async client; without it they use threads."""
    try:
        import aiobotocore.session  # noqa: F401
    except ImportError:
        return False
    return True


def report(**what: Any) -> None:
    """Tell `demo.py`; one write a line, because nodes run in several threads."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


SPENT: list[Cost] = [Cost()]
"""What this process's requests have cost so far."""


def tell(call: str, cost: Cost) -> None:
    """Report a request, and add it up."""
    SPENT[0] += cost
    report(request=call, cost=astuple(cost))


def spent() -> tuple[float, ...]:
    """Requests, write units and read units of this process."""
    return astuple(SPENT[0])


def observe(node: Callable[..., Any]) -> Callable[..., Any]:
    """Report when a node starts and when it has finished."""

    def observed(state: Any, config: RunnableConfig) -> Any:
        report(started=node.__name__)
        # Only Python 3.10 needs this: LangGraph's interrupt() does not find the config
        # there by itself when the graph runs with ainvoke.
        with set_config_context(config) as context:
            result = context.run(node, state)
        report(finished=node.__name__)
        return result

    return observed


def on_thread(thread: str) -> Any:
    """Name the thread, as every call of a graph with a checkpointer does."""
    return {"configurable": {"thread_id": thread}}


def texts(state: dict[str, Any]) -> list[str]:
    """Return what the messages of a chat say."""
    return [message.text for message in state.get("messages", [])]


def say(saver: DynamoDBSaver, thread: str, text: str) -> Any:
    """Say one thing in a chat."""
    graph = chat(observe).compile(checkpointer=saver)
    state = graph.invoke({"messages": [("human", text)]}, on_thread(thread))
    return {"reply": texts(state)[-1]}


def request_payment(saver: DynamoDBSaver, thread: str, payee: str) -> Any:
    """Run until the graph asks a human."""
    graph = payment(observe).compile(checkpointer=saver)
    state = graph.invoke({"payee": payee}, on_thread(thread))
    return {"question": state["__interrupt__"][0].value}


def answer_payment(saver: DynamoDBSaver, thread: str, approved_by: str) -> Any:
    """Find the question in the table, answer it, and run to the end."""
    graph = payment(observe).compile(checkpointer=saver)
    waiting = graph.get_state(on_thread(thread))
    state = graph.invoke(Command(resume=approved_by), on_thread(thread))
    return {"question": waiting.interrupts[0].value, "receipt": state["receipt"]}


def travel(saver: DynamoDBSaver, thread: str, messages: int, instead: list[str]) -> Any:
    """Go back to when the chat had so many messages, and say other things from there."""
    graph = chat(observe).compile(checkpointer=saver)
    history = list(graph.get_state_history(on_thread(thread)))
    original = history[0]
    earlier = next(
        state for state in history if len(texts(state.values)) == messages and not state.next
    )
    # A run with a checkpoint_id in its config starts from there: a fork. The next runs on
    # the thread go on from its newest checkpoint, which is now the fork's.
    config = earlier.config
    for text in instead:
        graph.invoke({"messages": [("human", text)]}, config)
        config = on_thread(thread)
    fork = graph.get_state(on_thread(thread))
    forked_from = [
        state.config
        for state in graph.get_state_history(on_thread(thread))
        if state.parent_config == earlier.config
    ]
    return {
        "history": [
            {
                "checkpoint_id": state.config["configurable"]["checkpoint_id"],
                "step": state.metadata["step"],
                "next": list(state.next),
                "messages": texts(state.values),
            }
            for state in history
        ],
        "earlier_id": earlier.config["configurable"]["checkpoint_id"],
        "earlier": texts(graph.get_state(earlier.config).values),
        "original": texts(graph.get_state(original.config).values),
        "fork": texts(fork.values),
        "children": len(forked_from),
    }


class WatchedSaver(DynamoDBSaver):
    """Knows when a node's result is stored; only so that the crash always comes after it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.found_stored = threading.Event()

    def put_writes(self, config: Any, writes: Any, *args: Any) -> None:
        """Store a node's result, its pending writes."""
        super().put_writes(config, writes, *args)
        if any(channel == "found" for channel, _ in writes):
            self.found_stored.set()


def crash(saver: WatchedSaver, thread: str, city: str) -> Any:
    """Plan a trip in a process that is killed while it looks for a room."""

    def hotels(_: Trip) -> Trip:
        saver.found_stored.wait(timeout=30)
        os._exit(CRASH_EXIT_CODE)  # nothing runs after this: no handler, no `finally`

    graph = trip(observe, hotels=hotels).compile(checkpointer=saver)
    # "sync": a step begins when the checkpoint before it is stored.
    graph.invoke({"city": city}, on_thread(thread), durability="sync")


def recover(saver: DynamoDBSaver, thread: str) -> Any:
    """Find what is left to do, and do only that: `None` as input means go on."""
    graph = trip(observe).compile(checkpointer=saver)
    tasks = graph.get_state(on_thread(thread)).tasks
    state = graph.invoke(None, on_thread(thread))
    return {
        "stored": [task.name for task in tasks if task.result is not None],
        "missing": [task.name for task in tasks if task.result is None],
        "itinerary": state["itinerary"],
    }


def talk_at_length(saver: DynamoDBSaver, thread: str, turns: int, later: int) -> Any:
    """Measure some turns of a new chat, and some when it is as long as after `later` turns."""
    graph = chat(observe).compile(checkpointer=saver)

    def turn(number: int) -> None:
        words = " ".join(f"{word}{number * word % 997}" for word in range(120))
        graph.invoke({"messages": [("human", f"{number}: {words}")]}, on_thread(thread))

    def measured(numbers: range) -> Any:
        before = spent()
        for number in numbers:
            turn(number)
        return [after - earlier for after, earlier in zip(spent(), before, strict=True)]

    first = measured(range(1, turns + 1))
    between = range(turns + 1, later)
    past = [(kind, f"{kind} {number} " * 60) for number in between for kind in ("human", "ai")]
    graph.update_state(on_thread(thread), {"messages": past})
    turn(later)  # the long history is cut into chunks once
    return {"first": first, "later": measured(range(later + 1, later + turns + 1))}


def keep_file(saver: DynamoDBSaver, thread: str, megabytes: int) -> Any:
    """Keep a value that does not compress in the state, and then run one more step."""
    graph = filing(observe).compile(checkpointer=saver)
    content = random.Random(1).randbytes(megabytes * 1000**2)
    graph.invoke({"content": content}, on_thread(thread))
    before = spent()
    graph.invoke({"note": "checked"}, on_thread(thread))
    step = [after - earlier for after, earlier in zip(spent(), before, strict=True)]
    return {"digest": hashlib.sha256(content).hexdigest(), "next_step": step}


def load_file(saver: DynamoDBSaver, thread: str) -> Any:
    """Load what another process kept."""
    values = filing(observe).compile(checkpointer=saver).get_state(on_thread(thread)).values
    return {
        "digest": hashlib.sha256(values["content"]).hexdigest(),
        "megabytes": len(values["content"]) / 1000**2,
        "note": values["note"],
    }


def in_async(saver: DynamoDBSaver, text: str, question: str, payee: str, approved_by: str) -> Any:
    """Chat and pay over two event loops, with one saver."""
    talking = chat(observe).compile(checkpointer=saver)
    paying = payment(observe).compile(checkpointer=saver)

    async def first() -> Any:
        state = await talking.ainvoke({"messages": [("human", text)]}, on_thread("async-chat"))
        paused = await paying.ainvoke({"payee": payee}, on_thread("async-payment"))
        return {"reply": texts(state)[-1], "question": paused["__interrupt__"][0].value}

    async def second() -> Any:
        state = await talking.ainvoke({"messages": [("human", question)]}, on_thread("async-chat"))
        paid = await paying.ainvoke(Command(resume=approved_by), on_thread("async-payment"))
        return {"reply": texts(state)[-1], "receipt": paid["receipt"]}

    return {
        "client": "aiobotocore" if has_aiobotocore() else "worker threads",
        "first": asyncio.run(first()),
        "second": asyncio.run(second()),
    }


ACTS = {
    act.__name__: act
    for act in (
        say,
        request_payment,
        answer_payment,
        travel,
        crash,
        recover,
        talk_at_length,
        keep_file,
        load_file,
        in_async,
    )
}


def main(endpoint: str, table: str, act: str, arguments: str) -> None:
    """Run one act and report its result."""
    kind = WatchedSaver if act == "crash" else DynamoDBSaver
    with open_saver(endpoint, table, tell, kind, use_async=act == "in_async") as saver:
        report(result=ACTS[act](saver, **json.loads(arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
