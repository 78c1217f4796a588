"""Items that may be written again under their key, so that no late request undoes a later one.

A request whose answer is lost is sent again, and the first one may still be on its
way: DynamoDB then executes it after others that were acknowledged meanwhile. So
no item is put unconditionally. The first put of a key wants it absent; one that
replaces an item wants that very item. `N` counts how often an item was
replaced: equal bytes that come back after others are not the same item.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithItems.html
#WorkingWithItems.ConditionalUpdate
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ConflictError, StorageError
from ..format import items, requests
from ..format.items import body_size
from ..runtime.context import Context
from ..runtime.effects import Backoff, ConditionFailed, Failed, Item, Operation, Reply
from . import batches

ATTEMPTS = 8
"""How often others may change an item while it is being replaced."""

_COUNT = requests.REPLACED


def replace(context: Context, sent: Iterable[tuple[Item, Reply]]) -> Operation[None]:
    """Put over what is there the items that found their key taken.

    Args:
        context: The call's surroundings.
        sent: Items, each with the reply to its `requests.put_new`.

    Raises:
        ConflictError: Others kept changing an item.
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
            elif _plain(found) != item:  # an equal one: this call's first try did arrive
                count = _count(found)
                puts.append({**item, _COUNT: {"N": str(count + 1)}})
                calls.append(requests.put_after(context.table, puts[-1], count))
        if not calls:
            return
        replies = yield calls
        pending = [
            (_plain(item), reply) for item, reply in _failed(zip(puts, replies, strict=True))
        ]
    if pending:
        raise ConflictError(
            f"thread {pending[0][0]['PK']['S']!r}: item {items.sort_key(pending[0][0])!r} was "
            f"changed by others {ATTEMPTS} times while it was replaced"
        )


def existing(context: Context, item: Item, found: Item | None) -> Operation[Item | None]:
    """The item under the same key: the one that a failed condition returned, or read now.

    An engine may not return it, and an item may have expired just then.
    """
    if found is not None:
        return found
    wanted = [requests.key(item["PK"]["S"], items.sort_key(item))]
    stored = yield from batches.get_all(context, wanted, consistent=True)
    return stored[0] if stored else None


def _failed(sent: Iterable[tuple[Item, Reply]]) -> list[tuple[Item, ConditionFailed]]:
    return [(item, reply) for item, reply in sent if isinstance(reply, ConditionFailed)]


def _plain(item: Item) -> Item:
    return {name: value for name, value in item.items() if name != _COUNT}


def _count(found: Item) -> int:
    return int(found[_COUNT]["N"]) if _COUNT in found else 0


_SMALL_BYTES = 4096
"""Up to this, a put's request costs much more than its bytes. 25 make a request that does not
hold an event loop up."""


def put_new(context: Context, items: Iterable[Item]) -> Operation[list[Reply]]:
    """Put items where none are, in one round; returns the replies to `requests.put_new`."""
    made = list(items)
    puts = [
        requests.put_new(context.table, item, shareable=_may_share(context, item)) for item in made
    ]
    replies: list[Reply] = yield puts
    failed = {n: replies[n].error for n in range(len(made)) if isinstance(replies[n], Failed)}
    if not failed:
        return replies
    if any(_may_pass(error) for error in failed.values()):
        yield Backoff(0)
    alone = yield [requests.put_new(context.table, made[n]) for n in failed]
    for n, reply in zip(failed, alone, strict=True):
        replies[n] = reply
    for error in failed.values():
        if context.shared_puts and not (_may_pass(error) or isinstance(error, ConflictError)):
            context.shared_puts.stop(error)
    return replies


def _may_share(context: Context, item: Item) -> bool:
    shared = context.shared_puts
    return shared is not None and shared.allowed and body_size(item) <= _SMALL_BYTES


def _may_pass(error: Exception) -> bool:
    return isinstance(error, StorageError) and error.retryable
