"""Lists of LangChain messages: what did not change is neither written nor read again.

A conversation is one list, and LangGraph hands over all of it at every step. A
*memo* is what a process keeps of a stored list: a template of each message, which
is what reading it gives, and the segments that it was cut into. A message that
equals its template is the one that is stored, so it is not serialized again; and
a template makes the message without deserializing it.

Every message that is read is an object of its own: what a graph does to it in place
changes neither a template nor another reader's message.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol

from . import reuse
from .chunking import Elements
from .codec import Typed
from .elements import array_header, element_offsets
from .leaves import Segment
from .slices import MSGPACK, is_langgraphs
from .templates import KINDS, NONE, Templates, templates_of

_MAX_MESSAGES = 8192
"""A list of more is not remembered: a memo would take as much memory as the state itself."""

_MAX_NEW = 64
"""Messages that are worth a template at once. More, and they may never be read."""

MEMO_SPEED = 8
"""How many times faster than its bytes a memo is made or used."""

_MAKE_BYTES = 120
"""Deserializing so much takes as long as making a message of a template."""


@dataclass(frozen=True, slots=True)
class Memo:
    """What is kept of a stored list of messages.

    Attributes:
        templates: Of its first messages, or of all.
        sizes: The bytes of each message.
        segments: Of its first messages.
        elements: How many messages it has.
    """

    templates: Templates = NONE
    sizes: Sequence[int] = ()
    segments: tuple[Segment, ...] = ()
    elements: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether the list can be made without its bytes."""
        return len(self.templates) == self.elements

    @property
    def overhead(self) -> int:
        """About how many bytes of memory it takes, beside the messages' own."""
        return self.templates.overhead + 300 * len(self.segments)

    @property
    def work(self) -> int:
        """How many bytes would take as long to deserialize as `make` takes."""
        return _MAKE_BYTES * len(self.templates)

    def make(self) -> list[BaseMessage]:
        """The list."""
        return self.templates.make()


@dataclass(frozen=True, slots=True)
class Written:
    """A list as it is to be stored.

    Attributes:
        elements: Its elements.
        templates: Of its first messages, or of all.
        sizes: The bytes of each message.
        content: The whole list's bytes, if none of it is stored.
    """

    elements: Elements
    templates: Templates
    sizes: Sequence[int]
    content: bytes | None

    def memo(self, segments: tuple[Segment, ...]) -> Memo:
        """What to keep of it, once it has been cut."""
        return Memo(self.templates, self.sizes, segments, len(self.sizes))


def handles(serde: SerializerProtocol, value: Any) -> bool:
    """Whether a value is a list that this module can take, under this serde."""
    return (
        is_langgraphs(serde)
        and type(value) is list
        and 0 < len(value) <= _MAX_MESSAGES
        and KINDS.issuperset(map(type, value))
    )


def remember(
    messages: Sequence[BaseMessage], data: bytes, stored: reuse.Leaves, memo: Memo | None = None
) -> Memo | None:
    """A memo of a list that was just read.

    Args:
        messages: The list.
        data: Its bytes.
        stored: Its leaves.
        memo: An older memo of the same list.
    """
    made = templates_of(messages)
    offsets = element_offsets(data)
    if made is None or offsets is None or len(offsets) != len(messages) + 1:
        return None
    if memo:
        return replace(memo, templates=made)
    sizes = array("Q", (end - begin for begin, end in pairwise(offsets)))
    return Memo(made, sizes, reuse.segments(stored, offsets), len(messages))


def write(
    messages: Sequence[BaseMessage],
    memo: Memo | None,
    known: frozenset[bytes],
    serialize: Callable[[Sequence[BaseMessage]], Typed],
    load: Callable[[Typed], Any],
) -> Written | None:
    """Serialize what a list has beyond the one before it.

    Args:
        messages: The list.
        memo: Of the list before it, if there is one.
        known: Chunks that are stored.
        serialize: The serde's, of a list.
        load: Its reverse.

    Returns:
        `None` if the bytes are not a list of as many elements.
    """
    memo = memo or Memo()
    same = memo.templates.count_same(messages)
    later = _origins(memo.templates, messages[same:], same)
    plan = reuse.plan(reuse.Stored(memo.sizes, memo.segments), same, later, known)
    loose = plan.loose
    kind, data = serialize([messages[number] for number in loose])
    offsets = element_offsets(data) if loose else [len(data)]
    if kind != MSGPACK or offsets is None or len(offsets) != len(loose) + 1:
        return None
    pieces = dict(zip(loose, pairwise(offsets), strict=True))
    sizes = array("Q", memo.sizes[:same])
    sizes.extend(0 if one is None else memo.sizes[one] for one in later)
    for number, (begin, end) in pieces.items():
        sizes[number] = end - begin
    found = [None if one is None else memo.templates[one] for one in later]
    new = [number for number in loose if number >= same and found[number - same] is None]
    if 0 < len(new) <= _MAX_NEW:
        # Read back: a template is what the bytes say, and not what the graph put.
        content = b"".join(data[slice(*pieces[number])] for number in new)
        made = templates_of(load((MSGPACK, array_header(len(new)) + content))) or NONE
        for at, number in enumerate(new[: len(made)]):
            found[number - same] = made[at]
    whole = Templates.of(template for template in takewhile(bool, found) if template)
    return Written(
        Elements(array_header(len(messages)), plan.parts(data, offsets), kept=plan.kept),
        memo.templates.first(same) + whole,
        sizes,
        data if len(loose) == len(messages) else None,
    )


def _origins(templates: Templates, messages: Sequence[BaseMessage], first: int) -> list[int | None]:
    """The number of the template, from `first` on, that makes each message."""
    numbers = {
        _name(fields): number for number, fields in enumerate(templates.fields[first:], first)
    }
    origins: list[int | None] = []
    for message in messages:
        name = _name(message.__dict__)
        number = numbers.get(name) if name is not None else None
        matches = number is not None and templates[number].matches(message)
        origins.append(number if matches else None)
    return origins


def _name(fields: dict[str, Any]) -> str | None:
    """What to look a message up by: its id, or else its text."""
    names = (fields.get("id"), fields.get("content"))
    return next((name for name in names if type(name) is str), None)
