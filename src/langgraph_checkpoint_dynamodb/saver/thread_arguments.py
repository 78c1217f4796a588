"""Arguments of the methods on the thread directory, checked before anything is sent."""

from __future__ import annotations

from typing import Any

from ..directory import entries, listing
from ..directory.entries import Description
from ..directory.listing import Page
from ..errors import InvalidInputError
from ..format import thread_entries
from . import arguments

_MAX_PAGE = 100
"""Each thread of a page takes a query, and a page sends them all at once."""


def owner(value: Any) -> str | None:
    """An owner; `None` for the threads without one."""
    return None if value is None else entries.check_owner("owner", value)


def named_owner(value: Any) -> str:
    """An owner, which must be named: the threads without one are of many users."""
    return entries.check_owner("owner", value)


def page(whose: Any, all_owners: Any, limit: Any, cursor: Any, newest_first: Any) -> Page:
    """The page that `list_threads` is asked for."""
    if switch("all_owners", all_owners) and whose is not None:
        raise InvalidInputError(f"owner={whose!r} with all_owners=True: pass one of the two")
    if not switch("newest_first", newest_first) and all_owners:
        raise InvalidInputError(
            "newest_first=False with all_owners=True: the threads of all owners are in no order; "
            "pass an owner, or leave newest_first out"
        )
    partitions = () if all_owners else thread_entries.partitions(owner(whose))
    given = None if cursor is None else arguments.text("cursor", cursor)
    starts = listing.starts_of(partitions, given)
    return Page(partitions, _page_size(limit), newest_first, starts)


def _page_size(value: Any) -> int:
    """The maximum number of threads of a page."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_PAGE:
        raise InvalidInputError(
            f"limit={value!r}: use a whole number from 1 to {_MAX_PAGE}, and the cursor for more"
        )
    return value


def switch(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise InvalidInputError(f"{name}={value!r}: use True or False")
    return value


def description(title: Any, metadata: Any) -> Description:
    """A title, metadata, or both."""
    if title is None and metadata is None:
        raise InvalidInputError("title and metadata are both None: pass one of them")
    if title is not None:
        arguments.text("title", title)
    if metadata is not None:
        for name in arguments.mapping("metadata", metadata):
            arguments.text("metadata: key", name)
        metadata = dict(metadata)
    return Description(title, metadata)
