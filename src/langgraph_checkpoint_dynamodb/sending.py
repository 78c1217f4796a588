"""Chunks sent: before what refers to them, or along with an item that does not need them yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from functools import partial
from typing import Any, TypeVar

from . import batches, items, keys, requests, turns
from .context import Context, remember_chunk
from .in_flight import Place
from .operation import Call, Compute, Failed, Item, Join, Operation

T = TypeVar("T")


def store(
    context: Context, thread_id: str, generation: int, chunks: dict[bytes, bytes], known: Set[bytes]
) -> Operation[None]:
    """Write the chunks that are not known to exist; returns when all are acknowledged.

    A chunk that another operation of this process is writing is waited for. It is
    then acknowledged during this call, as if this call had written it.
    """
    missing = {digest: data for digest, data in chunks.items() if digest not in known}
    if not missing:
        return
    place = (thread_id, generation)
    mine, others = context.in_flight.claim(place, missing)
    written = False
    try:
        yield from _write(context, place, [(digest, missing[digest]) for digest in mine])
        written = True
    finally:
        context.in_flight.settle(place, mine, written=written)
    if others:
        claims = list(set(others.values()))
        arrived = yield Join(claims)
        failed = {claim for claim, there in zip(claims, arrived, strict=True) if not there}
        lost = [digest for digest, claim in others.items() if claim in failed]
        yield from _write(context, place, [(digest, missing[digest]) for digest in lost])


class Announcement:
    """Chunks sent in the same round as an item that names them and does not need them."""

    def __init__(
        self,
        context: Context,
        thread_id: str,
        generation: int,
        chunks: dict[bytes, bytes],
        known: Set[bytes],
    ) -> None:
        self._context = context
        self._thread_id = thread_id
        self._known = frozenset(known)
        new = [(digest, data) for digest, data in chunks.items() if digest not in known]
        # What does not fit is not sent: it stands in the item anyway.
        self._sent = dict(new[: requests.MAX_BATCH_WRITE])
        self._puts = [
            {"PutRequest": {"Item": items.chunk(context, thread_id, generation, digest, data)}}
            for digest, data in self._sent.items()
        ]

    def calls(self) -> list[Call]:
        """The calls to send beside the item's."""
        if not self._puts:
            return []
        return [requests.batch_write(self._context.table, self._puts, shareable=True)]

    def arrived(self, replies: Sequence[Any]) -> frozenset[bytes]:
        """The chunks that are known to be stored, given the replies to the calls.

        A reply tells of other operations' chunks, too. One of those that is the same as one of
        these, in another thread, makes this one count as lost: it is sent again, no more.
        """
        if any(isinstance(reply, Failed) for reply in replies):
            return self._known
        lost = {
            keys.chunk_digest(items.sort_key(request["PutRequest"]["Item"]))
            for reply in replies
            for request in requests.unprocessed(reply, self._context.table)
        }
        stored = self._sent.keys() - lost
        _remember(self._context, self._thread_id, [(one, self._sent[one]) for one in stored])
        return self._known | stored


def _write(
    context: Context, place: Place, chunks: Sequence[tuple[bytes, bytes]]
) -> Operation[None]:
    # A round at a time: to let thousands of items go at once holds an event loop up.
    for some in batches.rounds(chunks):
        made = yield _on(some, partial(_items, context, place, some))
        yield from batches.put_all(context, made)
        yield _on(some, partial(_remember, context, place[0], some))


def _on(chunks: Sequence[tuple[bytes, bytes]], work: Callable[[], T]) -> Compute[T]:
    return Compute(work, lambda: sum(len(data) for _, data in chunks))


def _items(context: Context, place: Place, chunks: Iterable[tuple[bytes, bytes]]) -> list[Item]:
    return [
        items.chunk(context, *place, digest, data) for digest, data in turns.between(chunks, 16)
    ]


def _remember(context: Context, thread_id: str, chunks: Iterable[tuple[bytes, bytes]]) -> None:
    for digest, data in turns.between(chunks, 128):
        remember_chunk(context, thread_id, digest, data)
