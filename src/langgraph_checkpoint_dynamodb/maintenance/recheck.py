"""Suspected problems of a thread, which are checked again before they are reported."""

from __future__ import annotations

from dataclasses import dataclass

from ..format import items, keys, requests
from ..runtime.context import Context
from ..runtime.effects import Backoff, Item, Operation
from ..storage import batches
from .verify_report import Problem, ProblemKind

_CHECKS = 3  # with pauses between them: a deletion may be under way


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A problem if the item is unchanged, and the item that it lacks is still missing."""

    problem: Problem
    item: Item
    missing_key: str | None


class Suspects:
    """The suspected problems of one thread."""

    def __init__(self, context: Context, thread_id: str) -> None:
        self._context = context
        self._thread_id = thread_id
        self._suspects: list[_Suspect] = []

    def __len__(self) -> int:
        return len(self._suspects)

    def add(
        self,
        item: Item,
        checkpoint_ns: str,
        kind: ProblemKind,
        detail: str,
        missing_key: str | None,
    ) -> None:
        """Add a suspected problem.

        Args:
            item: The item that has it: its key, and its body, time or activity.
            checkpoint_ns: The item's namespace.
            kind: The kind of problem.
            detail: What is wrong.
            missing_key: The sort key of the item that it lacks; `None` if it lacks no item.
        """
        ns = checkpoint_id = None
        if keys.is_checkpoint_or_writes(items.sort_key(item)):
            ns, checkpoint_id = checkpoint_ns, keys.parse(items.sort_key(item)).checkpoint_id
        problem = Problem(kind, self._thread_id, ns, checkpoint_id, detail)
        self._suspects.append(_Suspect(problem, item, missing_key))

    def confirmed(self) -> Operation[list[Problem]]:
        """The problems that every check finds again."""
        suspects = self._suspects
        for check in range(_CHECKS):
            if not suspects:
                break
            if check:
                yield Backoff(check - 1)
            sort_keys = {items.sort_key(one.item) for one in suspects}
            sort_keys |= {one.missing_key for one in suspects if one.missing_key is not None}
            found = yield from batches.get_all(
                self._context,
                [requests.key(self._thread_id, key) for key in sorted(sort_keys)],
                consistent=True,
            )
            stored = {items.sort_key(item): item for item in found}
            suspects = [one for one in suspects if self._is_still_broken(one, stored)]
        return [one.problem for one in suspects]

    def _is_still_broken(self, suspect: _Suspect, stored: dict[str, Item]) -> bool:
        item = stored.get(items.sort_key(suspect.item))
        if item is None or items.gone(self._context, item):
            return False
        if any(
            item.get(name) != suspect.item[name] for name in ("A", "B", "T") if name in suspect.item
        ):
            return False
        missing = stored.get(suspect.missing_key) if suspect.missing_key is not None else None
        return missing is None or items.gone(self._context, missing)
