"""`copy_thread`: replace the source's thread id in the metadata of checkpoints with the target's.

LangGraph Server stores a thread's id in the metadata of its checkpoints and filters by it. The
metadata is in the header, so the body is unpacked and packed again, with the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from ..errors import CorruptCheckpointError, DeserializationError, UnsupportedFormatError
from ..format import items
from ..format.keys import ChunkRef
from ..runtime.context import Context
from ..runtime.effects import Compute, Item, Operation
from ..serialization import encode, headers
from ..serialization.headers import CheckpointHeader
from ..storage.body_reader import Opened, open_bodies, refs_in

T = TypeVar("T")

_CHECKPOINTS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class RenamedCheckpoint:
    """A checkpoint whose metadata names the target.

    Attributes:
        item: The item to store in the target.
        chunks: The chunks that its body is cut into, by their generations and digests.
        opened: The source's body.
        header: The new header.
    """

    item: Item
    chunks: dict[ChunkRef, bytes]
    opened: Opened
    header: CheckpointHeader


@dataclass(slots=True)
class Renames:
    """What changes in a copy of a thread.

    Attributes:
        checkpoints: The checkpoints that are renamed, by their sort keys.
        unreferenced: Chunks of the source that nothing in the copy refers to.
    """

    checkpoints: dict[str, RenamedCheckpoint] = field(default_factory=dict)
    unreferenced: set[ChunkRef] = field(default_factory=set)


def rename_checkpoints(
    context: Context, source: str, target: str, found: Sequence[Item]
) -> Operation[Renames]:
    """Rename the checkpoints among a thread's items whose metadata names the thread.

    A checkpoint that cannot be read is not changed: the copy is as damaged as its source.
    """
    renames = Renames()
    rename = partial(_rename, context, source, target)
    checkpoints = [item for item in found if items.parse_key(item).task is None]
    for start in range(0, len(checkpoints), _CHECKPOINTS_AT_ONCE):
        some = checkpoints[start : start + _CHECKPOINTS_AT_ONCE]
        renamed = yield from _read(context, source, some, rename)
        renames.checkpoints.update((items.sort_key(one.item), one) for one in renamed if one)
    cut = [one.opened for one in renames.checkpoints.values() if one.opened.refs]
    if cut:
        unreferenced = {
            (generation, ref)
            for opened in cut
            for generation in (opened.body.generation, opened.made_in)
            for ref in opened.refs
        }
        try:
            unreferenced -= yield from _still_referred(context, source, found, renames.checkpoints)
        except (CorruptCheckpointError, UnsupportedFormatError):
            return renames  # a damaged item may refer to any chunk
        renames.unreferenced = unreferenced
    return renames


def are_equal(
    context: Context, target: str, stored: Sequence[Item], renamed: Mapping[str, RenamedCheckpoint]
) -> Operation[dict[str, bool]]:
    """Whether checkpoints of the target equal renamed ones in content, by their sort keys.

    Bytes are not compared: encrypting a body twice gives different bytes. A checkpoint that
    cannot be read is not in the result.
    """

    def compare(item: Item, opened: Opened, header: CheckpointHeader) -> tuple[str, bool]:
        one = renamed[items.sort_key(item)]
        is_equal = header == one.header and opened.body.records == one.opened.body.records
        return items.sort_key(item), is_equal

    return dict((yield from _read(context, target, stored, compare)))


def _read(
    context: Context,
    thread_id: str,
    found: Sequence[Item],
    use: Callable[[Item, Opened, CheckpointHeader], T],
) -> Operation[list[T]]:
    """What `use` returns for each checkpoint that can be read."""
    where = f"thread {thread_id!r}"
    try:
        opened = yield from open_bodies(context, thread_id, found, where)
        made: list[T] = yield Compute(
            lambda: [
                use(item, one, headers.read_checkpoint_header(context, one.body, where))
                for item, one in zip(found, opened, strict=True)
            ],
            lambda: sum(map(items.body_size, found)),
        )
    except (CorruptCheckpointError, DeserializationError, UnsupportedFormatError):
        if len(found) == 1:
            return []
        made = []
        for item in found:
            made += yield from _read(context, thread_id, [item], use)
    return made


def _rename(
    context: Context,
    source: str,
    target: str,
    item: Item,
    opened: Opened,
    header: CheckpointHeader,
) -> RenamedCheckpoint | None:
    metadata = _renamed_in(header.metadata, source, target)
    if metadata is None:
        return None
    renamed = replace(header, metadata=metadata)  # type: ignore[arg-type]
    typed = headers.checkpoint_header(context.serde, renamed)
    body = replace(opened.body, generation=opened.made_in, header=typed)
    encoded = encode.encode_body(body, {}, frozenset())
    # The copy is kept as long as its source, so its chunks are in the same generation.
    chunks = {(opened.body.generation, digest): data for digest, data in encoded.chunks.items()}
    copy = {**item, "PK": {"S": target}, "B": {"B": encoded.body}}
    return RenamedCheckpoint(copy, chunks, opened, renamed)


def _renamed_in(metadata: Mapping[str, Any], source: str, target: str) -> dict[str, Any] | None:
    """Metadata that names the target; `None` if it does not name the source."""
    changed: dict[str, Any] = {}
    if _names(metadata.get("thread_id"), source):
        changed["thread_id"] = _in_metadata(target)
    nested = metadata.get("configurable")
    if isinstance(nested, Mapping) and _names(nested.get("thread_id"), source):
        changed["configurable"] = {**nested, "thread_id": _in_metadata(target)}
    return {**metadata, **changed} if changed else None


def _names(value: Any, thread_id: str) -> bool:
    return (
        isinstance(value, str | int | UUID)
        and not isinstance(value, bool)
        and str(value) in {thread_id, _in_metadata(thread_id)}
    )


def _in_metadata(thread_id: str) -> str:
    """A thread's id as metadata holds it: LangGraph's `get_checkpoint_metadata` removes NULs."""
    return thread_id.replace("\x00", "")


def _still_referred(
    context: Context, source: str, found: Sequence[Item], renamed: Mapping[str, RenamedCheckpoint]
) -> Operation[set[ChunkRef]]:
    """The chunks that the values of renamed checkpoints, and all other items, refer to."""
    where = f"thread {source!r}"
    others = [item for item in found if items.sort_key(item) not in renamed]
    opened = yield from open_bodies(context, source, others, where)
    opened += [replace(one.opened, refs=frozenset()) for one in renamed.values()]
    now, before = yield from refs_in(context, source, opened, where)
    return now | before
