"""Reading a thread's checkpoints once, newest first, to select those to keep.

The bodies of one page at a time are in memory; of earlier pages, only the keys. Only the headers of
kept checkpoints are read, for a whole page at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..checkpoints.checkpoint_items import CheckpointItems, collect, parse_keys, read_headers
from ..format import items, keys, requests
from ..format.keys import CheckpointKey
from ..runtime.context import Context
from ..runtime.effects import Call, Item, Operation
from ..storage import batches
from ..storage.body_reader import CheckpointEntry
from .retention import CheckpointSelector, RetentionPolicy, SurveyedNamespace

_PAGES_A_ROUND = batches.CALLS_A_ROUND
"""A page holds up to 1 MB."""

_KEYS_A_ROUND = 48
"""How many checkpoints are read by their keys in one round."""

_FORKS = ("fork", "update")
"""A replay of a checkpoint of these sources starts subgraphs from the time of its parent."""


@dataclass(slots=True)
class _Seen:
    """A checkpoint of a page; `rank` is `None` if it has expired."""

    namespace: SurveyedNamespace
    group: CheckpointItems
    rank: int | None
    entry: CheckpointEntry | None = None

    @property
    def checkpoint_id(self) -> str:
        return self.group.key.checkpoint_id


class Survey:
    """The namespaces of a thread, and what to keep of them.

    Args:
        context: The call's settings and clock.
        thread_id: The thread.
        policies: What to keep of the namespace with a key part; see `SurveyedNamespace.selectors`.
    """

    def __init__(
        self, context: Context, thread_id: str, policies: Callable[[str], Sequence[RetentionPolicy]]
    ) -> None:
        self._context = context
        self._thread_id = thread_id
        self._policies = policies
        self.namespaces: dict[str, SurveyedNamespace] = {}

    def read(self, ranges: Iterable[tuple[str, str]]) -> Operation[None]:
        """Read ranges of keys, each newest first, several of them concurrently."""
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
        """Read needed ancestors that `read` has passed: their ids do not sort by time."""
        while needed := self._needed():
            found: dict[str, CheckpointItems] = {}
            for start in range(0, len(needed), _KEYS_A_ROUND):
                some = [sort_key for sort_key, _, _ in needed[start : start + _KEYS_A_ROUND]]
                found.update((yield from self._groups(some)))
            entries = yield from self._headers(list(found.values()))
            for sort_key, selector, checkpoint_id in needed:
                if sort_key in found:
                    selector.keep(found[sort_key], entries[sort_key])
                else:
                    del selector.needed[checkpoint_id]

    def deletable(self) -> dict[str, list[CheckpointKey]]:
        """The keys of the items to delete, by the namespaces' key parts, oldest first.

        Subgraphs come before their enclosing graphs. If the deletion is interrupted, the next
        one needs the enclosing graph's checkpoints to find that the subgraphs are not used.
        """
        parts = sorted(self.namespaces, reverse=True)
        return {part: self.namespaces[part].deletable(self._context) for part in parts}

    def _needed(self) -> list[tuple[str, CheckpointSelector, str]]:
        return [
            (keys.checkpoint(namespace.part, checkpoint_id), namespace.selector, checkpoint_id)
            for namespace in self.namespaces.values()
            for checkpoint_id in namespace.selector.needed
        ]

    def _groups(self, sort_keys: Sequence[str]) -> Operation[dict[str, CheckpointItems]]:
        """Checkpoints by their sort keys, including expired ones."""
        table, thread_id = self._context.table, self._thread_id
        calls = [requests.query(table, thread_id, keys.below(key)) for key in sort_keys]
        replies = yield calls
        found: dict[str, CheckpointItems] = {}
        for sort_key, call, reply in zip(sort_keys, calls, replies, strict=True):
            stored: list[Item] = reply["Items"]
            following = batches.next_page(call, reply)
            if following is not None:
                stored += yield from batches.read_range(following)
            for group in collect(self._context, parse_keys(reversed(stored)), [], items.gone):
                found[sort_key] = group
        return found

    def _take(self, page: Sequence[Item]) -> Operation[None]:
        seen: list[_Seen] = []
        namespace: SurveyedNamespace | None = None
        keyed = [(items.parse_key(item), item) for item in page]
        for part, found in groupby(keyed, lambda one: one[0].namespace):
            if namespace is not None:
                namespace.close()
            namespace = self._namespace(part)
            ranked = namespace.add(self._context, found)
            seen += [_Seen(namespace, group, rank) for group, rank in ranked]
        yield from self._select(seen)
        yield from self._keep_needed(seen)

    def _namespace(self, part: str) -> SurveyedNamespace:
        if part not in self.namespaces:
            selectors = [CheckpointSelector(policy) for policy in self._policies(part)]
            self.namespaces[part] = SurveyedNamespace(part, selectors, keys.decode(part))
        return self.namespaces[part]

    def _select(self, seen: Sequence[_Seen]) -> Operation[None]:
        """Keep the checkpoints that the policies keep."""
        candidates = [
            (one, selector, keeps)
            for one in seen
            if one.rank is not None
            for selector in one.namespace.selectors
            if (keeps := selector.policy.keeps(one.rank, one.checkpoint_id)) is not False
        ]
        yield from self._open([one for one, _, _ in candidates])
        for one, selector, keeps in candidates:
            assert one.entry is not None  # noqa: S101 - `_open` has set it
            if one.rank == 0:
                one.namespace.note(one.entry)
            if keeps or selector.policy.keeps_undated(one.entry.header):
                selector.keep(one.group, one.entry)
                selector.selected.add(one.checkpoint_id)
                self._note_bounds(one.namespace, one.entry)

    def _note_bounds(self, namespace: SurveyedNamespace, entry: CheckpointEntry) -> None:
        namespace.bounds.add(entry.checkpoint_id)
        if entry.header.parent_id and entry.header.metadata.get("source") in _FORKS:
            namespace.bounds.add(entry.header.parent_id)

    def _keep_needed(self, seen: Sequence[_Seen]) -> Operation[None]:
        """Keep the needed ancestors that are on this page."""
        here = {(one.namespace.part, one.checkpoint_id): one for one in seen}
        touched = {one.namespace.part: one.namespace for one in seen}.values()
        while True:
            needed = [
                (here[namespace.part, checkpoint_id], selector)
                for namespace in touched
                for selector in namespace.selectors
                for checkpoint_id in selector.needed
                if (namespace.part, checkpoint_id) in here
            ]
            if not needed:
                return
            yield from self._open([one for one, _ in needed])
            for one, selector in needed:
                assert one.entry is not None  # noqa: S101 - `_open` has set it
                selector.keep(one.group, one.entry)

    def _open(self, seen: Iterable[_Seen]) -> Operation[None]:
        """Read the headers of checkpoints that have not been read yet."""
        unread = {one.group.key.sort_key: one for one in seen if one.entry is None}
        entries = yield from self._headers([one.group for one in unread.values()])
        for sort_key, one in unread.items():
            one.entry = entries[sort_key]

    def _headers(self, groups: Sequence[CheckpointItems]) -> Operation[dict[str, CheckpointEntry]]:
        entries = yield from read_headers(self._context, self._thread_id, groups)
        return {items.sort_key(entry.item): entry for entry in entries}
