"""Operations on whole threads: delete, copy, prune, delete by run.

Deletion runs in reverse of writing: checkpoints and writes first, then chunks
that nothing refers to. Chunks younger than a grace time stay: a run in another
process may have written them for a checkpoint that it is about to put.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import batches, items, keys, requests
from .context import Context, forget_thread
from .errors import ConflictError
from .listing import find_namespaces
from .operation import Call, Item, Operation
from .read import Entry, Group, collect, read_headers, refs_of

GRACE_SECONDS = 3600
"""How old an unreferenced chunk has to be to be deleted by `prune` and `delete_for_runs`."""

_VERIFY_ATTEMPTS = 5

_WHOLE_CHECKPOINTS = keys.below(keys.CHECKPOINTS.rstrip("#"))
_WHOLE_CHUNKS = keys.below(keys.CHUNKS.rstrip("#"))


def _read_keys(context: Context, thread_id: str, bounds: tuple[str, str]) -> Operation[list[Item]]:
    call = requests.query(context.table, thread_id, bounds, attributes=("PK", "SK"))
    return (yield from batches.read_range(call))


def delete_thread(context: Context, thread_id: str) -> Operation[None]:
    """Delete a thread's partition, and look again until nothing is left.

    Oldest first: whoever reads meanwhile finds the newest checkpoint or none,
    never an older one in its place.
    """
    forget_thread(context, thread_id)
    for _ in range(_VERIFY_ATTEMPTS):
        left = False
        for bounds in (_WHOLE_CHECKPOINTS, _WHOLE_CHUNKS):
            found = yield from _read_keys(context, thread_id, bounds)
            left = left or bool(found)
            yield from batches.delete_all(context, found)
        if not left:
            return
    raise ConflictError(
        f"thread {thread_id!r}: still written to after {_VERIFY_ATTEMPTS} rounds of deletion; stop "
        "its runs, then delete it again"
    )


def copy_thread(context: Context, source: str, target: str) -> Operation[None]:
    """Copy a thread's items as they are.

    The checkpoints are read first and written last, so that every chunk they
    refer to is there when they are; a copy that failed can be repeated.
    """
    if source == target:
        return
    found: list[Item] = yield from batches.read_range(
        requests.query(context.table, source, _WHOLE_CHECKPOINTS)
    )
    wanted = [{**item, "PK": {"S": target}} for item in found if not items.expired(context, item)]
    yield from _check_target(context, wanted, source, target)
    call: Call | None = requests.query(context.table, source, _WHOLE_CHUNKS)
    while call is not None and wanted:
        (page,) = yield [call]
        yield from batches.put_all(
            context, [{**item, "PK": {"S": target}} for item in page["Items"]]
        )
        call = batches.next_page(call, page)
    yield from batches.put_all(context, wanted)


def _check_target(
    context: Context, wanted: Sequence[Item], source: str, target: str
) -> Operation[None]:
    call = requests.query(context.table, target, _WHOLE_CHECKPOINTS)
    there = yield from batches.read_range(call)
    same = {items.sort_key(item): item["B"] for item in wanted}
    for item in there:
        if items.expired(context, item):
            continue
        if same.get(items.sort_key(item)) != item["B"]:
            raise ConflictError(
                f"target_thread_id={target!r} holds other checkpoints or writes than "
                f"source_thread_id={source!r}: delete the target thread or choose a new one"
            )


def prune(context: Context, thread_id: str) -> Operation[None]:
    """Keep the newest checkpoint of each namespace, and what its delta channels are built from."""
    forget_thread(context, thread_id)
    kept: set[str] = set()
    found: list[str] = []
    namespaces = yield from find_namespaces(context, thread_id)
    for ns in namespaces:
        call = requests.query(
            context.table, thread_id, keys.below(f"{keys.CHECKPOINTS}{ns}"), newest_first=True
        )
        stored = yield from batches.read_range(call)
        found += [items.sort_key(item) for item in stored]
        groups = list(collect(context, stored, []))
        for group in (yield from _needed(context, thread_id, groups)):
            kept.add(items.sort_key(group.item))
            kept.update(items.sort_key(item) for item in group.writes)
        if groups:  # writes newer than the newest checkpoint: its put may be under way
            newest = items.sort_key(groups[0].item)
            kept.update(key for key in found if key > newest and key.startswith(_prefix(newest)))
    doomed = [requests.key(thread_id, key) for key in reversed(found) if key not in kept]
    yield from batches.delete_all(context, doomed)
    yield from sweep(context, thread_id)


def _prefix(checkpoint_key: str) -> str:
    return checkpoint_key[: checkpoint_key.rindex("#") + 1]


def _needed(
    context: Context, thread_id: str, newest_first: Sequence[Group]
) -> Operation[list[Group]]:
    """The newest checkpoint and its ancestors back to the last snapshot of its delta channels.

    The metadata's `counters_since_delta_snapshot` names the delta channels whose
    value is not stored in the checkpoint itself.
    """
    if not newest_first:
        return []
    by_id = {group.key.checkpoint_id: group for group in newest_first}
    needed = [newest_first[0]]
    (entry,) = yield from read_headers(context, thread_id, needed)
    missing = _unstored_deltas(entry)
    while missing and entry.header.parent_id in by_id:
        group = by_id[entry.header.parent_id]
        needed.append(group)
        (entry,) = yield from read_headers(context, thread_id, [group])
        missing -= set(entry.header.channels)
    return needed


def _unstored_deltas(entry: Entry) -> set[str]:
    counters = entry.header.metadata.get("counters_since_delta_snapshot") or {}
    return set(counters) - set(entry.header.channels)


def delete_for_runs(context: Context, run_ids: Iterable[str]) -> Operation[None]:
    """Delete the checkpoints that some runs made, with their writes."""
    digests = sorted({items.run_digest(run_id) for run_id in run_ids})
    threads: set[str] = set()
    for call in _find_runs(context, digests):
        found = yield from batches.read_range(call)
        for item in found:
            thread_id = item["PK"]["S"]
            threads.add(thread_id)
            forget_thread(context, thread_id)
            own = yield from _read_keys(context, thread_id, keys.below(items.sort_key(item)))
            yield from batches.delete_all(context, own)
    for thread_id in sorted(threads):
        yield from sweep(context, thread_id)


def _find_runs(context: Context, digests: Sequence[bytes]) -> list[Call]:
    """A query for each run if the table has the index, else a scan for each 100 runs."""
    if context.run_index:
        return [requests.query_run(context.table, digest) for digest in digests]
    size = requests.MAX_IN_OPERANDS
    return [
        requests.scan_runs(context.table, digests[start : start + size])
        for start in range(0, len(digests), size)
    ]


def sweep(context: Context, thread_id: str) -> Operation[None]:
    """Delete a thread's chunks that nothing refers to and that are past the grace time."""
    candidates = yield from batches.read_range(
        requests.query(context.table, thread_id, _WHOLE_CHUNKS, attributes=("PK", "SK", "T")),
    )
    oldest = context.now - GRACE_SECONDS
    candidates = [item for item in candidates if float(item["T"]["N"]) < oldest]
    if not candidates:
        return
    # Read after the candidates: what is put from now on can only refer to chunks that
    # its parent, read here, refers to or that are younger than the grace time.
    referred = yield from referred_chunks(context, thread_id)
    live = {keys.chunk(generation, digest) for generation, digest in referred}
    yield from batches.delete_all(
        context,
        [
            requests.key(thread_id, items.sort_key(item))
            for item in candidates
            if items.sort_key(item) not in live
        ],
    )


def referred_chunks(context: Context, thread_id: str) -> Operation[set[tuple[int, bytes]]]:
    """Every chunk that a thread's checkpoints and writes refer to, with its generation."""
    referred: set[tuple[int, bytes]] = set()

    def take(found: Sequence[Item]) -> Operation[None]:
        referred.update((yield from refs_of(context, thread_id, found, f"thread {thread_id!r}")))

    call = requests.query(context.table, thread_id, _WHOLE_CHECKPOINTS)
    yield from batches.each_page(call, take)
    return referred
