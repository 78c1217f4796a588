"""Conditional puts, so that a late request never overwrites a newer item.

A request whose response is lost is retried, while the first attempt may still be in the network.
DynamoDB may then execute it after other puts that were acknowledged. So every put of an item that
may change is conditional; chunks never change. Creates use `attribute_not_exists`. Replacements
are conditional on the item's version: `N` counts how often an item was replaced. The bytes are no
version, because they may return to an older value.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithItems.html
#WorkingWithItems.ConditionalUpdate
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ConflictError, StorageError, TableMismatchError
from ..format import items, requests
from ..format.items import body_size
from ..runtime.context import Context
from ..runtime.effects import Backoff, ConditionFailed, Failed, Item, Operation, Reply
from . import batches

ATTEMPTS = 8
"""How often a replacement is tried while others change the item."""

_COUNT = requests.REPLACED


def replace(context: Context, sent: Iterable[tuple[Item, Reply]]) -> Operation[None]:
    """Replace the stored items of those puts whose key existed.

    Args:
        context: The call's settings and time.
        sent: Items, each with the reply to its `requests.put_new`.

    Raises:
        ConflictError: Others changed an item at each attempt.
    """
    pending = _failed(sent)
    for _ in range(ATTEMPTS):
        puts: list[Item] = []
        calls = []
        for item, reply in pending:
            found = yield from existing(context, item, reply.item)
            if found is None:
                puts.append(item)
                calls.append(requests.put_new(context.table, item))
            elif (
                _without_count(found) != item
            ):  # if equal, an earlier attempt of this call succeeded
                count = _count(found)
                puts.append({**item, _COUNT: {"N": str(count + 1)}})
                calls.append(requests.put_if_count(context.table, puts[-1], count))
        if not calls:
            return
        replies = yield calls
        pending = [
            (_without_count(item), reply)
            for item, reply in _failed(zip(puts, replies, strict=True))
        ]
    if pending:
        raise ConflictError(
            f"thread {pending[0][0]['PK']['S']!r}: item {items.sort_key(pending[0][0])!r} was "
            f"changed by others {ATTEMPTS} times while it was being replaced; call again"
        )


def existing(context: Context, item: Item, found: Item | None) -> Operation[Item | None]:
    """The stored item under the same key; `None` if there is none.

    Args:
        context: The call's settings and time.
        item: The item whose put failed its condition.
        found: The stored item that the reply has. It is read if an engine returned none. It
            may have been deleted since.

    Raises:
        TableMismatchError: The stored item has another sort key: the table has none.
    """
    wanted = requests.key(item["PK"]["S"], items.sort_key(item))
    if found is not None:
        if any(found.get(name) != value for name, value in wanted.items()):
            raise TableMismatchError(
                f"table {context.table!r} has other keys than the saver needs (PK and SK, both "
                "strings): choose another table_name"
            )
        return found
    stored = yield from batches.get_all(context, [wanted], consistent=True)
    return stored[0] if stored else None


def _failed(sent: Iterable[tuple[Item, Reply]]) -> list[tuple[Item, ConditionFailed]]:
    return [(item, reply) for item, reply in sent if isinstance(reply, ConditionFailed)]


def _without_count(item: Item) -> Item:
    return {name: value for name, value in item.items() if name != _COUNT}


def _count(found: Item) -> int:
    return int(found[_COUNT]["N"]) if _COUNT in found else 0


_SMALL_BYTES = 4096
"""Puts up to this size may share a request, because the request takes longer than their bytes. A
request with 25 of them does not block an event loop."""


def put_new(context: Context, items: Iterable[Item]) -> Operation[list[Reply]]:
    """Put items whose keys are absent; returns the replies to `requests.put_new`, in order.

    If `share_puts` is on, small items may share a request. Puts of a shared request that failed
    are sent again one by one.
    """
    made = list(items)
    puts = [
        requests.put_new(context.table, item, shareable=_may_share(context, item)) for item in made
    ]
    replies: list[Reply] = yield puts
    failed = {n: replies[n].error for n in range(len(made)) if isinstance(replies[n], Failed)}
    if not failed:
        return replies
    if any(_is_transient(error) for error in failed.values()):
        yield Backoff(0)
    retried = yield [requests.put_new(context.table, made[n]) for n in failed]
    for n, reply in zip(failed, retried, strict=True):
        replies[n] = reply
    for error in failed.values():
        if context.shared_puts and not (_is_transient(error) or isinstance(error, ConflictError)):
            context.shared_puts.stop(error)
    return replies


def _may_share(context: Context, item: Item) -> bool:
    shared = context.shared_puts
    return shared is not None and shared.allowed and body_size(item) <= _SMALL_BYTES


def _is_transient(error: Exception) -> bool:
    return isinstance(error, StorageError) and error.retryable
