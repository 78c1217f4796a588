"""The workloads by name. README.md describes each in words.

Apart from what runs them, which needs LangGraph: the driver, which only has to know
what there is to run, does not.
"""

from dataclasses import dataclass, field
from typing import Any

COST = "cost"
TIMING = "timing"


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    scenario: str
    """Function that runs it, of the module `measuring` (cost) or `timing`."""
    arguments: dict[str, Any] = field(default_factory=dict)
    turns: tuple[int, ...] = ()
    """Turns at which the comparison shows what a turn costs."""
    kind: str = COST
    seconds: float = 180
    """Time for a saver, the same for all of them."""
    savers: tuple[str, ...] = ()
    """Only these savers run it; all when empty."""
    short: dict[str, Any] = field(default_factory=dict)
    """Arguments of a run that only shows that the workload works."""

    @property
    def module(self) -> str:
        return "measuring" if self.kind == COST else self.kind


def _chat(turns: int, cold: bool, at: tuple[int, ...]) -> Workload:
    return Workload(
        f"chat-{turns}",
        f"Chat of {turns:,} turns",
        "play",
        {"script": "chat", "turns": turns, "cold": cold},
        turns=at,
        seconds=180 if turns < 1000 else 600,
        short={"turns": 3},
    )


def _history(steps: int) -> Workload:
    # Two checkpoints precede the first step: the input's, and the one that takes it.
    return Workload(
        f"history-{steps}",
        f"History and newest 10 of {steps:,} checkpoints",
        "history",
        {"script": "notes", "steps": steps - 2},
        short={"steps": 12},
    )


def _document(source: str, title: str) -> Workload:
    return Workload(
        f"document-{source}",
        title,
        "play",
        {"script": "document", "size": 300_000, "steps": 20, "source": source},
        short={"size": 20_000, "steps": 2},
    )


_ON_DYNAMODB = ("ours", "aws", "aws-gzip", "amazon-0.1.3", "dynamodb-checkpoint")

_ALL = (
    _chat(10, cold=True, at=(10,)),
    _chat(100, cold=True, at=(10, 50, 100)),
    _chat(300, cold=False, at=(10, 50, 100, 300)),
    _chat(1000, cold=False, at=(10, 100, 300, 1000)),
    Workload(
        "new-process-100",
        "Chat of 100 turns, a new process every turn",
        "play",
        {"script": "chat", "turns": 100, "cold": False, "renewed": True},
        turns=(10, 50, 100),
        seconds=180,
        short={"turns": 3},
    ),
    Workload(
        "agent-15",
        "Agent of 15 turns with tool results of 4 KB",
        "play",
        {"script": "agent", "turns": 15, "result": 4096},
        short={"turns": 2},
    ),
    Workload(
        "fan-out-20",
        "Fan-out of 20 tasks",
        "play",
        {"script": "fan_out", "tasks": 20},
        short={"tasks": 5},
    ),
    _document("input", "A document of 300 KB held for 20 steps, from the input"),
    _document("task", "A document of 300 KB held for 20 steps, from a task"),
    Workload(
        "value-1.5MB",
        "A value of 1.5 MB",
        "play",
        {"script": "value", "size": 1_500_000, "cold": False},
        short={"size": 50_000},
    ),
    Workload(
        "value-20MB",
        "A value of 20 MB",
        "play",
        {"script": "value", "size": 20_000_000, "cold": False},
        short={"size": 60_000},
    ),
    Workload(
        "interrupt-20",
        "Interrupt and resume, 20 times",
        "play",
        {"script": "interrupts", "times": 20},
        short={"times": 2},
    ),
    Workload(
        "window-100",
        "Window of 20 messages over 100 turns",
        "play",
        {"script": "window", "turns": 100},
        turns=(20, 60, 100),
        short={"turns": 12, "cold": False},
    ),
    Workload(
        "edit-50",
        "An edit in the middle of 200 messages, 50 times",
        "play",
        {"script": "edit", "turns": 50, "length": 200, "size": 500},
        short={"turns": 2, "length": 20},
    ),
    Workload(
        "wide-50",
        "50 nodes and 100 channels over 50 steps",
        "play",
        {"script": "wide", "nodes": 50, "channels": 100},
        short={"nodes": 4},
    ),
    Workload(
        "subgraphs-10",
        "Subgraph of two steps, 10 turns",
        "play",
        {"script": "subgraphs", "turns": 10},
        short={"turns": 2},
    ),
    Workload(
        "history-100",
        "History of the chat of 100 turns",
        "history",
        {"script": "chat", "turns": 100},
        seconds=120,
        short={"turns": 3},
    ),
    _history(300),
    _history(3000),
    Workload(
        "latency",
        "Latency of a turn",
        "latency",
        {
            "turns": (10, 100, 250, 1000),
            "delays": (0, 2, 10),
            "durabilities": ("sync", "async"),
            "rounds": 7,
            "step": 2,
        },
        kind=TIMING,
        seconds=120,
        savers=(*_ON_DYNAMODB, "null"),
        short={"turns": (3, 12), "delays": (0, 1), "rounds": 1},
    ),
    Workload(
        "throughput",
        "Throughput of 64 chats at once",
        "throughput",
        {"delay": 2, "chats": 64, "turns": 10, "rounds": 5, "modes": ("async", "threads")},
        kind=TIMING,
        seconds=180,
        savers=(*_ON_DYNAMODB, "ours-sharing", "null"),
        short={"chats": 3, "turns": 2, "rounds": 1},
    ),
    Workload(
        "cpu",
        "CPU time of a turn of the chat of 100 turns",
        "cpu",
        {
            "turns": 100,
            "rounds": 5,
            "sources": {
                "ours": ("stub", "engine"),
                "null": ("engine",),
                "sqlite": ("file", "memory"),
            },
            "profiles": {"turns 1 to 100": (100, 0), "turns 991 to 1,000": (10, 990)},
        },
        kind=TIMING,
        seconds=300,
        savers=("ours", "null", "sqlite"),
        short={"turns": 2, "rounds": 1, "profiles": {"turns 2 to 3": (2, 1)}},
    ),
    Workload(
        "loop",
        "The event loop and a state of 20 MB",
        "loop",
        {"size": 20_000_000, "rounds": 3},
        kind=TIMING,
        seconds=300,
        savers=("ours",),
        short={"size": 100_000, "rounds": 1},
    ),
    Workload(
        "memory",
        "Memory of a saver that serves 10,000 threads",
        "memory",
        {"threads": 10_000, "turns": 2},
        kind=TIMING,
        seconds=600,
        savers=("ours",),
        short={"threads": 5},
    ),
)
WORKLOADS = {workload.name: workload for workload in _ALL}
