"""Which subgraph namespaces a thread has, found by skipping through its keys.

Backwards from the greatest key, in pages that grow. The rest of the last namespace on a page is
skipped. A larger page within one namespace means that namespaces are large, and pages stop growing.
If that happens again and again, they are calls of a subgraph that took many steps each: then what
is left is parted by the next digit of the calls' task ids, which are as good as random, and the
parts are searched side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..format import items, keys, requests
from ..runtime.context import Context
from ..runtime.effects import Call, Item, Operation

_PAGE_GROWTH = 8
_MAX_PAGE = 4096

_LARGE = 64
"""Skipping the rest of a namespace is worth it if it holds more items than this."""

_SKIPS = 3
"""After so many large namespaces in a row, a part is parted."""

_TASK = ":"  # LangGraph's `NS_END`: a task's id follows
_DIGITS = "0123456789abcdef"
_PARTS_A_ROUND = 256

_SUBGRAPHS = f"{keys.CHECKPOINTS}$", keys.below(keys.CHECKPOINTS.rstrip("#"))[1]
"""All namespaces but the root's: `#` follows its empty name at once, and comes before `$`."""


@dataclass(slots=True)
class _Part:
    """A range of keys that is being searched.

    Attributes:
        bounds: The range.
        start: Where to go on, if part of it has been read.
        size: How many keys to read next.
        large: The last namespace, if it was large.
        skips: How many were, one after another.
    """

    bounds: tuple[str, str]
    start: Item | None = None
    size: int = 1
    large: str = ""
    skips: int = 0


def first_page(context: Context, thread_id: str) -> Call:
    """What finds out whether there are any."""
    return _page(context, thread_id, _Part(_SUBGRAPHS))


def find(context: Context, thread_id: str, first: Any) -> Operation[dict[str, str]]:
    """The key parts of a thread's subgraph namespaces, each with the newest id that is keyed in it.

    Args:
        context: The call's surroundings.
        thread_id: The thread.
        first: The reply to `first_page`.
    """
    found: dict[str, str] = {}
    parts = _following(thread_id, _Part(_SUBGRAPHS), first, found)
    while parts:
        now, later = parts[:_PARTS_A_ROUND], parts[_PARTS_A_ROUND:]
        replies = yield [_page(context, thread_id, part) for part in now]
        parts = later
        for part, reply in zip(now, replies, strict=True):
            parts += _following(thread_id, part, reply, found)
    return found


def _page(context: Context, thread_id: str, part: _Part) -> Call:
    return requests.query(
        context.table,
        thread_id,
        part.bounds,
        newest_first=True,
        limit=part.size,
        start=part.start,
        attributes=("PK", "SK"),
    )


def _following(thread_id: str, part: _Part, reply: Any, found: dict[str, str]) -> list[_Part]:
    """Note the namespaces on a page; what is left of its part to search."""
    page = [items.parse_key(item) for item in reply["Items"]]
    for key in page:
        found[key.namespace] = max(key.checkpoint_id, found.get(key.namespace, ""))
    if not page or "LastEvaluatedKey" not in reply:
        return []
    last = page[-1].namespace
    start = requests.key(thread_id, f"{keys.CHECKPOINTS}{last}#")
    if page[0].namespace != last or len(page) < _LARGE:
        return [_Part(part.bounds, start, min(part.size * _PAGE_GROWTH, _MAX_PAGE))]
    rest = _Part(part.bounds, start, _LARGE, last, part.skips + 1)
    prefix = _common_prefix(part.large, last)
    return [rest] if rest.skips < _SKIPS or prefix is None else _parted(rest, prefix)


def _common_prefix(one: str, other: str) -> str | None:
    """What comes before the task ids by which two namespaces differ; `None` if they do not so."""
    pairs = enumerate(zip(one, other, strict=False))
    common = one[: next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))]
    before, task, digits = common.rpartition(_TASK)
    return before + task if task and set(digits) <= set(_DIGITS) else None


def _parted(part: _Part, prefix: str) -> list[_Part]:
    """A part cut where task ids have another digit, after those that all in it begin with."""
    low, start = part.bounds[0], part.start
    last = start["SK"]["S"] if start else part.bounds[1]
    before = f"{keys.CHECKPOINTS}{prefix}"
    before = low if low.startswith(before) else before
    cuts = [cut for digit in _DIGITS if low < (cut := before + digit) < last]
    if not cuts:
        return [part]
    lower = [_Part(bounds, None, _LARGE) for bounds in zip([low, *cuts[:-1]], cuts, strict=True)]
    return [_Part((cuts[-1], part.bounds[1]), start, _LARGE), *reversed(lower)]
