"""`copy_thread`: replace the source's thread id in the metadata of checkpoints with the target's.

LangGraph Server stores a thread's id in the metadata of its checkpoints and filters by it. The
metadata is in the header, so the body is unpacked and packed again, with the same values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from ..errors import CorruptCheckpointError, DeserializationError, UnsupportedFormatError
from ..format import items
from ..runtime.context import Context
from ..runtime.effects import Compute, Item, Operation
from ..serialization import encode, headers
from ..serialization.headers import CheckpointHeader
from ..storage.body_reader import Opened, open_bodies, refs_in

_CHECKPOINTS_AT_ONCE = 64

Ref = tuple[int, bytes]
"""A chunk, by its generation and digest."""


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
    chunks: dict[Ref, bytes]
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
    unreferenced: set[Ref] = field(default_factory=set)


def rename_checkpoints(
    context: Context, source: str, target: str, found: Sequence[Item]
) -> Operation[Renames]:
    """Rename the checkpoints among a thread's items whose metadata names the thread.

    A checkpoint that cannot be read is not changed: the copy is as damaged as its source.
    """
    renames = Renames()
    checkpoints = [item for item in found if items.parse_key(item).task is None]
    for start in range(0, len(checkpoints), _CHECKPOINTS_AT_ONCE):
        some = checkpoints[start : start + _CHECKPOINTS_AT_ONCE]
        read = yield from _read(context, source, some)
        renames.checkpoints.update((yield _rename(context, source, target, some, read)))
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
    read = yield from _read(context, target, stored)
    return {
        key: header == renamed[key].header
        and opened.body.records == renamed[key].opened.body.records
        for key, (opened, header) in read.items()
    }


def _read(
    context: Context, thread_id: str, found: Sequence[Item]
) -> Operation[dict[str, tuple[Opened, CheckpointHeader]]]:
    """The bodies and headers of the checkpoints that can be read."""
    try:
        opened = yield from open_bodies(context, thread_id, found, f"thread {thread_id!r}")
        found_headers: list[CheckpointHeader] = yield Compute(
            lambda: [
                headers.read_checkpoint_header(context, one.body, f"thread {thread_id!r}")
                for one in opened
            ],
            lambda: sum(map(items.body_size, found)),
        )
    except (CorruptCheckpointError, DeserializationError, UnsupportedFormatError):
        if len(found) == 1:
            return {}
        read: dict[str, tuple[Opened, CheckpointHeader]] = {}
        for item in found:
            read.update((yield from _read(context, thread_id, [item])))
        return read
    pairs = zip(opened, found_headers, strict=True)
    return {items.sort_key(item): pair for item, pair in zip(found, pairs, strict=True)}


def _rename(
    context: Context,
    source: str,
    target: str,
    found: Sequence[Item],
    read: Mapping[str, tuple[Opened, CheckpointHeader]],
) -> Compute[dict[str, RenamedCheckpoint]]:
    def rename() -> dict[str, RenamedCheckpoint]:
        renamed = {}
        for item in found:
            key = items.sort_key(item)
            opened, header = read.get(key, (None, None))
            metadata = _renamed_in(header.metadata, source, target) if header else None
            if opened is not None and header is not None and metadata is not None:
                changed = replace(header, metadata=metadata)  # type: ignore[arg-type]
                renamed[key] = _repacked(context, {**item, "PK": {"S": target}}, opened, changed)
        return renamed

    return Compute(rename, lambda: sum(map(items.body_size, found)))


def _repacked(
    context: Context, item: Item, opened: Opened, header: CheckpointHeader
) -> RenamedCheckpoint:
    typed = headers.checkpoint_header(context.serde, header)
    body = replace(opened.body, generation=opened.made_in, header=typed)
    encoded = encode.encode_body(body, {}, frozenset())
    # The copy is kept as long as its source, so its chunks are in the same generation.
    chunks = {(opened.body.generation, digest): data for digest, data in encoded.chunks.items()}
    return RenamedCheckpoint({**item, "B": {"B": encoded.body}}, chunks, opened, header)


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
) -> Operation[set[Ref]]:
    """The chunks that the values of renamed checkpoints, and all other items, refer to."""
    where = f"thread {source!r}"
    others = [item for item in found if items.sort_key(item) not in renamed]
    opened = yield from open_bodies(context, source, others, where)
    opened += [replace(one.opened, refs=frozenset()) for one in renamed.values()]
    now, before = yield from refs_in(context, source, opened, where)
    return now | before
