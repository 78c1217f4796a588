"""A thread's checkpoints read once, newest first, to find out which of them stay.

A page of bodies is held at a time; of what has been read, only keys. Headers are read of what
stays, a page's at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..checkpoints.entries import Group, collect, read_headers
from ..format import items, keys, requests
from ..runtime.context import Context
from ..runtime.effects import Call, Item, Operation
from ..storage import batches
from ..storage.body_reader import CheckpointEntry
from .retention import CheckpointChoice, Namespace, RetentionPolicy

_PAGES_A_ROUND = batches.CALLS_A_ROUND
"""A page holds up to 1 MB."""

_KEYS_A_ROUND = 48
"""Checkpoints that are read one by one."""

_FORKS = ("fork", "update")
"""A replay of these begins subgraphs as of their parent."""


@dataclass(slots=True)
class _Seen:
    """A checkpoint of a page; `rank` is `None` if it has expired."""

    namespace: Namespace
    group: Group
    rank: int | None
    entry: CheckpointEntry | None = None

    @property
    def checkpoint_id(self) -> str:
        return self.group.key.checkpoint_id


class Survey:
    """What a thread holds, by namespace; `keeps` tells what to keep of the one of a key part."""

    def __init__(
        self, context: Context, thread_id: str, keeps: Callable[[str], Sequence[RetentionPolicy]]
    ) -> None:
        self._context = context
        self._thread_id = thread_id
        self._keeps = keeps
        self.namespaces: dict[str, Namespace] = {}

    def read(self, ranges: Iterable[tuple[str, str]]) -> Operation[None]:
        """Read ranges of keys, each newest first, some of them side by side."""
        table, thread_id = self._context.table, self._thread_id
        calls = [requests.query(table, thread_id, one, newest_first=True) for one in ranges]
        while calls:
            now, later = calls[:_PAGES_A_ROUND], calls[_PAGES_A_ROUND:]
            replies = yield now
            more: list[Call] = []
            for call, reply in zip(now, replies, strict=True):
                following = batches.next_page(call, reply)
                more += [following] if following else []
                yield from self._take(reply["Items"])
            calls = more + later

    def complete(self) -> Operation[None]:
        """Read what is needed beyond that: ids that do not sort in the order they were made in."""
        while wanted := self._needed():
            found: dict[str, Group] = {}
            for start in range(0, len(wanted), _KEYS_A_ROUND):
                some = [sort_key for sort_key, _, _ in wanted[start : start + _KEYS_A_ROUND]]
                found.update((yield from self._groups(some)))
            entries = yield from self._headers(list(found.values()))
            for sort_key, choice, checkpoint_id in wanted:
                if sort_key in found:
                    choice.take(found[sort_key], entries[sort_key])
                else:
                    del choice.needed[checkpoint_id]

    def doomed(self) -> dict[str, list[str]]:
        """The sort keys of what does not stay, by namespace, oldest first.

        Subgraphs come before what encloses them, whose checkpoints tell that they may go.
        """
        parts = sorted(self.namespaces, reverse=True)
        return {part: self.namespaces[part].doomed(self._context) for part in parts}

    def _needed(self) -> list[tuple[str, CheckpointChoice, str]]:
        return [
            (keys.checkpoint(namespace.part, checkpoint_id), namespace.choice, checkpoint_id)
            for namespace in self.namespaces.values()
            for checkpoint_id in namespace.choice.needed
        ]

    def _groups(self, sort_keys: Sequence[str]) -> Operation[dict[str, Group]]:
        """Checkpoints by their sort keys, also those that have expired."""
        table, thread_id = self._context.table, self._thread_id
        calls = [requests.query(table, thread_id, keys.below(key)) for key in sort_keys]
        replies = yield calls
        found: dict[str, Group] = {}
        for sort_key, call, reply in zip(sort_keys, calls, replies, strict=True):
            stored: list[Item] = reply["Items"]
            following = batches.next_page(call, reply)
            if following is not None:
                stored += yield from batches.read_range(following)
            for group in collect(self._context, reversed(stored), [], items.gone):
                found[sort_key] = group
        return found

    def _take(self, page: Sequence[Item]) -> Operation[None]:
        seen: list[_Seen] = []
        namespace: Namespace | None = None
        for part, found in groupby(page, lambda item: items.parse_key(item).namespace):
            if namespace is not None:
                namespace.close()
            namespace = self._namespace(part)
            ranked = namespace.add(self._context, found)
            seen += [_Seen(namespace, group, rank) for group, rank in ranked]
        yield from self._spare(seen)
        yield from self._keep_needed(seen)

    def _namespace(self, part: str) -> Namespace:
        if part not in self.namespaces:
            choices = [CheckpointChoice(keep) for keep in self._keeps(part)]
            self.namespaces[part] = Namespace(part, choices, keys.decode(part))
        return self.namespaces[part]

    def _spare(self, seen: Sequence[_Seen]) -> Operation[None]:
        """Keep what is to be kept for its own sake."""
        asked = [
            (one, choice, spares)
            for one in seen
            if one.rank is not None
            for choice in one.namespace.choices
            if (spares := choice.keep.spares(one.rank, one.checkpoint_id)) is not False
        ]
        yield from self._open([one for one, _, _ in asked])
        for one, choice, spares in asked:
            assert one.entry is not None  # noqa: S101 - opened just now
            if one.rank == 0:
                one.namespace.note(one.entry)
            if spares or choice.keep.spares_undated(one.entry.header):
                choice.take(one.group, one.entry)
                choice.spared.add(one.checkpoint_id)
                self._note_bounds(one.namespace, one.entry)

    def _note_bounds(self, namespace: Namespace, entry: CheckpointEntry) -> None:
        namespace.bounds.add(entry.checkpoint_id)
        if entry.header.parent_id and entry.header.metadata.get("source") in _FORKS:
            namespace.bounds.add(entry.header.parent_id)

    def _keep_needed(self, seen: Sequence[_Seen]) -> Operation[None]:
        """Keep what that is rebuilt from, as far as it is on this page."""
        here = {(one.namespace.part, one.checkpoint_id): one for one in seen}
        touched = {one.namespace.part: one.namespace for one in seen}.values()
        while True:
            needed = [
                (here[namespace.part, checkpoint_id], choice)
                for namespace in touched
                for choice in namespace.choices
                for checkpoint_id in choice.needed
                if (namespace.part, checkpoint_id) in here
            ]
            if not needed:
                return
            yield from self._open([one for one, _ in needed])
            for one, choice in needed:
                assert one.entry is not None  # noqa: S101 - opened just now
                choice.take(one.group, one.entry)

    def _open(self, seen: Iterable[_Seen]) -> Operation[None]:
        closed = {items.sort_key(one.group.item): one for one in seen if one.entry is None}
        entries = yield from self._headers([one.group for one in closed.values()])
        for sort_key, one in closed.items():
            one.entry = entries[sort_key]

    def _headers(self, groups: Sequence[Group]) -> Operation[dict[str, CheckpointEntry]]:
        if not groups:
            return {}
        entries = yield from read_headers(self._context, self._thread_id, groups)
        return {items.sort_key(entry.item): entry for entry in entries}
