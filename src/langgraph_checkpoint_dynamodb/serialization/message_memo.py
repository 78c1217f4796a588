"""Lists of LangChain messages: what did not change is neither written nor read again.

A conversation is one list, and LangGraph hands over all of it at every step. A *memo* is
what a process keeps of a stored list: a prototype of each message, and the segments that the list
was cut into. A message that packs to its prototype is the one that is stored, so it is not
serialized, cut or hashed again; and a prototype makes the message without the serializer.

At turn 1,000 of a chat this is the difference between 80 and 10 ms of processor time a turn
(`benchmarks/`, 2,000 messages).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, takewhile
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol

from ..chunking import segment_reuse
from ..chunking.boundaries import Segment
from ..chunking.cut import Elements
from ..chunking.msgpack_arrays import array_header, element_offsets
from ..format.body import Typed
from .message_prototypes import KINDS, count_same, make_messages, prototypes, prototypes_read
from .serializer import MSGPACK, is_langgraphs

_MAX_MESSAGES = 8192
"""A list of more is not remembered: a memo would take as much memory as the state itself."""

_MAX_NEW = 64
"""Messages that are worth a prototype at once. More, and they may never be read."""

MEMO_SPEED = 8
"""How many times faster than its bytes a memo is made or used."""

_PROTOTYPE_OVERHEAD = 60
_SEGMENT_OVERHEAD = 300
"""Bytes of Python objects around a prototype, and of a segment."""


@dataclass(frozen=True)
class Memo:
    """What is kept of a stored list of messages.

    Attributes:
        prototypes: Of its first messages, or of all.
        sizes: The bytes of each message.
        segments: Of its first messages.
    """

    prototypes: Sequence[bytes] = ()
    sizes: Sequence[int] = ()
    segments: tuple[Segment, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the list can be made without its bytes."""
        return len(self.prototypes) == len(self.sizes)

    @cached_property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        packed = sum(map(len, self.prototypes))
        overhead = (_PROTOTYPE_OVERHEAD + 8) * len(self.prototypes)
        return packed + overhead + _SEGMENT_OVERHEAD * len(self.segments)

    @property
    def work(self) -> int:
        """How many bytes would take as long to deserialize as `make` takes."""
        return sum(self.sizes) // MEMO_SPEED

    def make(self) -> list[BaseMessage]:
        """The list, of objects that nothing else refers to."""
        return make_messages(self.prototypes)


@dataclass(frozen=True, slots=True)
class Written:
    """A list as it is to be stored.

    Attributes:
        elements: Its elements.
        prototypes: Of its first messages, or of all.
        sizes: The bytes of each message.
        content: The whole list's bytes, if none of it is stored.
    """

    elements: Elements
    prototypes: Sequence[bytes]
    sizes: Sequence[int]
    content: bytes | None

    def memo(self, segments: tuple[Segment, ...]) -> Memo:
        """What to keep of it, once it has been cut."""
        return Memo(self.prototypes, self.sizes, segments)


def handles(serde: SerializerProtocol, value: Any) -> bool:
    """Whether a value is a list that this module can take, under this serde."""
    return (
        is_langgraphs(serde)
        and type(value) is list
        and 0 < len(value) <= _MAX_MESSAGES
        and KINDS.issuperset(map(type, value))
    )


def remember(
    messages: Sequence[BaseMessage],
    data: bytes,
    stored: segment_reuse.Leaves,
    memo: Memo | None = None,
) -> Memo | None:
    """A memo of a list that was just read; `None` if it holds more than plain messages.

    Args:
        messages: The list.
        data: Its bytes.
        stored: Its leaves.
        memo: An older memo of the same list.
    """
    made = _whole(prototypes_read(messages))
    if len(made) < len(messages):
        return None
    if memo:
        return replace(memo, prototypes=made)
    offsets = element_offsets(data)
    if offsets is None or len(offsets) != len(messages) + 1:
        return None
    sizes = array("Q", (end - begin for begin, end in pairwise(offsets)))
    return Memo(made, sizes, segment_reuse.segments(stored, offsets))


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
    same = count_same(memo.prototypes, messages)
    origins = [*range(same), *_origins(memo.prototypes, prototypes(messages[same:]), same)]
    plan = segment_reuse.plan_reuse(
        segment_reuse.StoredList(memo.sizes, memo.segments), same, origins[same:], known
    )
    found: list[bytes | None] = [*memo.prototypes[:same]]
    found += (None if one is None else memo.prototypes[one] for one in origins[same:])
    to_serialize = plan.to_serialize
    kind, data = serialize(_at(messages, found, to_serialize))
    offsets = element_offsets(data) if to_serialize else [len(data)]
    if kind != MSGPACK or offsets is None or len(offsets) != len(to_serialize) + 1:
        return None
    pieces = dict(zip(to_serialize, pairwise(offsets), strict=True))
    sizes = array("Q", memo.sizes[:same])
    sizes.extend(0 if one is None else memo.sizes[one] for one in origins[same:])
    for number, (begin, end) in pieces.items():
        sizes[number] = end - begin
    new = [number for number in to_serialize if found[number] is None]
    if 0 < len(new) <= _MAX_NEW:
        # Read back: a prototype is what the bytes say, and not what the graph put.
        content = b"".join(data[slice(*pieces[number])] for number in new)
        read = load((MSGPACK, array_header(len(new)) + content))
        for number, one in zip(new, prototypes_read(read), strict=True):
            found[number] = one
    return Written(
        Elements(array_header(len(messages)), plan.parts(data, offsets), kept=plan.kept),
        _whole(found),
        sizes,
        data if len(to_serialize) == len(messages) else None,
    )


def _origins(before: Sequence[bytes], made: Sequence[bytes | None], same: int) -> list[int | None]:
    """Where in the list before, from number `same` on, each message stood."""
    numbers = {one: number for number, one in enumerate(before[same:], same)}
    return [None if one is None else numbers.get(one) for one in made]


def _at(
    messages: Sequence[BaseMessage], found: Sequence[bytes | None], numbers: Sequence[int]
) -> list[BaseMessage]:
    """Some messages to serialize: made of their prototypes if they have one.

    The graph may be changing its own in place, and then bytes and prototype would differ.
    """
    known = iter(make_messages([one for number in numbers if (one := found[number]) is not None]))
    return [messages[number] if found[number] is None else next(known) for number in numbers]


def _whole(made: Sequence[bytes | None]) -> list[bytes]:
    """The prototypes of the first messages, up to one that has none."""
    if None not in made:
        return list(made)  # type: ignore[arg-type]
    return [one for one in takewhile(lambda one: one is not None, made) if one is not None]
