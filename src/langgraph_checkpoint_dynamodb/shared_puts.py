"""New items, put by requests that other operations' puts may share.

DynamoDB has no batch of conditional puts but PartiQL's: a batch of `INSERT` statements, each of
which fails where an item is. It costs the client as much processor time as one put. What it did
not store for sure is sent again as a put of its own, with all retries, so errors and conditions
are those of `PutItem` in any case.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from . import requests
from .context import Context
from .errors import ConflictError, StorageError
from .items import body_size
from .operation import Backoff, Failed, Item, Operation, Reply

_SMALL_BYTES = 4096
"""Up to this, a put's request costs much more than its bytes. 25 make a request that does not
hold an event loop up."""

_log = logging.getLogger(__package__)


class SharedPuts:
    """Whether the puts of a saver share requests: until it shows that they may not."""

    def __init__(self) -> None:
        self.allowed = True

    def stop(self, error: Exception) -> None:
        """Send every put by itself from now on."""
        if self.allowed:
            self.allowed = False
            _log.warning(
                "share_puts=True: DynamoDB refused a shared request and took its puts one by one, "
                "so this saver shares no more. Allow dynamodb:PartiQLInsert on the table, or leave "
                "share_puts out. DynamoDB's answer: %s",
                error,
            )


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
