"""The workloads by name. README.md describes each in words.

Apart from `scenarios.py`, which needs LangGraph: the driver, which only has to know
what there is to run, needs nothing but Python.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    scenario: str
    """Function of `scenarios.py` that runs it."""
    arguments: dict[str, Any] = field(default_factory=dict)
    turns: tuple[int, ...] = ()
    """Turns at which the comparison shows what a turn costs."""


_ALL = (
    Workload("chat-100", "Chat of 100 turns", "chat", {"turns": 100}, turns=(10, 50, 100)),
    Workload("chat-300", "Chat of 300 turns", "chat", {"turns": 300}, turns=(10, 50, 100, 300)),
    Workload("history-100", "History of the chat of 100 turns", "history", {"turns": 100}),
    Workload("value-1.5MB", "A value of 1.5 MB", "value", {"size": 1_500_000}),
    Workload("value-20MB", "A value of 20 MB", "value", {"size": 20_000_000}),
)
WORKLOADS = {workload.name: workload for workload in _ALL}
