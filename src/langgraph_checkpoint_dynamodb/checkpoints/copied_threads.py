"""Threads that were copied from another saver, or that `read_through` copies at their first use.

A copy stores its items with an attribute, the *flag*. When it is complete, it stores a *marker*, an
item of the thread. A thread is here if its newest item has no flag, because it was put here;
otherwise, if it has a marker. A thread that is not here may be in the source, or its copy is not
complete, so it is copied. What is stored is kept, so several processes may copy a thread at once.

A thread that continues here costs no request for this: its newest item is read anyway. The marker
stays when checkpoints are deleted, so that they are not copied again.
"""

from __future__ import annotations

from ..errors import UnsupportedFormatError
from ..format import items, keys, requests
from ..format.items import FLAG
from ..runtime.context import Context, ReadThrough
from ..runtime.effects import Item, Operation
from ..storage import batches

DELETED = ""
"""In a marker: the thread was deleted here, so it is not copied again."""


def read_marker(context: Context, thread_id: str) -> Operation[str | None]:
    """The checkpoint id in a thread's marker; `None` if it has no marker."""
    (reply,) = yield [requests.query(context.table, thread_id, (keys.MARKER, keys.MARKER))]
    for item in reply["Items"]:
        return items.stored_bytes(item).decode()
    return None


def put_marker(context: Context, thread_id: str, newest_id: str) -> Operation[None]:
    """Store a thread's marker. It has no expiry: it outlives the thread's checkpoints.

    Args:
        context: The call's settings and clock.
        thread_id: The thread.
        newest_id: The newest checkpoint of the root graph that was copied, or `DELETED`.
    """
    yield from batches.put_all(context, [items.marker(context, thread_id, newest_id)])


def mark_deleted(context: Context, thread_id: str) -> Operation[None]:
    """Note that a thread was deleted, so that `read_through` does not copy it again."""
    if context.read_through is not None:
        yield from put_marker(context, thread_id, DELETED)


def copied_now(
    context: Context, thread_id: str, found: Item | None, *, is_newest: bool
) -> Operation[bool]:
    """Copy a thread from the source of `read_through` if it is not here.

    Args:
        context: The call's settings and clock.
        thread_id: The thread.
        found: A checkpoint's item that was read; `None` if there was none.
        is_newest: Whether it is the newest of the root graph.

    Returns:
        Whether the thread was copied, so that the caller has to read it again.
    """
    source = context.read_through
    if source is None or source.knows(thread_id):
        return False
    if found is not None and FLAG not in found and not is_newest:
        return False
    if not is_newest:
        found = yield from _newest_item(context, thread_id)
    return (yield from _copied(context, source, thread_id, found))


def ensure_here(context: Context, thread_id: str) -> Operation[None]:
    """Copy a thread from the source of `read_through` if it is not here.

    One request, unless this process knows that the thread is here; a second one if its newest item
    is a copy.
    """
    yield from copied_now(context, thread_id, None, is_newest=False)


def _copied(
    context: Context, source: ReadThrough, thread_id: str, newest: Item | None
) -> Operation[bool]:
    is_here = newest is not None and FLAG not in newest
    if not is_here:
        is_here = (yield from read_marker(context, thread_id)) is not None
    was_found = False if is_here else (yield from source.copy(context, thread_id))
    source.note(thread_id)
    return was_found


def _newest_item(context: Context, thread_id: str) -> Operation[Item | None]:
    bounds = keys.below(keys.CHECKPOINTS)
    call = requests.query(context.table, thread_id, bounds, newest_first=True, limit=1)
    (reply,) = yield [call]
    return reply["Items"][0] if reply["Items"] else None


def refuse_release_0_1_3(context: Context, thread_id: str) -> Operation[None]:
    """Refuse a thread that release 0.1.3 has stored, unless it was copied or will be.

    Raises:
        UnsupportedFormatError: It was not copied.
    """
    if context.read_through is not None:
        return
    if (yield from read_marker(context, thread_id)) is None:
        raise UnsupportedFormatError(
            f"thread {thread_id!r} was stored by langgraph-checkpoint-amazon-dynamodb 0.1.3, "
            "another author's release, in a format that this saver does not read. Copy it with "
            f"saver.migrate(SourceTable(layout='0.1.3', table_name={context.table!r}), "
            f"[{thread_id!r}]), or all threads of the table without the list "
            "(docs/migrating.md); or choose another table_name"
        )
