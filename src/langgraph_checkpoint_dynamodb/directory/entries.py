"""Writes entries of the directory: with puts, for titles, and after deletions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from ..errors import (
    ConflictError,
    CorruptCheckpointError,
    DeserializationError,
    InvalidInputError,
    UnsupportedFormatError,
)
from ..format import items, keys, requests, thread_entries
from ..format.body import Body, Listed, pack_body, seal, unpack_body
from ..format.expiry import Lifetime
from ..format.thread_entries import NO_OWNER, Activity
from ..runtime.context import Context
from ..runtime.effects import ConditionFailed, Item, Operation
from ..serialization.serializer import deserialize, serialize
from ..serialization.snapshots import snapshot
from ..storage import batches
from . import newest_checkpoints

MAX_OWNER_BYTES = 2048
"""The limit of a partition key, of an index too.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

MAX_DESCRIPTION_BYTES = 2048
"""The limit of a title and metadata, serialized. A page of 20 entries is then read for 5 units."""

UNREADABLE = (CorruptCheckpointError, UnsupportedFormatError, DeserializationError)
"""What `description_of` raises."""

_ATTEMPTS = 8

_NOT_STORED = re.compile("[\\x00\\ud800-\\udfff]")


@dataclass(frozen=True, slots=True)
class Description:
    """What users say of a thread."""

    title: str | None = None
    metadata: Mapping[str, Any] | None = None


def check_owner(name: str, value: Any) -> str:
    """An owner: a string of 1 to 2,048 bytes; an integer or a UUID is converted.

    Raises:
        InvalidInputError: It is something else.
    """
    owner = str(value) if isinstance(value, int | UUID) else value
    if isinstance(value, bool) or not isinstance(owner, str) or owner.startswith(NO_OWNER):
        raise InvalidInputError(
            f"{name}={value!r}: use a string that does not begin with {NO_OWNER!r}, a UUID or an "
            "int"
        )
    if _NOT_STORED.search(owner):
        raise InvalidInputError(
            f"{name}={owner[:40]!r} contains NUL or a lone surrogate: use other characters"
        )
    if not 0 < len(owner.encode()) <= MAX_OWNER_BYTES:
        raise InvalidInputError(f"{name}={owner[:40]!r}…: use 1 to {MAX_OWNER_BYTES} bytes")
    return owner


def find_owner(
    context: Context, metadata: Mapping[str, Any], config: Mapping[str, Any] | None = None
) -> str | None:
    """The owner of a thread; see `DynamoDBConfig.thread_owner`.

    Args:
        context: The call's settings and clock.
        metadata: A checkpoint's metadata. LangGraph puts the strings, numbers and booleans of the
            run's `configurable` and metadata there, and leaves out other values, such as UUIDs.
        config: The run's config, if the checkpoint is being put.

    Raises:
        InvalidInputError: What is named cannot be an owner, or the function raised.
    """
    source = context.thread_owner
    if source is None:
        return None
    places: list[Mapping[str, Any]] = [metadata]
    if config is not None:
        places[:0] = [config.get("configurable") or {}, config.get("metadata") or {}]
    if isinstance(source, str):
        found = next((one[source] for one in places if one.get(source) is not None), None)
        return None if found is None else check_owner(f"thread_owner {source!r}", found)
    # UUIDs are for the function too; what it changes is a copy.
    ids = {
        name: value
        for place in reversed(places)
        for name, value in place.items()
        if isinstance(value, UUID)
    }
    try:
        found = source(snapshot({**ids, **metadata}))
    except Exception as error:
        raise InvalidInputError(
            f"thread_owner(metadata) raised {type(error).__name__}: {error}; let it return None "
            "for a run without an owner"
        ) from error
    return None if found is None else check_owner("thread_owner(metadata)", found)


def due(
    context: Context, activity: Activity, lifetime: Lifetime, before: Listed | None
) -> Activity | None:
    """What to write to a thread's entry before a checkpoint; `None` if the entry is current.

    Args:
        context: The call's settings and clock.
        activity: The activity, with no expiry yet.
        lifetime: The checkpoint's lifetime.
        before: What is known of the entry.
    """
    if not context.thread_index:
        return None
    if before is not None and thread_entries.is_current(before, activity.at, lifetime):
        return None
    return replace(activity, until=thread_entries.kept_until(lifetime))


def write(context: Context, new: Activity) -> Operation[None]:
    """Write a thread's entry. If a later activity is stored, another process has written it.

    The first checkpoint of a thread replaces an entry that an earlier thread of the same id has
    left: one that has expired, or lost its checkpoints otherwise.

    Raises:
        ConflictError: Others changed the entry at each attempt.
    """
    if not new.begins:
        yield [thread_entries.write(context.table, new, context.ttl_attribute)]
        return
    call = thread_entries.begin(context.table, new, context.ttl_attribute)
    for _ in range(_ATTEMPTS):
        (reply,) = yield [call]
        if not isinstance(reply, ConditionFailed):
            return
        entry = yield from read(context, new.thread_id)  # before its checkpoints: see `put`
        if entry is None:
            call = thread_entries.begin(context.table, new, context.ttl_attribute)
        elif (yield from _has_checkpoint(context, new.thread_id)):
            yield [thread_entries.write(context.table, new, context.ttl_attribute)]
            return
        else:
            call = thread_entries.begin_again(context.table, new, context.ttl_attribute, entry)
    raise ConflictError(
        f"thread {new.thread_id!r}: others changed its entry in the directory {_ATTEMPTS} times "
        "while it was being written; call again"
    )


def _has_checkpoint(context: Context, thread_id: str) -> Operation[bool]:
    """Whether a thread has a checkpoint that has not expired."""
    return thread_id in (yield from newest_checkpoints.find(context, [thread_id], consistent=True))


def read(context: Context, thread_id: str) -> Operation[Item | None]:
    """A thread's entry, read consistently."""
    found = yield from batches.get_all(context, [thread_entries.key(thread_id)], consistent=True)
    return found[0] if found else None


def set_thread(context: Context, thread_id: str, new: Description) -> Operation[None]:
    """Set the title or metadata of a listed thread; what is `None` stays as it is.

    Raises:
        InvalidInputError: The thread is not listed, or both together are too large.
        ConflictError: Others changed them at each attempt.
    """
    for _ in range(_ATTEMPTS):
        entry = yield from read(context, thread_id)
        if entry is None or not (yield from _has_checkpoint(context, thread_id)):
            raise InvalidInputError(
                f"thread_id={thread_id!r} is not listed: it has no checkpoint, or it has expired. "
                "Put a checkpoint first; if it has some from before the table had the index of "
                "threads, call index_threads"
            )
        body = _encode(context, _merged(context, entry, new))
        (reply,) = yield [thread_entries.describe(context.table, entry, body)]
        if not isinstance(reply, ConditionFailed):
            return
    raise ConflictError(
        f"thread {thread_id!r}: others changed its title or metadata {_ATTEMPTS} times while they "
        "were being set; call again"
    )


def _merged(context: Context, entry: Item, new: Description) -> Description:
    if new.title is not None and new.metadata is not None:
        return new  # whatever is stored, readable or not, is replaced
    try:
        old = description_of(context, entry)
    except UNREADABLE as error:
        raise type(error)(f"{error}; pass both title and metadata to replace them") from error
    return Description(
        old.title if new.title is None else new.title,
        old.metadata if new.metadata is None else new.metadata,
    )


def _encode(context: Context, new: Description) -> bytes:
    header = serialize(context.serde, [new.title, new.metadata], "the title or metadata")
    if len(header[1]) > MAX_DESCRIPTION_BYTES:
        raise InvalidInputError(
            f"title and metadata take {len(header[1])} bytes: use at most {MAX_DESCRIPTION_BYTES}, "
            "and keep the rest in the graph's state"
        )
    return seal(pack_body(Body(0, header, ())))


def description_of(context: Context, entry: Item) -> Description:
    """The title and metadata of an entry.

    Raises:
        CorruptCheckpointError: Its body is damaged, or is not one of an entry.
        UnsupportedFormatError: A later release wrote it.
        DeserializationError: The serde cannot read them.
    """
    if "B" not in entry:
        return Description()
    where = f"the entry of thread {entry['PK']['S']!r}"
    try:
        body = unpack_body(items.packed_body(entry))
    except (CorruptCheckpointError, UnsupportedFormatError) as error:
        raise type(error)(f"{where}: {error}") from error
    if isinstance(body, Body):
        match deserialize(context, body.header, where, "the title or metadata"):
            case [str() | None as title, dict() | None as metadata, *_]:
                return Description(title, metadata)
    raise CorruptCheckpointError(f"{where}: a body of an unknown shape")


def delete_if_empty(context: Context, thread_id: str) -> Operation[None]:
    """Delete the entry of a thread that has no checkpoint any more."""
    call = requests.query(
        context.table, thread_id, keys.ALL_CHECKPOINTS, limit=1, attributes=("PK", "SK")
    )
    entry = (yield from read(context, thread_id)) if context.thread_index else None
    if entry is None:
        return
    (reply,) = yield [call]  # read after the entry: a put writes its checkpoint after it
    if not reply["Items"]:
        yield [thread_entries.delete(context.table, entry)]


def copies(context: Context, found: Sequence[Item], target: str) -> list[Item]:
    """The entry for a copy of a thread, which is created now; empty if the source has none."""
    now = {"N": f"{context.now:.3f}"}
    times = {thread_entries.ACTIVITY: now, thread_entries.CREATED: now}
    made = []
    for entry in found:
        if items.sort_key(entry) == keys.THREAD_ENTRY:
            partition = thread_entries.partition_of(thread_entries.owner_of(entry), target)
            owner = {thread_entries.OWNER: {"S": partition}}
            made.append({**entry, **thread_entries.key(target), **owner, **times})
    return made
