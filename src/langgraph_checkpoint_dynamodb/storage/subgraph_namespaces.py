"""Finds the subgraph namespaces of a thread without reading all of its keys.

The search reads pages of keys backwards from the greatest one, and skips the rest of the last
namespace of each page. Pages grow, until a full page is within one namespace: namespaces are then
large, and larger pages would not find more of them. If this happens several times in a row, the
namespaces are calls of one subgraph with many steps each. The remaining range is then split by the
next digit of the calls' task ids, which are distributed evenly, and the parts are searched in
parallel.
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
"""A namespace with at least so many items on one page is large."""

_MAX_SKIPS = 3
"""After so many large namespaces in a row, the remaining range is split."""

_TASK = ":"  # LangGraph's `NS_END`: a task id follows
_DIGITS = "0123456789abcdef"
_PARTS_A_ROUND = 256

_SUBGRAPHS = f"{keys.CHECKPOINTS}$", keys.below(keys.CHECKPOINTS.rstrip("#"))[1]
"""The keys of all namespaces except the root's. The root's name is empty, so its keys continue with
`#`, which comes before `$`."""


@dataclass(slots=True)
class _Part:
    """A range of keys that is being searched.

    Attributes:
        bounds: The range (both inclusive).
        start: The key after which to continue, if part of it has been read.
        size: How many keys to read next.
        large: The last namespace, if it was large.
        skips: How many large namespaces were found in a row.
    """

    bounds: tuple[str, str]
    start: Item | None = None
    size: int = 1
    large: str = ""
    skips: int = 0


def first_page(context: Context, thread_id: str) -> Call:
    """The call that finds out whether a thread has subgraph namespaces."""
    return _page(context, thread_id, _Part(_SUBGRAPHS))


def find(context: Context, thread_id: str, first: Any) -> Operation[dict[str, str]]:
    """Find the subgraph namespaces of a thread.

    Args:
        context: The call's settings and time.
        thread_id: The thread.
        first: The reply to `first_page`.

    Returns:
        The key part of each namespace, with the newest checkpoint id in its keys.
    """
    found: dict[str, str] = {}
    parts = _next_parts(thread_id, _Part(_SUBGRAPHS), first, found)
    while parts:
        now, later = parts[:_PARTS_A_ROUND], parts[_PARTS_A_ROUND:]
        replies = yield [_page(context, thread_id, part) for part in now]
        parts = later
        for part, reply in zip(now, replies, strict=True):
            parts += _next_parts(thread_id, part, reply, found)
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


def _next_parts(thread_id: str, part: _Part, reply: Any, found: dict[str, str]) -> list[_Part]:
    """Add the namespaces of a page to `found`; returns the parts that are left to search."""
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
    return [rest] if rest.skips < _MAX_SKIPS or prefix is None else _split(rest, prefix)


def _common_prefix(one: str, other: str) -> str | None:
    """The common part of two namespaces that differ in a task id, up to this id.

    `None` if they differ in something else.
    """
    pairs = enumerate(zip(one, other, strict=False))
    common = one[: next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))]
    before, task, digits = common.rpartition(_TASK)
    return before + task if task and set(digits) <= set(_DIGITS) else None


def _split(part: _Part, prefix: str) -> list[_Part]:
    """Split a part at each possible digit of the task ids after `prefix`."""
    low, start = part.bounds[0], part.start
    last = start["SK"]["S"] if start else part.bounds[1]
    before = f"{keys.CHECKPOINTS}{prefix}"
    before = low if low.startswith(before) else before
    cuts = [cut for digit in _DIGITS if low < (cut := before + digit) < last]
    if not cuts:
        return [part]
    lower = [_Part(bounds, None, _LARGE) for bounds in zip([low, *cuts[:-1]], cuts, strict=True)]
    return [_Part((cuts[-1], part.bounds[1]), start, _LARGE), *reversed(lower)]
