"""Checkpoints whose metadata names their thread, made to name the thread that they are copied to.

LangGraph Server notes a thread's id in the metadata of its checkpoints and filters by it. The
metadata is in the header, so the body is opened and sealed again, with the same values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from ..errors import CorruptCheckpointError, DeserializationError, UnsupportedFormatError
from ..format import items
from ..runtime.context import Context
from ..runtime.effects import Compute, Item, Operation
from ..serialization import encode, headers
from ..serialization.headers import CheckpointHeader
from ..storage import chunk_reader
from ..storage.body_reader import Opened, open_bodies, refs_of

_CHECKPOINTS_AT_ONCE = 64

Ref = tuple[int, bytes]
"""A chunk, by its generation and digest."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """A checkpoint that names the target.

    Attributes:
        item: What is stored in the target.
        chunks: The chunks that its body is cut into, by their generations and digests.
        opened: The source's body, opened.
        header: The new header.
    """

    item: Item
    chunks: dict[Ref, bytes]
    opened: Opened
    header: CheckpointHeader


@dataclass(slots=True)
class Renaming:
    """The checkpoints of a thread that have to be renamed, by their sort keys.

    Attributes:
        checkpoints: These.
        left: Chunks of the source that nothing in the copy refers to any more.
    """

    checkpoints: dict[str, Renamed] = field(default_factory=dict)
    left: set[Ref] = field(default_factory=set)


def renamed(
    context: Context, source: str, target: str, found: Sequence[Item]
) -> Operation[Renaming]:
    """Rename those of a thread's items that have to be.

    What cannot be read stays as it is: the copy is as damaged as its source.
    """
    renaming = Renaming()
    checkpoints = [item for item in found if items.parse_key(item).task is None]
    for start in range(0, len(checkpoints), _CHECKPOINTS_AT_ONCE):
        some = checkpoints[start : start + _CHECKPOINTS_AT_ONCE]
        read = yield from _read(context, source, some)
        renaming.checkpoints.update((yield _renaming(context, source, target, some, read)))
    cut = [one.opened for one in renaming.checkpoints.values() if one.opened.refs]
    if cut:
        left = {ref for opened in cut for ref in _located(opened, opened.refs)}
        try:
            left -= yield from _still_referred(context, source, found, renaming.checkpoints)
        except (CorruptCheckpointError, UnsupportedFormatError):
            return renaming  # what the damaged item refers to is not known
        renaming.left = left
    return renaming


def same(
    context: Context, target: str, there: Sequence[Item], wanted: Mapping[str, Renamed]
) -> Operation[dict[str, bool]]:
    """Whether checkpoints of the target are what they would be renamed to, whatever their bytes.

    An encrypted body never has the same bytes again. One that cannot be read is in no result.
    """
    read = yield from _read(context, target, there)
    return {
        key: header == wanted[key].header and opened.body.records == wanted[key].opened.body.records
        for key, (opened, header) in read.items()
    }


def _read(
    context: Context, thread_id: str, found: Sequence[Item]
) -> Operation[dict[str, tuple[Opened, CheckpointHeader]]]:
    """The bodies and headers of checkpoints, as far as they can be read."""
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


def _renaming(
    context: Context,
    source: str,
    target: str,
    found: Sequence[Item],
    read: Mapping[str, tuple[Opened, CheckpointHeader]],
) -> Compute[dict[str, Renamed]]:
    def rename() -> dict[str, Renamed]:
        made = {}
        for item in found:
            key = items.sort_key(item)
            opened, header = read.get(key, (None, None))
            metadata = _renamed_in(header.metadata, source, target) if header else None
            if opened is not None and header is not None and metadata is not None:
                changed = replace(header, metadata=metadata)  # type: ignore[arg-type]
                made[key] = _sealed(context, {**item, "PK": {"S": target}}, opened, changed)
        return made

    return Compute(rename, lambda: sum(map(items.body_size, found)))


def _sealed(context: Context, item: Item, opened: Opened, header: CheckpointHeader) -> Renamed:
    typed = headers.checkpoint_header(context.serde, header)
    body = replace(opened.body, generation=opened.made_in, header=typed)
    encoded = encode.encode_body(body, {}, frozenset())
    # The item is kept as long as the source's, so that its chunks stand where the source's do.
    pieces = {(opened.body.generation, digest): data for digest, data in encoded.chunks.items()}
    return Renamed({**item, "B": {"B": encoded.body}}, pieces, opened, header)


def _renamed_in(metadata: Mapping[str, Any], source: str, target: str) -> dict[str, Any] | None:
    """Metadata that names the target; `None` if it does not name the source."""
    changed: dict[str, Any] = {}
    if _names(metadata.get("thread_id"), source):
        changed["thread_id"] = _noted(target)
    nested = metadata.get("configurable")
    if isinstance(nested, Mapping) and _names(nested.get("thread_id"), source):
        changed["configurable"] = {**nested, "thread_id": _noted(target)}
    return {**metadata, **changed} if changed else None


def _names(value: Any, thread_id: str) -> bool:
    return (
        isinstance(value, str | int | UUID)
        and not isinstance(value, bool)
        and str(value) in {thread_id, _noted(thread_id)}
    )


def _noted(thread_id: str) -> str:
    """A thread's id as metadata holds it: LangGraph's `get_checkpoint_metadata` drops NULs."""
    return thread_id.replace("\x00", "")


def _located(opened: Opened, refs: Iterable[bytes]) -> Iterable[Ref]:
    """Chunks with the generation that they are in, and with the one that they were written in."""
    return {(one, ref) for one in (opened.body.generation, opened.made_in) for ref in refs}


def _still_referred(
    context: Context, source: str, found: Sequence[Item], changed: Mapping[str, Renamed]
) -> Operation[set[Ref]]:
    """What all but the bodies that were sealed again refers to."""
    where = f"thread {source!r}"
    others = [item for item in found if items.sort_key(item) not in changed]
    now, before = yield from refs_of(context, source, others, where)
    referred = now | before
    opened = [one.opened for one in changed.values()]
    records = encode.records_of(one.body for one in opened)
    nodes = [(generation, record) for generation, record in records if len(record.levels) > 1]
    loaded = yield from chunk_reader.load(context, source, nodes, only_lists=True)
    for one in opened:
        for record in one.body.records:
            referred.update(_located(one, loaded.refs(record, where)))
    return referred
