"""Operations on whole threads: delete, copy, prune, delete by run.

Deletion runs in reverse of writing: checkpoints and writes first, then chunks
that nothing refers to. Chunks younger than a grace time stay: a run in another
process may have written them for a checkpoint that it is about to put.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from . import batches, fence, items, keys, requests, subgraphs
from .context import Context
from .errors import ConflictError
from .memory import forget_thread
from .opening import refs_of
from .operation import Call, Item, Operation
from .renaming import Renamed, Renaming, renamed, same
from .selection import GRACE_SECONDS, Keep, Namespace, may_be_under_way
from .survey import Survey

_VERIFY_ATTEMPTS = 5

_DELETIONS_A_ROUND = 8 * batches.CALLS_A_ROUND
"""Of items one by one: neither a request nor its reply holds more than a key."""

_WHOLE_CHECKPOINTS = keys.below(keys.CHECKPOINTS.rstrip("#"))
_WHOLE_HEADS = keys.below(keys.HEADS.rstrip("#"))
_WHOLE_CHUNKS = keys.below(keys.CHUNKS.rstrip("#"))


def _read_keys(context: Context, thread_id: str, bounds: tuple[str, str]) -> Operation[list[Item]]:
    call = requests.query(context.table, thread_id, bounds, attributes=("PK", "SK"))
    return (yield from batches.read_range(call))


def delete_thread(context: Context, thread_id: str) -> Operation[None]:
    """Empty a thread's partition, whatever stands in it, and look again until nothing is left.

    Oldest first: whoever reads meanwhile finds the newest checkpoint or none,
    never an older one in its place.
    """
    forget_thread(context, thread_id)
    for _ in range(_VERIFY_ATTEMPTS):
        left = False
        for bounds in (keys.UP_TO_CHECKPOINTS, keys.AFTER_CHECKPOINTS):
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
    """Copy a thread's items as they are, but for checkpoints whose metadata names the thread.

    The checkpoints are read first and written last, so that every chunk they
    refer to is there when they are; a copy that failed can be repeated. If some were deleted
    from the source meanwhile, it begins anew: their chunks may have gone before they were read.
    """
    if source == target:
        return
    for _ in range(_VERIFY_ATTEMPTS):
        found: list[Item] = yield from batches.read_range(
            requests.query(context.table, source, _WHOLE_CHECKPOINTS)
        )
        living = [item for item in found if not items.gone(context, item)]
        renaming = yield from renamed(context, source, target, living)
        wanted = {items.sort_key(item): {**item, "PK": {"S": target}} for item in living}
        wanted.update((key, one.item) for key, one in renaming.checkpoints.items())
        there = yield from _check_target(context, wanted, renaming, source, target)
        if not wanted:
            return
        yield from _copy_chunks(context, source, target, renaming.left)
        yield from _put_chunks(
            context, target, [one for key, one in renaming.checkpoints.items() if key not in there]
        )
        left = yield from _read_keys(context, source, _WHOLE_CHECKPOINTS)
        if wanted.keys() <= set(map(items.sort_key, left)):
            missing = [item for key, item in wanted.items() if key not in there]
            yield from batches.put_all(context, missing)
            return
    raise ConflictError(
        f"source_thread_id={source!r}: checkpoints were deleted during each of {_VERIFY_ATTEMPTS} "
        "attempts to copy it; wait for the deletion to end, then copy it again"
    )


def _copy_chunks(
    context: Context, source: str, target: str, left: Set[tuple[int, bytes]]
) -> Operation[None]:
    """Copy all chunks but those that are `left` behind."""
    # A copied chunk is young: nothing refers to it yet, and a prune of the target spares it.
    changes = {"PK": {"S": target}, "T": {"N": str(int(context.now))}}

    def copy(page: Sequence[Item]) -> Operation[None]:
        copied = [item for item in page if keys.chunk_ref(items.sort_key(item)) not in left]
        yield from batches.put_all(context, [{**item, **changes} for item in copied])

    yield from batches.each_page(requests.query(context.table, source, _WHOLE_CHUNKS), copy)


def _put_chunks(context: Context, target: str, changed: Sequence[Renamed]) -> Operation[None]:
    pieces = {ref: data for one in changed for ref, data in one.chunks.items()}
    made = [items.chunk(context, target, *ref, data) for ref, data in pieces.items()]
    yield from batches.put_all(context, made)


def _check_target(
    context: Context, wanted: Mapping[str, Item], renaming: Renaming, source: str, target: str
) -> Operation[set[str]]:
    """Refuse a target that holds anything else.

    Returns:
        The keys of checkpoints that are there already, in other bytes.
    """
    call = requests.query(context.table, target, _WHOLE_CHECKPOINTS)
    found = yield from batches.read_range(call)
    there = {items.sort_key(item): item for item in found if not items.gone(context, item)}
    other = [
        key
        for key, item in there.items()
        if key not in wanted or wanted[key].get("B") != item.get("B")
    ]
    changed = [there[key] for key in other if key in renaming.checkpoints]
    equal = (yield from same(context, target, changed, renaming.checkpoints)) if changed else {}
    for key in other:
        # What cannot be read, under the key of a copy, is replaced.
        if key not in renaming.checkpoints or not equal.get(key, True):
            raise ConflictError(
                f"target_thread_id={target!r} holds other checkpoints or writes than "
                f"source_thread_id={source!r}: delete the target thread or choose a new one"
            )
    return set(equal)


def prune(context: Context, thread_id: str, keep: Keep) -> Operation[None]:
    """Delete a thread's checkpoints but those to keep and what they are built from."""
    forget_thread(context, thread_id)
    survey = Survey(context, thread_id, lambda part: subgraphs.keeps(part, keep))
    yield from survey.read([_WHOLE_CHECKPOINTS])
    subgraphs.Subgraphs(context, survey.namespaces).settle()
    yield from survey.complete()
    doomed = survey.doomed()
    emptied = [
        namespace
        for part, namespace in survey.namespaces.items()
        if len(doomed[part]) == len(namespace.found)
    ]
    yield from _delete_heads(context, thread_id, emptied)
    yield from _delete_keys(context, thread_id, doomed)
    yield from sweep(context, thread_id)


def _delete_heads(
    context: Context, thread_id: str, emptied: Sequence[Namespace]
) -> Operation[None]:
    """Delete the heads of namespaces of which nothing stays, unless a put is under way there."""
    if not emptied:
        return
    call = requests.query(context.table, thread_id, _WHOLE_HEADS, attributes=("PK", "SK", "B"))
    heads = {items.sort_key(head): head for head in (yield from batches.read_range(call))}
    calls = []
    for namespace in emptied:
        head = heads.get(keys.head(namespace.part))
        named = None if head is None else items.named_by(head)
        if head is None or named is None:
            continue
        if named and named not in namespace.ids and may_be_under_way(context, named):
            continue
        item_key = requests.key(thread_id, items.sort_key(head))
        calls.append(requests.delete_body(context.table, item_key, items.stored_bytes(head)))
    yield from _in_rounds(calls)


def _delete_keys(
    context: Context, thread_id: str, doomed: Mapping[str, Sequence[str]]
) -> Operation[None]:
    found = [requests.key(thread_id, key) for sort_keys in doomed.values() for key in sort_keys]
    yield from batches.delete_all(context, found)


def _in_rounds(calls: Sequence[Call]) -> Operation[None]:
    for start in range(0, len(calls), _DELETIONS_A_ROUND):
        yield calls[start : start + _DELETIONS_A_ROUND]


def delete_for_runs(context: Context, run_ids: Iterable[str]) -> Operation[None]:
    """Delete the checkpoints that some runs made, with their writes.

    Those stay that the delta channels of another run's checkpoint are rebuilt from.
    """
    digests = sorted({items.run_digest(run_id) for run_id in run_ids})
    made: dict[str, dict[str, set[str]]] = {}
    for call in _find_runs(context, digests):
        for item in (yield from batches.read_range(call)):
            key = keys.parse(items.sort_key(item))
            namespaces = made.setdefault(item["PK"]["S"], {})
            namespaces.setdefault(key.namespace, set()).add(key.checkpoint_id)
    for thread_id, namespaces in sorted(made.items()):
        forget_thread(context, thread_id)
        yield from _delete_made(context, thread_id, namespaces)
        yield from sweep(context, thread_id)


def _delete_made(context: Context, thread_id: str, made: Mapping[str, Set[str]]) -> Operation[None]:
    """Delete checkpoints of some namespaces, given by their ids."""
    survey = Survey(context, thread_id, lambda part: [Keep(all_but=made[part])])
    yield from survey.read([keys.below(f"{keys.CHECKPOINTS}{part}") for part in made])
    yield from survey.complete()
    doomed = {
        part: [key for key in found if keys.parse(key).checkpoint_id in made[part]]
        for part, found in survey.doomed().items()
    }
    yield from _delete_keys(context, thread_id, doomed)
    for found in doomed.values():
        # A head names the newest checkpoint, if any of these.
        checkpoints = [key for key in found if keys.parse(key).task is None]
        if checkpoints:
            yield from fence.cut(context, thread_id, max(checkpoints))


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
    found = yield from batches.read_range(
        requests.query(context.table, thread_id, _WHOLE_CHUNKS, attributes=("PK", "SK", "T")),
    )
    chunks = {ref: item for item in found if (ref := keys.chunk_ref(items.sort_key(item)))}
    oldest = context.now - GRACE_SECONDS
    old = {ref: item for ref, item in chunks.items() if items.written_at(item) < oldest}
    if not old:
        return
    # Read after the chunks: what is put from now on can only refer to chunks that
    # its parent, read here, refers to or that are younger than the grace time.
    referred, before = yield from referred_chunks(context, thread_id)
    # Who has read an item before it was moved goes on from there for less than the grace time.
    just_moved = {digest for _, digest in chunks.keys() - old.keys()}
    calls = [
        requests.delete_written_at(
            context.table, requests.key(thread_id, items.sort_key(item)), item["T"]["N"]
        )
        for ref, item in old.items()
        if ref not in referred and not (ref in before and ref[1] in just_moved)
    ]
    # One by one, which takes a condition: a put may have written such a chunk once more
    # meanwhile, for a checkpoint that is not there yet.
    yield from _in_rounds(calls)


def referred_chunks(
    context: Context, thread_id: str
) -> Operation[tuple[set[tuple[int, bytes]], set[tuple[int, bytes]]]]:
    """Every chunk that a thread's checkpoints and writes refer to; see `refs_of`."""
    referred: set[tuple[int, bytes]] = set()
    before: set[tuple[int, bytes]] = set()

    def take(found: Sequence[Item]) -> Operation[None]:
        there = [item for item in found if not items.is_void(item)]
        refs = yield from refs_of(context, thread_id, there, f"thread {thread_id!r}")
        referred.update(refs[0])
        before.update(refs[1])

    call = requests.query(context.table, thread_id, _WHOLE_CHECKPOINTS)
    yield from batches.each_page(call, take)
    return referred, before
