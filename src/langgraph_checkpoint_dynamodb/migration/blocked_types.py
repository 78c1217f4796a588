"""Refuses what a source's serializer did not read whole.

LangGraph's serializer returns an object whose class is not in its allowlist as plain data
(`LANGGRAPH_STRICT_MSGPACK`, `allowed_msgpack_modules`). A copy would store the data in its place.
It sends an event for each, see `langgraph/checkpoint/serde/event_hooks.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from langgraph.checkpoint.serde.event_hooks import SerdeEvent, register_serde_event_listener

from ..errors import DeserializationError

_ALLOWED = "msgpack_unregistered_allowed"
"""The only event of an object that was made."""

_found: ContextVar[list[str] | None] = ContextVar("found", default=None)


@contextmanager
def refuse_blocked_types(where: str) -> Iterator[None]:
    """Refuse what is read in the block if an object of it was turned into its data.

    Args:
        where: What is read, for the error.

    Raises:
        DeserializationError: It was.
    """
    found: list[str] = []
    token = _found.set(found)
    unregister = register_serde_event_listener(_note)
    try:
        yield
    finally:
        unregister()
        _found.reset(token)
    if found:
        names = ", ".join(dict.fromkeys(found))
        raise DeserializationError(
            f"{where}: the source's serializer returned objects as plain data, because their "
            f"classes are not in its allowlist: {names}; pass a source whose serde allows them: "
            "JsonPlusSerializer(allowed_msgpack_modules=[…])"
        )


def _note(event: SerdeEvent) -> None:
    found = _found.get()  # of this thread or task: others may read meanwhile
    if found is not None and event["kind"] != _ALLOWED:
        found.append(f"{event['module']}.{event['name']}")
