"""`export_threads`: the threads of an owner as lines of JSON, newest checkpoint first.

A line is an object with a `kind`:

==============  ===========================================================
`thread`        what `list_threads` returns of it
`message`       a message of a conversation, once for each thread and channel
`checkpoint`    a checkpoint: its ids, metadata, and the values of channels
                that no newer checkpoint of its namespace has exported
`write`         a pending write of the checkpoint before it
==============  ===========================================================

So the export has every value that is stored, once for each version, and its size grows with the
stored data and not with the number of checkpoints. Values are read as data: nothing that the bytes
name is imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple

from ..checkpoints.listing import Listing, Query
from ..directory.listing import Thread, threads_of
from ..directory.scan import EntryScan
from ..runtime.context import Context
from ..runtime.effects import Operation
from ..runtime.lru_cache import Cache
from ..serialization.plain_data import NamedData, as_json, reader_of

_CACHE_BYTES = 16 << 20
_MESSAGES = "langchain_core.messages."


class ThreadExport:
    """One `export_threads`: call `next_lines` until it returns `None`."""

    def __init__(self, owner: str) -> None:
        self._scan = EntryScan(owner)
        self._exported: set[str] = set()
        self._listing: Listing | None = None
        self._lines = ThreadLines("")

    @property
    def threads(self) -> int:
        """How many threads were exported."""
        return len(self._exported)

    def next_lines(self, context: Context) -> Operation[list[str] | None]:
        """The next lines, without line ends; `None` after the last."""
        reading = replace(context, serde=reader_of(context.serde), cache=Cache(_CACHE_BYTES))
        while True:
            if self._listing is None:
                entry = yield from self._scan.next(context)
                if entry is None:
                    return None
                found = yield from threads_of(context, [entry])
                # A thread that becomes active during the export is read again.
                if found and found[0].thread_id not in self._exported:
                    return self._begin(found[0])
                continue
            page = yield from self._listing.page(reading)
            if page is not None:
                return [line for one in page for line in self._lines.of(one)]
            self._listing = None

    def _begin(self, thread: Thread) -> list[str]:
        self._exported.add(thread.thread_id)
        self._listing = Listing(Query(thread.thread_id, None, None, None, {}), None)
        self._lines = ThreadLines(thread.thread_id)
        return [self._lines.thread(thread)]


class ThreadLines:
    """The lines of one thread; remembers what was exported.

    Takes checkpoints whose values were read as data.
    """

    def __init__(self, thread_id: str) -> None:
        self._thread_id = thread_id
        self._versions: set[tuple[str, str, str]] = set()
        self._messages: set[tuple[str, str]] = set()

    def thread(self, thread: Thread) -> str:
        """The line of the thread itself."""
        return self._line(
            "thread",
            owner=thread.owner,
            title=thread.title,
            metadata=as_json(dict(thread.metadata)),
            **({} if thread.unreadable is None else {"unreadable": thread.unreadable}),
            created=None if thread.created is None else thread.created.isoformat(),
            last_activity=thread.last_activity.isoformat(),
            status=thread.status.value,
        )

    def of(self, found: CheckpointTuple) -> Iterator[str]:
        """The lines of a checkpoint: its new messages, itself, its pending writes."""
        configurable, checkpoint = found.config["configurable"], found.checkpoint
        ns = configurable["checkpoint_ns"]
        values: dict[str, Any] = {}
        for channel, value in checkpoint["channel_values"].items():
            version = (ns, channel, str(checkpoint["channel_versions"].get(channel)))
            if version in self._versions:
                continue
            self._versions.add(version)
            if _is_conversation(value):
                yield from self._new_messages(channel, value)
            else:
                values[channel] = as_json(value)
        parent = found.parent_config
        where = {"checkpoint_ns": ns, "checkpoint_id": configurable["checkpoint_id"]}
        yield self._line(
            "checkpoint",
            **where,
            parent_id=parent["configurable"]["checkpoint_id"] if parent else None,
            ts=checkpoint.get("ts"),
            metadata=as_json(dict(found.metadata)),
            values=values,
        )
        for task_id, channel, value in found.pending_writes or ():
            if _is_conversation(value):
                yield from self._new_messages(channel, value)
            else:
                written = as_json(value)
                yield self._line("write", **where, task_id=task_id, channel=channel, value=written)

    def _new_messages(self, channel: str, messages: list[Any]) -> Iterator[str]:
        for message in messages:
            line = self._line("message", channel=channel, message=_as_message(message))
            if (channel, line) not in self._messages:
                self._messages.add((channel, line))
                yield line

    def _line(self, kind: str, **content: Any) -> str:
        return json.dumps(
            {"kind": kind, "thread_id": self._thread_id, **content}, ensure_ascii=False
        )


def _is_conversation(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_message, value))


def _is_message(value: Any) -> bool:
    return (
        isinstance(value, NamedData)
        and value.type.startswith(_MESSAGES)
        and isinstance(value.data, Mapping)
    )


def _as_message(message: NamedData) -> dict[str, Any]:
    """A message as its fields, without those that are empty."""
    fields = as_json(message.data)
    return {name: value for name, value in fields.items() if value not in (None, "", [], {}, False)}
