"""What looks broken in a thread, and is looked at again before it is reported."""

from __future__ import annotations

from dataclasses import dataclass

from ..format import items, keys, requests
from ..runtime.context import Context
from ..runtime.effects import Backoff, Item, Operation
from ..storage import batches
from .verify_report import Problem, ProblemKind

_LOOKS = 3  # with pauses: a deletion may be under way


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A problem if the item still stands, and what it lacks is still not there."""

    problem: Problem
    item: Item
    absent: str | None


class Suspects:
    """The suspects of one thread."""

    def __init__(self, context: Context, thread_id: str) -> None:
        self._context = context
        self._thread_id = thread_id
        self._suspects: list[_Suspect] = []

    def __len__(self) -> int:
        return len(self._suspects)

    def add(
        self, item: Item, checkpoint_ns: str, kind: ProblemKind, detail: str, absent: str | None
    ) -> None:
        """Suspect an item; `absent` is the sort key of the item that it lacks, if it is one."""
        ns = checkpoint_id = None
        if keys.is_checkpoint_or_writes(items.sort_key(item)):
            ns, checkpoint_id = checkpoint_ns, keys.parse(items.sort_key(item)).checkpoint_id
        problem = Problem(kind, self._thread_id, ns, checkpoint_id, detail)
        self._suspects.append(_Suspect(problem, item, absent))

    def confirmed(self) -> Operation[list[Problem]]:
        """The problems that are still there after some looks."""
        suspects = self._suspects
        for look in range(_LOOKS):
            if not suspects:
                break
            if look:
                yield Backoff(look - 1)
            wanted = {items.sort_key(one.item) for one in suspects}
            wanted |= {one.absent for one in suspects if one.absent is not None}
            found = yield from batches.get_all(
                self._context,
                [requests.key(self._thread_id, key) for key in sorted(wanted)],
                consistent=True,
            )
            there = {items.sort_key(item): item for item in found}
            suspects = [one for one in suspects if self._stands(one, there)]
        return [one.problem for one in suspects]

    def _stands(self, suspect: _Suspect, there: dict[str, Item]) -> bool:
        item = there.get(items.sort_key(suspect.item))
        if item is None or items.gone(self._context, item):
            return False
        if any(item.get(name) != suspect.item[name] for name in ("B", "T") if name in suspect.item):
            return False
        absent = there.get(suspect.absent) if suspect.absent is not None else None
        return absent is None or items.gone(self._context, absent)
