"""What the readers of other savers' tables share: expired items, tasks' writes, deserializing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

from ..config.source_table import SourceTable
from ..errors import CorruptCheckpointError, DeserializationError
from ..format import requests
from ..format.body import Typed
from ..runtime.context import Context
from ..runtime.effects import Call, Compute, Item, Operation
from ..storage import batches
from .blocked_types import refuse_blocked_types
from .entries import SourceCheckpoint, SourceWrites
from .report import LossKind
from .thread_copy import ThreadCopy


class StoredWrite(NamedTuple):
    """One pending write, as the source stores it."""

    checkpoint_ns: str
    checkpoint_id: str
    task_id: str
    task_path: str | None
    """`None` if the source does not store paths."""
    idx: int
    channel: str
    item: Item

    @property
    def task(self) -> tuple[str, str, str]:
        """The task on its checkpoint."""
        return self.checkpoint_ns, self.checkpoint_id, self.task_id


@dataclass(frozen=True, slots=True)
class TableReader(ABC):
    """Reads one thread from another saver's table.

    Attributes:
        context: The call's settings and clock; its table is the source's.
        source: The source.
        copy: Takes what is read.
    """

    PREFIX: ClassVar[str] = ""
    """What a partition key has before the thread id."""

    context: Context
    source: SourceTable
    copy: ThreadCopy

    @staticmethod
    @abstractmethod
    def scan(table: str, start: Item | None) -> Call:
        """One page of a scan for the partition keys of checkpoints."""

    @abstractmethod
    def read(self) -> Operation[None]:
        """Read the thread, parents before their children, and copy what is missing."""

    @abstractmethod
    def typed(self, item: Item, attribute: str) -> Typed:
        """The type and bytes of a value that an item stores.

        Raises:
            CorruptCheckpointError: The item does not have it.
        """

    def each_page(self, key: str, take: Callable[[list[Item]], Operation[None]]) -> Operation[None]:
        """Call `take` with the items of a partition that have not expired, page by page."""
        call = requests.query(self.source.table_name, key, None)
        return batches.each_page(call, lambda page: take(list(self.unexpired(page))))

    def unexpired(self, found: Iterable[Item]) -> Iterator[Item]:
        """The items that have not expired; notes what the copy lacks."""
        attribute = self.source.expiry_attribute
        for item in found:
            expiry = item.get(attribute, {}).get("N")  # DynamoDB ignores what is no number
            if expiry is not None:
                if float(expiry) <= self.context.now:
                    self.copy.lose(LossKind.EXPIRED)
                    continue
                self.copy.lose(LossKind.EXPIRY)
            yield item

    def checkpoint(
        self, ns: str, checkpoint_id: str, parent_id: str | None, load: Callable[[], Any]
    ) -> Operation[None]:
        """Copy a checkpoint, of which `load` returns values and metadata."""
        loaded: Any = yield Compute(load, lambda: None)
        found = SourceCheckpoint(ns, checkpoint_id, parent_id or None, *loaded)
        yield from self.copy.checkpoint(found)

    def writes(self, task: list[StoredWrite]) -> Operation[None]:
        """Copy a task's writes, unless they are here."""
        if not task:
            return
        first = task[0]
        channels = [one.channel for one in task]
        if not self.copy.needs_writes(*first.task, channels):
            return
        in_order = sorted(task, key=lambda one: one.idx)
        values: Any = yield Compute(
            lambda: [
                (one.channel, self.load(self.typed(one.item, "value"), one.item))
                for one in in_order
            ],
            lambda: None,
        )
        yield from self.copy.writes(SourceWrites(*first.task, first.task_path, values))

    def load(self, value: Typed, item: Item) -> Any:
        """Deserialize a value of an item.

        Raises:
            DeserializationError: The serializer cannot read it.
        """
        serde = self.context.serde
        try:
            with refuse_blocked_types(self.where(item)):
                return serde.loads_typed(value)
        except DeserializationError:
            raise
        except Exception as error:
            raise DeserializationError(
                f"{self.where(item)}: {type(serde).__name__} cannot read a value that is stored as "
                f"{value[0]!r} ({type(error).__name__}: {error}); pass SourceTable a serde that "
                "reads it"
            ) from error

    def text(self, item: Item, attribute: str) -> str:
        """A string attribute.

        Raises:
            CorruptCheckpointError: The item does not have it.
        """
        value = item.get(attribute, {}).get("S")
        if value is None:
            raise self.lacks(item, attribute)
        return str(value)

    def optional_text(self, item: Item, attribute: str) -> str | None:
        """A string attribute that an item may lack, or have as NULL.

        Raises:
            CorruptCheckpointError: It is of another type.
        """
        is_missing = "NULL" in item.get(attribute, {"NULL": True})
        return None if is_missing else self.text(item, attribute)

    def whole_number(self, item: Item, attribute: str) -> int:
        """A number attribute.

        Raises:
            CorruptCheckpointError: The item does not have it, or it is not whole.
        """
        try:
            return int(item[attribute]["N"])
        except (KeyError, ValueError):
            raise self.lacks(item, attribute) from None

    def binary(self, item: Item, attribute: str) -> bytes:
        """A binary attribute.

        Raises:
            CorruptCheckpointError: The item does not have it.
        """
        value = item.get(attribute, {}).get("B")
        if value is None:
            raise self.lacks(item, attribute)
        return bytes(value)

    def lacks(self, item: Item, attribute: str) -> CorruptCheckpointError:
        """The error for an attribute that an item does not have."""
        return CorruptCheckpointError(
            f"{self.where(item)} has no {attribute!r} of the kind that layout="
            f"{self.source.layout!r} stores"
        )

    def where(self, item: Item) -> str:
        """An item's address, for errors."""
        pk, sk = item["PK"]["S"], item["SK"]["S"]
        return f"item {pk!r}, {sk!r} of the source table {self.source.table_name!r}"


@dataclass(frozen=True, slots=True)
class PartitionReader(TableReader):
    """Reads a layout that has a thread's checkpoints and writes in its own partition."""

    @abstractmethod
    def parse_checkpoint(self, item: Item) -> tuple[str, str] | None:
        """The namespace and id of a checkpoint's item; `None` for another item."""

    @abstractmethod
    def parse_write(self, item: Item) -> StoredWrite | None:
        """The write in an item; `None` for another item."""

    @abstractmethod
    def load_checkpoint(self, item: Item) -> tuple[Any, Any]:
        """The checkpoint and its metadata."""

    def read(self) -> Operation[None]:
        """Read the partition in the order of its sort keys."""
        task: list[StoredWrite] = []

        def take(page: list[Item]) -> Operation[None]:
            for item in page:
                found = self.parse_checkpoint(item)
                if found is not None:
                    if not self.copy.has_checkpoint(*found):
                        parent = self.optional_text(item, "parent_checkpoint_id")
                        load = partial(self.load_checkpoint, item)
                        yield from self.checkpoint(*found, parent, load)
                    continue
                write = self.parse_write(item)
                if write is None:
                    continue
                if task and task[0].task != write.task:
                    yield from self.writes(task)
                    task.clear()
                task.append(write)

        yield from self.each_page(self.copy.thread_id, take)
        yield from self.writes(task)
