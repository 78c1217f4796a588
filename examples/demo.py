"""Seven short stories about graphs that remember, told by real processes, with their prices.

    python examples/demo.py                                  on an engine in memory
    ENDPOINT=http://localhost:8000 python examples/demo.py   on an endpoint of yours

This file tells the stories and checks that they are true: it exits with 1 if one is not.
What the processes do is in `demo_processes.py`, the graphs are in `demo_graphs.py`.
"""

from __future__ import annotations

import os
import sys

from demo_costs import Cost
from demo_processes import CRASH_EXIT_CODE
from demo_stage import Run, Stage, counted, engine, priced
from rich import box
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from langgraph_checkpoint_dynamodb import DynamoDBSaverError

ADA = "My name is Ada."
GRACE = "My name is Grace."
QUESTION = "What is my name?"
PAYEE = "Lovelace & Co."
TURNS, LATER = 20, 200
FLAT = 1.5
"""A later turn may cost this much more: how many chunks are completed in 20 turns is chance."""
MEGABYTES = 20
SMALL = 20
"""Write units of a run that changes a note only."""


def chat(stage: Stage) -> None:
    """Tell of one chat in two processes."""
    with stage.process("say", shows=["chat"], thread="chat", text=ADA) as run:
        stage.says("human", ADA)
        stage.says("model", run.result["reply"])
    with stage.process("say", shows=["chat"], thread="chat", text=QUESTION) as run:
        stage.says("human", QUESTION)
        stage.says("model", run.result["reply"])
    stage.check(
        run.result["reply"] == "Your name is Ada.",
        "The second process was never told the name: it read it from the table.",
    )
    stage.code(
        "graph = builder.compile(checkpointer=DynamoDBSaver(deploy=True))",
        'thread = {"configurable": {"thread_id": "ada"}}',
        'graph.invoke({"messages": [("user", "…")]}, thread)',
    )


def interrupt(stage: Stage) -> None:
    """Tell of a payment that waits for a human, longer than its process lives."""
    with stage.process(
        "request_payment", shows=["payment"], thread="payment", payee=PAYEE
    ) as asking:
        question = asking.result["question"]
        stage.does("prepare", "looks the invoice up")
        stage.does("approve", f"stops the graph and asks: “{question}”")
    stage.aside("No process is left. The question waits in the table, for days if need be.")
    with stage.process(
        "answer_payment", shows=["payment"], thread="payment", approved_by="Grace"
    ) as paying:
        stage.does("table", f"the question is still there: “{paying.result['question']}”")
        stage.says("Grace", "Yes.")
        stage.does("approve", "goes on with her answer")
        stage.does("pay", paying.result["receipt"])
    runs = asking.finished + paying.finished
    stage.check(
        paying.result["question"] == question
        and paying.result["receipt"].endswith("approved by Grace")
        and asking.started == {"prepare": 1, "approve": 1}
        and paying.started == {"approve": 1, "pay": 1}
        and runs == {"prepare": 1, "approve": 1, "pay": 1},
        "A human approved it, another process resumed it, and it was paid once.",
    )
    stage.code(
        'approved_by = interrupt("Pay 240.00 EUR?")     # in the node',
        'graph.invoke(Command(resume="Grace"), thread)  # in any process, later',
    )


def time_travel(stage: Stage) -> None:
    """Tell of the first story's chat, taken up again at an earlier checkpoint."""
    with stage.process(
        "travel", shows=["chat"], thread="chat", messages=2, instead=[GRACE, QUESTION]
    ) as run:
        result = run.result
        stage.show(_history(result["history"], result["earlier_id"]))
        stage.show("\nA run from ◀ says something else. Now the thread has two branches:\n")
        stage.show(_branches(result["earlier"], result["original"], result["fork"]))
    earlier, original, fork = result["earlier"], result["original"], result["fork"]
    stage.check(
        len(result["history"]) == 6
        and earlier == [ADA, "Nice to meet you, Ada!"]
        and original == [*earlier, QUESTION, "Your name is Ada."]
        and fork == [*earlier, GRACE, "Nice to meet you, Grace!", QUESTION, "Your name is Grace."]
        and result["children"] == 2,
        "Both branches are whole, and share what they have in common.",
    )
    stage.code(
        "past = list(graph.get_state_history(thread))",
        'graph.invoke({"messages": [("user", "…")]}, past[3].config)',
    )


def _history(history: list[dict], earlier_id: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("Checkpoint", "Step", "Next node", "Messages", "Last message"):
        table.add_column(heading, no_wrap=True)
    for state in history:
        messages = state["messages"]
        mark = " ◀" if state["checkpoint_id"] == earlier_id else ""
        table.add_row(
            state["checkpoint_id"][:18],
            str(state["step"]),
            ", ".join(state["next"]) or "-",
            str(len(messages)),
            (messages[-1] if messages else "-") + mark,
            style="bold yellow" if mark else None,
        )
    return table


def _branches(earlier: list[str], original: list[str], fork: list[str]) -> Tree:
    tree = Tree(" → ".join(earlier))
    for name, messages, style in (("original", original, "green"), ("fork", fork, "yellow")):
        branch = tree.add(Text(name, style=f"bold {style}"))
        rest = messages[len(earlier) :]
        for question, reply in zip(rest[::2], rest[1::2], strict=True):
            branch.add(f"{question} → {reply}")
    return tree


def crash(stage: Stage) -> None:
    """Tell of two parallel nodes, one of which takes its process down."""
    with stage.process(
        "crash", shows=["trip"], exit_code=CRASH_EXIT_CODE, thread="trip", city="London"
    ) as killed:
        stage.does("flights", "finishes, and its result is stored at once")
        stage.does("hotels", "runs beside it, and takes the whole process down: os._exit")
    with stage.process("recover", shows=["trip"], thread="trip") as recovered:
        result = recovered.result
        stage.does("table", f"stored: {_names(result['stored'])}")
        stage.does("", f"missing: {_names(result['missing'])}")
        stage.does("itinerary", result["itinerary"])
    stage.console.print()
    stage.show(_runs(killed, recovered))
    stage.check(
        result["stored"] == ["flights"]
        and result["missing"] == ["hotels"]
        and killed.started == {"flights": 1, "hotels": 1}
        and killed.finished == {"flights": 1}
        and recovered.started == recovered.finished == {"hotels": 1, "itinerary": 1}
        and result["itinerary"] == "flight to London at 09:40 + room in London with a view",
        "Only what was missing ran again: the finished flights did not.",
    )
    stage.code("graph.invoke(None, thread)  # continue where it was cut off")


def length(stage: Stage) -> None:
    """Tell of a chat that gets long, and of the price of its turns."""
    with stage.process(
        "talk_at_length", shows=["long"], thread="long", turns=TURNS, later=LATER
    ) as run:
        first, later = (Cost(*run.result[name]) for name in ("first", "later"))
        prices = [cost.dollars_a_million / TURNS for cost in (first, later)]
        table = Table("", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for heading in ("messages", "write units a turn", "US$ for a million turns"):
            table.add_column(heading, justify="right")
        for start, cost, price in zip((0, LATER), (first, later), prices, strict=True):
            table.add_row(
                f"turns {start + 1} to {start + TURNS}",
                f"up to {2 * (start + TURNS)}",
                f"{cost.write_units / TURNS:.1f}",
                f"{price:.2f}",
            )
        stage.show(table)
        stage.does("", f"turns {TURNS + 1} to {LATER - 1} are added in one step, as one checkpoint")
    stage.check(
        prices[1] < FLAT * prices[0],
        "Ten times as many messages, and a turn costs about the same.",
    )
    stage.code("saver.storage(thread_id)  # what a thread has stored, by kind and by channel")


def large(stage: Stage) -> None:
    """Tell of a value that is fifty times as large as an item may be."""
    with stage.process("keep_file", shows=[], thread="file", megabytes=MEGABYTES) as keeping:
        step = Cost(*keeping.result["next_step"])
        stage.does("look", f"keeps {MEGABYTES} MB of random bytes, which do not compress")
        stage.does("", f"next run: {counted(step.requests, 'request')}, {priced(step)}")
    with stage.process("load_file", shows=[], thread="file") as loading:
        stage.does("", f"loads {loading.result['megabytes']:.0f} MB, every chunk checked")
    stage.check(
        loading.result["digest"] == keeping.result["digest"]
        and loading.result["note"] == "checked"
        and step.write_units < SMALL,
        "Another process has the same bytes. Keeping them costs nothing more.",
    )
    stage.code('def look(state): return {"content": data}  # 400 KB is not a limit')


def _names(nodes: list[str]) -> str:
    return ", ".join(nodes) or "nothing"


def _runs(*runs: Run) -> Table:
    table = Table("Node", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for run in runs:
        table.add_column(f"in process {run.pid}")
    for node in ("flights", "hotels", "itinerary"):
        table.add_row(
            node,
            *(
                f"{run.started[node]} started, {run.finished[node]} finished"
                if run.started[node]
                else "-"
                for run in runs
            ),
        )
    return table


def in_async(stage: Stage) -> None:
    """Tell the first two stories again, with `await` and two event loops."""
    with stage.process(
        "in_async",
        shows=["async-chat", "async-payment"],
        text=ADA,
        question=QUESTION,
        payee=PAYEE,
        approved_by="Grace",
    ) as run:
        first, second = run.result["first"], run.result["second"]
        stage.show(Text(f"asyncio.run, the first (client: {run.result['client']})", style="bold"))
        stage.says("human", ADA)
        stage.says("model", first["reply"])
        stage.does("approve", f"stops the graph and asks: “{first['question']}”")
        stage.show(Text("asyncio.run, the second: another loop, the same saver", style="bold"))
        stage.says("human", QUESTION)
        stage.says("model", second["reply"])
        stage.says("Grace", "Yes.")
        stage.does("pay", second["receipt"])
    stage.check(
        second["reply"] == "Your name is Ada."
        and second["receipt"].endswith("approved by Grace")
        and run.finished == {"answer": 2, "prepare": 1, "approve": 1, "pay": 1},
        "ainvoke remembers and resumes just the same, over two event loops.",
    )
    stage.code("await graph.ainvoke(inputs, thread)  # the same saver")


STORIES = (
    ("A chat that remembers", "Somebody says a name. The process ends. Is it forgotten?", chat),
    ("A human in the loop", "A payment needs approval, and nobody is at the desk.", interrupt),
    (
        "Time travel",
        "What if Grace had spoken next? Back to that moment.",
        time_travel,
    ),
    ("A crash", "Two nodes run in parallel. One of them kills the process.", crash),
    ("A long chat", "Does every turn cost more than the one before it?", length),
    ("A large value", "An item of DynamoDB holds 400 KB. The state holds 20 MB.", large),
    ("The same in async", "A chat and a payment once more, with await.", in_async),
)


def main() -> int:
    """Tell all stories; 0 if they are true."""
    with engine(os.environ.get("ENDPOINT")) as (endpoint, about):
        stage = Stage(endpoint, about)
        stage.opening()
        try:
            with stage.made_table():
                for title, teaser, story in STORIES:
                    with stage.part(title, teaser):
                        story(stage)
        except DynamoDBSaverError as error:
            stage.check(False, str(error))
        stage.summary()
    return 1 if stage.failures else 0


if __name__ == "__main__":
    sys.exit(main())
