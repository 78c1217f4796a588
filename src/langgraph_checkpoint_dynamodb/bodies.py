"""Bodies made and read: checkpoints and pending writes as the serde leaves them.

The header carries everything a user could call content (channel names included)
and goes through the serde, so an encrypting serde leaves no plaintext outside
the keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from . import codec, keys, message_memo
from .chunking import Cut, cut, cut_list
from .codec import Body, Record, Typed
from .context import Context
from .errors import CorruptCheckpointError, InvalidInputError
from .memory import StoredValue
from .serializers import MSGPACK, deserialize, serialize

INLINE_BYTES = 1024
"""A state value up to this stays whole in its checkpoint item."""

INLINE_WRITE_BYTES = 8192
"""A pending write up to this stays whole: it is stored once, so cutting gains little."""

_MAX_WALK = 400
"""Objects that are looked at to find how large a value is, some 50 microseconds."""

_CUT_BODY_BYTES = 16 * 1024
"""A packed body over this is cut as a value would be: what did not change is not sent again."""


@dataclass(frozen=True, slots=True)
class CheckpointHeader:
    """All of a checkpoint but its values."""

    checkpoint: dict[str, Any]
    metadata: CheckpointMetadata
    parent_id: str | None
    channels: list[str]
    checkpoint_ns: str | None
    """Only if the key holds a hash of it."""


@dataclass(frozen=True, slots=True)
class WritesHeader:
    """All of a task's writes but their values."""

    task_path: str
    indexes: list[int]
    channels: list[str]
    task_id: str | None
    """Only if the key holds a hash of it."""


@dataclass(frozen=True, slots=True)
class Write:
    """One pending write, serialized."""

    index: int
    channel: str
    value: Typed


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body ready to be stored, and the chunks that have to be there first."""

    body: bytes
    chunks: dict[bytes, bytes]


def check_size(context: Context, found: Iterable[Body], where: str) -> None:
    """Refuse to put together more than `max_bytes`.

    Raises:
        CorruptCheckpointError: The records claim more.
    """
    size = sum(record.size for body in found for record in body.records)
    if size > context.max_bytes:
        raise CorruptCheckpointError(
            f"{where}: values and pending writes of {size} bytes, over max_checkpoint_bytes="
            f"{context.max_bytes}; if they are genuine, raise it in DynamoDBConfig"
        )


def check_new(context: Context, sizes: dict[str, int], where: str) -> None:
    """Refuse to store what a reader would refuse to put together.

    Raises:
        InvalidInputError: The values, with their sizes by channel, take over `max_bytes`.
    """
    size = sum(sizes.values())
    if size > context.max_bytes:
        largest = max(sizes, key=lambda channel: sizes[channel])
        raise InvalidInputError(
            f"{where}: values of {size} bytes, most of them in channel {largest!r}, over "
            f"max_checkpoint_bytes={context.max_bytes}: store less, or raise it in DynamoDBConfig "
            "for every process that reads the table"
        )


def bytes_at_most(value: Any) -> int | None:
    """An upper bound of the bytes that a small value holds; `None` if that is not soon found."""
    size = 0
    objects = _MAX_WALK
    left = [value]
    while left:
        one = left.pop()
        objects -= 1
        match one:
            case str() | bytes() | bytearray():
                size += len(one)
            case dict():
                left += one.values()
            case list() | tuple() | set():
                left += one
            case None | bool() | int() | float():
                pass
            case _:  # a message, say; what keeps its content elsewhere is not known
                fields = getattr(one, "__dict__", None)
                if fields is None:
                    return None
                left.append(fields)
        if objects < len(left):
            return None
    return size


def store_value(
    value: Typed, inline_bytes: int, known: Set[bytes] = frozenset()
) -> tuple[StoredValue, dict[bytes, bytes]]:
    """A record for a value, and the bytes of its chunks.

    Args:
        value: The value.
        inline_bytes: Up to this it is not cut.
        known: Chunks that are stored already; they decide what is joined.
    """
    kind, data = value
    if len(data) <= inline_bytes:
        return StoredValue(Record(kind, len(data), data)), {}
    pieces = cut(data, known)
    return _stored(kind, len(data), pieces), pieces.chunks


def _stored(
    kind: str, size: int, pieces: Cut, memo: message_memo.Memo | None = None
) -> StoredValue:
    if not pieces.refs:
        return StoredValue(Record(kind, size, pieces.head + pieces.tail), memo=memo)
    record = Record(kind, size, pieces.head, pieces.levels, pieces.tail, pieces.skip)
    return StoredValue(record, pieces.refs, memo)


def store_channel(
    serde: SerializerProtocol,
    channel: str,
    value: Any,
    before: StoredValue | None,
    known: frozenset[bytes],
) -> tuple[StoredValue, dict[bytes, bytes]]:
    """A record for a channel's value, and the bytes of its chunks, as far as they were cut anew.

    Args:
        serde: The saver's serde.
        channel: The channel's name, for errors.
        value: Its value.
        before: What the parent stored for the channel.
        known: Chunks that are stored already.
    """
    what = f"channel {channel!r}"
    if message_memo.handles(serde, value):
        memo = before.memo if before else None
        written = message_memo.write(
            value, memo, known, lambda part: serialize(serde, part, what), serde.loads_typed
        )
        if written is not None:
            return _store_messages(written, known)
    return store_value(serialize(serde, value, what), INLINE_BYTES, known)


def _store_messages(
    written: message_memo.Written, known: frozenset[bytes]
) -> tuple[StoredValue, dict[bytes, bytes]]:
    elements = written.elements
    if written.content is not None and elements.size <= INLINE_BYTES:
        inline = Record(MSGPACK, elements.size, written.content)
        return StoredValue(inline, memo=written.memo(())), {}
    pieces = cut_list(elements, known)
    return _stored(MSGPACK, elements.size, pieces, written.memo(pieces.segments)), pieces.chunks


def seal(body: Body, chunks: dict[bytes, bytes], known: Set[bytes]) -> Encoded:
    """A body as an item holds it; one that is too large for an item is cut first."""
    packed = codec.pack_body(body)
    if len(packed) > _CUT_BODY_BYTES:
        stored, pieces = store_value(("", packed), 0, known)
        if pieces:
            cut_body = codec.pack_cut_body(body.generation, stored.record)
            return Encoded(codec.seal(cut_body), {**chunks, **pieces})
    return Encoded(codec.seal(packed), chunks)


def checkpoint_header(serde: SerializerProtocol, header: CheckpointHeader) -> Typed:
    """Serialize a checkpoint's header; its id is in the key and left out."""
    checkpoint = {name: value for name, value in header.checkpoint.items() if name != "id"}
    content = [checkpoint, header.metadata, header.parent_id, header.channels, header.checkpoint_ns]
    return serialize(serde, content, "the checkpoint or its metadata")


def read_checkpoint_header(context: Context, body: Body, where: str) -> CheckpointHeader:
    """Undo `checkpoint_header`."""
    content = deserialize(context, body.header, where, "the checkpoint's header")
    match content:
        case [dict(checkpoint), dict(metadata), parent_id, [*channels], str() | None as ns, *_] if (
            len(channels) == len(body.records)
            and _are_names(channels)
            and (not parent_id or keys.is_checkpoint_id(parent_id))
            and isinstance(checkpoint.get("channel_versions"), dict)
        ):
            return CheckpointHeader(checkpoint, metadata, parent_id or None, channels, ns)  # type: ignore[arg-type]
    raise CorruptCheckpointError(f"{where}: a checkpoint header of an unknown shape")


def _are_names(channels: Sequence[Any]) -> bool:
    """Whether all are strings and no two the same: then none hides another's value."""
    return all(isinstance(channel, str) for channel in channels) and len(set(channels)) == len(
        channels
    )


def has_deltas(metadata: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether a checkpoint is of a graph with delta channels.

    LangGraph counts their supersteps in the metadata, but for one in which each has just
    been stored as a snapshot.
    """
    return bool(metadata.get("counters_since_delta_snapshot")) or any(
        isinstance(value, _DeltaSnapshot) for value in values.values()
    )


def unstored_deltas(header: CheckpointHeader, where: str) -> dict[str, int]:
    """The delta channels whose value is not in the checkpoint: supersteps since the last snapshot.

    LangGraph's metadata names them: `counters_since_delta_snapshot`, a pair of updates and
    supersteps for each.
    """
    counters = header.metadata.get("counters_since_delta_snapshot") or {}
    try:
        return {
            channel: int(steps)
            for channel, (_, steps) in counters.items()
            if channel not in header.channels
        }
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise CorruptCheckpointError(
            f"{where}: metadata 'counters_since_delta_snapshot' of an unknown shape: {counters!r}"
        ) from error


def whole_checkpoint(
    header: CheckpointHeader, checkpoint_id: str, values: dict[str, Any]
) -> Checkpoint:
    """The checkpoint as LangGraph put it."""
    return {**header.checkpoint, "id": checkpoint_id, "channel_values": values}  # type: ignore[typeddict-item]


def encode_writes(
    serde: SerializerProtocol,
    generation: int,
    writes: Sequence[Write],
    task_path: str,
    hidden_task_id: str | None,
    known: Set[bytes],
) -> Encoded:
    """The body of a writes item."""
    header = [
        task_path,
        [write.index for write in writes],
        [write.channel for write in writes],
        hidden_task_id,
    ]
    records = []
    chunks: dict[bytes, bytes] = {}
    for write in writes:
        stored, pieces = store_value(write.value, INLINE_WRITE_BYTES, known)
        records.append(stored.record)
        chunks.update(pieces)
    typed = serialize(serde, header, "the names of a task's writes")
    return seal(Body(generation, typed, tuple(records)), chunks, known)


def read_writes_header(context: Context, body: Body, where: str) -> WritesHeader:
    """Undo the header part of `encode_writes`."""
    match deserialize(context, body.header, where, "a task's writes header"):
        case [str(path), [*indexes], [*channels], str() | None as task_id, *_] if (
            len(indexes) == len(channels) == len(body.records)
            and all(type(index) is int for index in indexes)
            and all(isinstance(channel, str) for channel in channels)
        ):
            return WritesHeader(path, indexes, channels, task_id)
    raise CorruptCheckpointError(f"{where}: a writes header of an unknown shape")


def records_of(bodies: Iterable[Body]) -> list[tuple[int, Record]]:
    """The records of some bodies, with their generations, as `chunks.load` takes them."""
    return [(body.generation, record) for body in bodies for record in body.records]
