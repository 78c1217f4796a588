"""What operators see: the event of each operation, and an observer for OpenTelemetry.

The rule: nothing of a thread's content and no thread id is in an event, and `opentelemetry` is
imported by `otel` alone, on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .events import Observer, OperationEvent

if TYPE_CHECKING:
    from .otel import OpenTelemetryObserver

__all__ = ["Observer", "OpenTelemetryObserver", "OperationEvent"]


def __getattr__(name: str) -> Any:
    """Import the observer for OpenTelemetry on first use: it needs the extra `otel`."""
    if name != "OpenTelemetryObserver":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .otel import OpenTelemetryObserver as observer  # noqa: PLC0415, N813

    return observer
