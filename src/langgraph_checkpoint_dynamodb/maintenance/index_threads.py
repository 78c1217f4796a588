"""`index_threads`: entries in the directory for threads that are stored already."""

from __future__ import annotations

from ..checkpoints.checkpoint_items import get_group, read_headers
from ..checkpoints.listing import ThreadScan
from ..directory import entries
from ..format import items, keys, requests, thread_entries
from ..format.thread_entries import Activity
from ..runtime.context import Context, ThreadNamespace
from ..runtime.effects import ConditionFailed, Item, Operation

_ROOT = keys.below(f"{keys.CHECKPOINTS}{keys.namespace('')}")


class ThreadIndexing:
    """One `index_threads`: call `next_thread` until it returns `False`, then take `changed`."""

    def __init__(self, *, dry_run: bool = False) -> None:
        self._scan = ThreadScan(requests.scan_keys)
        self._dry_run = dry_run
        self.changed = 0

    def next_thread(self, context: Context) -> Operation[bool]:
        """List the next thread; `False` if there is none."""
        thread_id = yield from self._scan.next(context)
        if thread_id is None:
            return False
        entry = yield from entries.read(context, thread_id)
        if entry is None or (thread_entries.owner_of(entry) is None and context.thread_owner):
            self.changed += yield from _list(context, thread_id, entry, dry_run=self._dry_run)
        return True


def _list(
    context: Context, thread_id: str, entry: Item | None, *, dry_run: bool
) -> Operation[bool]:
    """Write the entry of a thread, or its owner; whether anything was, or would be, written."""
    group = yield from get_group(context, ThreadNamespace(thread_id, ""), None)
    if group is None:
        return False
    (newest,) = yield from read_headers(context, thread_id, [group])
    owner = entries.find_owner(context, newest.header.metadata)
    if dry_run:
        return entry is None or owner is not None
    if entry is None:
        oldest = yield from _oldest_id(context, thread_id)
        activity = Activity(
            thread_id,
            at=keys.made_at(newest.checkpoint_id) or context.now,
            owner=owner,
            created=keys.made_at(oldest),
            until=thread_entries.kept_until(items.lifetime(context, group.item, 0)),
        )
        yield from entries.write(context, activity)
        return True
    if owner is None:
        return False
    (reply,) = yield [thread_entries.name_owner(context.table, thread_id, owner)]
    return not isinstance(reply, ConditionFailed)


def _oldest_id(context: Context, thread_id: str) -> Operation[str]:
    """The id of the root graph's oldest checkpoint that is stored."""
    call = requests.query(context.table, thread_id, _ROOT, limit=1, attributes=("PK", "SK"))
    (reply,) = yield [call]
    return items.parse_key(reply["Items"][0]).checkpoint_id if reply["Items"] else ""
