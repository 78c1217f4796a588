"""Deserializes an item for `verify`, which reports everything that cannot be read."""

from __future__ import annotations

from ..checkpoints.get import read_value
from ..errors import CorruptCheckpointError, DeserializationError
from ..format import keys
from ..format.body import Body, Record
from ..runtime.context import Context
from ..serialization import headers
from ..storage.chunk_reader import Chunks
from .verify_report import ProblemKind


class DecodedItem:
    """Deserializes an item.

    Attributes:
        header: The item's header, once it was read.
        problems: What cannot be read, and why.
    """

    def __init__(self, context: Context, where: str) -> None:
        self._context = context
        self._where = where
        self.header: headers.CheckpointHeader | headers.WritesHeader | None = None
        self.problems: list[tuple[ProblemKind, str]] = []

    def read(self, key: keys.CheckpointKey, body: Body, loaded: Chunks) -> None:
        """Deserialize its header and values, from the chunks that were loaded."""
        read = headers.read_checkpoint_header if key.task is None else headers.read_writes_header
        try:
            self.header = read(self._context, body, self._where)
        except CorruptCheckpointError as error:
            self.problems.append((ProblemKind.UNREADABLE_BODY, str(error)))
        except DeserializationError as error:
            self.problems.append((ProblemKind.UNLOADABLE_VALUE, str(error)))
        else:
            for channel, record in zip(self.header.channels, body.records, strict=True):
                self._value(channel, record, loaded)

    def _value(self, channel: str, record: Record, loaded: Chunks) -> None:
        if not loaded.reachable(record) <= loaded.data.keys():
            return  # a missing chunk is a problem of its own
        try:
            read_value(self._context, loaded, record, self._where, channel)
        except CorruptCheckpointError as error:
            self.problems.append((ProblemKind.UNREADABLE_BODY, f"channel {channel!r}: {error}"))
        except DeserializationError as error:
            self.problems.append((ProblemKind.UNLOADABLE_VALUE, str(error)))
