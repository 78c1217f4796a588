"""The demo's stage: the engine, the processes, what they cost, and how it is shown."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from demo_costs import Cost
from demo_processes import open_saver
from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from langgraph_checkpoint_dynamodb.format.item_size import item_size
from langgraph_checkpoint_dynamodb.maintenance.prices import ON_DEMAND

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_WIDTH = 96
MAX_SECONDS = 120
INDENT = 4
DEAR = 100
"""US$ for a million times, from which on the price of one time is shown."""
PRICES = (
    "Units by DynamoDB's rules, from the sizes of the items. "
    f"US$ {ON_DEMAND.units(1e6, 0):.3f} for a million write units, "
    f"{ON_DEMAND.units(0, 1e6):.3f} for a million read units, on demand in {ON_DEMAND.region} on "
    f"{ON_DEMAND.date}."
)
NEXT = (
    ("Give your graph memory", "README.md, Start"),
    ("Run it in Lambda, FastAPI, LangGraph Server, …", "docs/hosts.md"),
    ("Look inside a thread, resume one that waits", "docs/threads.md"),
    ("Inspect, price and delete threads by command", "docs/cli.md"),
    ("Price a turn of your graph", "docs/costs.md"),
    ("Create the table in your account", "docs/infrastructure.md"),
    ("Everything, by task", "docs/README.md"),
)


@contextmanager
def engine(endpoint: str | None) -> Iterator[tuple[str, str]]:
    """Yield a DynamoDB endpoint and what it is: the given one, or moto's in this process."""
    if endpoint:
        set_environment(endpoint)
        yield endpoint, "yours"
        return
    print("Starting moto, an engine in memory: some seconds", file=sys.stderr)
    from moto.server import ThreadedMotoServer  # slow to import, and not needed above

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        endpoint = f"http://127.0.0.1:{port}"
        for name in CREDENTIALS:  # no real ones for an engine that is a toy
            os.environ.pop(name, None)
        set_environment(endpoint)
        yield endpoint, "moto, in memory"
    finally:
        server.stop()


def set_environment(endpoint: str) -> None:
    """Give this process and those it starts what botocore wants besides an endpoint."""
    host = urlsplit(endpoint).hostname or ""
    if host in LOOPBACK:
        if not any(os.environ.get(name) for name in CREDENTIALS):
            os.environ.update(AWS_ACCESS_KEY_ID="demo", AWS_SECRET_ACCESS_KEY="demo")
        os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(LOOPBACK)
    elif region := re.fullmatch(r"dynamodb\.([a-z0-9-]+)\.amazonaws\.com.*", host):
        os.environ["AWS_DEFAULT_REGION"] = region[1]


class DemoError(Exception):
    """A process did not end as the story has it."""


@dataclass
class Run:
    """What one process reported."""

    pid: int
    exit_code: int
    result: Any = None
    cost: Cost = field(default_factory=Cost)
    started: Counter[str] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)


@dataclass
class Part:
    """What one part of the demo cost."""

    title: str
    processes: int = 0
    cost: Cost = field(default_factory=Cost)


class Stage:
    """Runs processes on one table, and shows what they do."""

    def __init__(self, endpoint: str, about: str) -> None:
        self.console = Console(highlight=False)
        self.console.width = min(self.console.width, MAX_WIDTH)
        self.endpoint = endpoint
        self.about = about
        self.table = f"langgraph-demo-{uuid.uuid4().hex[:8]}"
        self.parts = [Part("The table itself")]
        self.failures = 0

    @contextmanager
    def made_table(self) -> Iterator[None]:
        """Make the table, and delete it at the end whatever happens."""
        part = self.parts[0]

        def told(_: str, cost: Cost) -> None:
            part.cost += cost

        with open_saver(self.endpoint, self.table, told, deploy=True) as saver:
            self._observer = boto3.Session().client("dynamodb", endpoint_url=self.endpoint)
            try:
                yield
            finally:
                self._observer.close()
                saver.destroy()

    @contextmanager
    def part(self, title: str, teaser: str) -> Iterator[None]:
        """One story; an error in it does not keep the others from being told."""
        self.parts.append(Part(title))
        self.console.print()
        self.console.print(rule(f"{len(self.parts) - 1}  {title}"))
        self.console.print(Text(teaser, style="italic"))
        try:
            yield
        except DemoError as error:
            self.check(False, str(error))

    @contextmanager
    def process(
        self, act: str, *, shows: Sequence[str] = (), exit_code: int = 0, **arguments: Any
    ) -> Iterator[Run]:
        """Run one act of `demo_processes.py` as a process of its own.

        Args:
            act: The function to run.
            shows: The threads to look at in the table when the process has ended.
            exit_code: How the process is to end.
            **arguments: The act's arguments.
        """
        script = Path(__file__).with_name("demo_processes.py")
        command = [sys.executable, str(script), self.endpoint, self.table, act]
        command.append(json.dumps(arguments))
        self.console.print()
        with (
            self.console.status(" running"),
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as process,
        ):
            self._line("▶", Text(f"process {process.pid}", style="bold"), indent=0)
            try:
                out, errors = process.communicate(timeout=MAX_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise DemoError(f"process {process.pid} took over {MAX_SECONDS} s") from None
        run = self._read(Run(process.pid, process.returncode), out)
        self.parts[-1].processes += 1
        self.parts[-1].cost += run.cost
        if run.exit_code != exit_code:
            self.console.print(Text(errors, style="dim"), no_wrap=True, overflow="ignore")
            raise DemoError(f"process {run.pid} ended with exit code {run.exit_code}")
        yield run
        self._footer(run, shows)

    def says(self, who: str, what: str) -> None:
        """Show a line of a conversation."""
        self._columns(Text(who, style="bold magenta"), Text(what))

    def does(self, node: str, what: str) -> None:
        """Show what a node has done."""
        self._columns(Text(node, style="cyan"), Text(what))

    def show(self, what: RenderableType) -> None:
        """Show something else."""
        self.console.print(Padding(what, (0, 0, 0, INDENT), expand=False))

    def code(self, *lines: str) -> None:
        """Show the line of code that does it, for copying."""
        self.console.print()
        for line in lines:
            self._line(">", Text(line, style="bold blue"), indent=0)

    def aside(self, what: str) -> None:
        """Say something between two processes."""
        self.console.print()
        self.console.print(Text(what, style="italic"))

    def check(self, kept: bool, promise: str) -> None:
        """Show whether a story did what it says; the exit code of the demo follows."""
        self.failures += not kept
        style = "bold green" if kept else "bold red"
        self.console.print()
        self._line("✓" if kept else "✗ FAILED:", Text(promise), indent=0, style=style)

    def opening(self) -> None:
        """Say what is about to be shown, and where."""
        facts = Table.grid(padding=(0, 2))
        facts.add_row("Engine", f"{self.about}, at {self.endpoint}")
        facts.add_row("Table", f"{self.table}, deleted at the end")
        facts.add_row("Stored", "after each step a checkpoint, after each node a pending write,")
        facts.add_row("", "and the large values of both as chunks, equal bytes once")
        facts.add_row("Models", "fake: no API key, the same words every time (costs vary a little)")
        self.console.print(rule("LangGraph on one DynamoDB table"))
        self.console.print(facts)

    def summary(self) -> None:
        """Show what each part cost, and what to do next."""
        costs = Table(
            box=box.SIMPLE_HEAD,
            show_footer=True,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        total = Part("Total", sum(p.processes for p in self.parts))
        total.cost = sum((part.cost for part in self.parts), Cost())
        for heading, figure in zip(
            ("Part", "Processes", "Requests", "Write units", "Read units", "US$ a million times"),
            figures(total),
            strict=True,
        ):
            is_name = heading == "Part"
            side = "left" if is_name else "right"
            costs.add_column(heading, figure, justify=side, no_wrap=is_name)
        for part in self.parts:
            costs.add_row(*figures(part))
        self.console.print()
        self.console.print(rule("What it cost"))
        self.console.print(costs)
        self.console.print(Text(PRICES, style="dim"))
        if self.failures:
            self.check(False, f"{counted(self.failures, 'check')} above")
        self.console.print()
        self.console.print(rule("What to do next"))
        steps = Table.grid(padding=(0, 2))
        for what, how in NEXT:
            steps.add_row(what, Text(how, style="bold"))
        self.console.print(steps)

    def _footer(self, run: Run, threads: Sequence[str]) -> None:
        end = "ended" if run.exit_code == 0 else f"KILLED (exit code {run.exit_code})"
        told = f"{end} after {counted(run.cost.requests, 'request')}; {priced(run.cost)}"
        self._line("└", Text(told, style="dim"), style="dim")
        for thread in threads:
            stored = f"in the table: thread {thread!r}: {self._stored(thread)}"
            self._line(" ", Text(stored, style="dim"))

    def _stored(self, thread: str) -> str:
        """Look into the table; these requests are the demo's own and are not counted."""
        pages = self._observer.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="PK = :thread",
            ExpressionAttributeValues={":thread": {"S": thread}},
            ConsistentRead=True,
        )
        items = [item for page in pages for item in page["Items"]]
        writes = sum("#W#" in item["SK"]["S"] for item in items)
        chunks = sum(item["SK"]["S"].startswith("S#") for item in items)
        counts = {
            "checkpoint": len(items) - writes - chunks,
            "pending write": writes,
            "chunk": chunks,
        }
        said = [counted(number, what) for what, number in counts.items() if number]
        return f"{', '.join(said)}; {sum(map(item_size, items)):,} bytes"

    @staticmethod
    def _read(run: Run, out: str) -> Run:
        for line in out.splitlines():
            match json.loads(line):
                case {"request": _, "cost": cost}:
                    run.cost += Cost(*cost)
                case {"started": node}:
                    run.started[node] += 1
                case {"finished": node}:
                    run.finished[node] += 1
                case {"result": result}:
                    run.result = result
        return run

    def _columns(self, name: Text, what: Text) -> None:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=10)
        grid.add_row(name, what)
        self.show(grid)

    def _line(self, mark: str, what: Text, *, indent: int = 2, style: str = "") -> None:
        grid = Table.grid(padding=(0, 1))
        grid.add_row(Text(mark, style=style), what)
        self.console.print(Padding(grid, (0, 0, 0, indent), expand=False))


def figures(part: Part) -> tuple[str, ...]:
    """The row of a part in the table of costs."""
    cost = part.cost
    return (
        part.title,
        str(part.processes or "-"),
        f"{cost.requests:,}",
        f"{cost.write_units:,.0f}",
        f"{cost.read_units:,.4g}",
        f"{cost.dollars_a_million:,.2f}",
    )


def priced(cost: Cost) -> str:
    """Units and their price."""
    units = f"{cost.write_units:,.0f} write and {cost.read_units:,.4g} read units"
    dollars = cost.dollars_a_million
    if dollars > DEAR:
        return f"{units}: US$ {dollars / 1_000_000:.4f}"
    return f"{units}: US$ {dollars:,.2f} a million times"


def rule(title: str) -> Rule:
    """Make a heading."""
    return Rule(Text(title, style="bold cyan"), align="left", style="dim")


def counted(number: int, what: str) -> str:
    """Say how many, in the singular or plural."""
    return f"{number} {what}{'s' * (number != 1)}"
