"""What a user sees of a thread, in a form that tells apart what `==` does not.

`1`, `1.0` and `True` are equal, and so are a string enum and its value, and two dicts with
another order of keys. Ids that are drawn anew in every run are left out of the comparison.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import zip_longest
from typing import Any

from langgraph.types import Interrupt, PregelTask, Send, StateSnapshot
from pydantic import BaseModel

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}")
_ID_LENGTH, _LONGEST_NAME = 32, 160
_SHOWN = 200
MISSING = "nothing"


def exact(thing: Any) -> Any:
    """A value as tuples that are equal only if type, content and order are the same."""
    kind = type(thing)
    if kind is str:
        return without_ids(thing) if _ID_LENGTH <= len(thing) <= _LONGEST_NAME else thing
    if thing is None or kind is bytes:
        return thing
    if kind is list or kind is tuple:
        return (kind.__name__, *map(exact, thing))
    if kind is dict:
        return ("dict", *((exact(key), exact(one)) for key, one in thing.items()))
    if kind is int or kind is float or kind is bool:
        return (kind.__name__, repr(thing))
    return _exact_object(thing)


def _exact_object(thing: Any) -> Any:  # noqa: PLR0911 - one for each type
    name = type(thing).__name__
    match thing:
        case BaseModel():
            return (name, exact(dict(thing.__dict__)))
        case Enum():
            return (name, thing.name)
        case Interrupt():
            return (name, exact(thing.value))
        case Send():
            return (name, thing.node, exact(thing.arg))
        case set() | frozenset():
            return (name, *sorted(map(exact, thing), key=repr))
        case dict():
            return (name, exact(dict(thing)))
        case list() | tuple():
            return (name, *map(exact, thing))
        case BaseException():
            return (name, without_ids(str(thing)))
        case _ if is_dataclass(thing) and not isinstance(thing, type):
            return (name, *((one.name, exact(getattr(thing, one.name))) for one in fields(thing)))
        case _:
            return (name, repr(thing))


def without_ids(text: str) -> str:
    return _ID.sub("<id>", text)


def result(thing: Any) -> Any:
    """What `invoke` returned, or raised."""
    if isinstance(thing, dict) and "__interrupt__" in thing:
        # Parallel tasks ask in any order.
        asked = sorted(map(exact, thing["__interrupt__"]), key=repr)
        rest = {key: one for key, one in thing.items() if key != "__interrupt__"}
        return ("interrupted", exact(rest), tuple(asked))
    return exact(thing)


def snapshot(state: StateSnapshot, *, results: bool = True) -> Any:
    """A state. Without `results`, what its finished tasks have returned is left out."""
    return (
        ("values", exact(state.values)),
        ("next", state.next),
        ("metadata", exact(state.metadata)),
        ("tasks", tuple(_task(task, results=results) for task in state.tasks)),
        ("interrupts", tuple(sorted(map(exact, state.interrupts), key=repr))),
        ("namespace", without_ids(state.config["configurable"].get("checkpoint_ns", ""))),
    )


def _task(task: PregelTask, *, results: bool) -> Any:
    # A config names a subgraph whose state was not asked for.
    inner = snapshot(task.state, results=results) if isinstance(task.state, tuple) else None
    path = exact(task.path)
    asked = exact(task.interrupts)
    returned = exact(task.result) if results else None
    return (task.name, path, without_ids(repr(task.error)), asked, returned, inner)


def history(states: Sequence[StateSnapshot], *, results: bool = True) -> Any:
    """States with their places among each other: who descends from whom."""
    order = {checkpoint_id(state.config): at for at, state in enumerate(states)}
    return tuple(
        (
            state.parent_config and order.get(checkpoint_id(state.parent_config), "gone"),
            snapshot(state, results=results),
        )
        for state in states
    )


def stored(tuples: Sequence[Any], *, rebuilt: Set[str], results: bool = True) -> Any:
    """All checkpoints of a thread, of every namespace, in any order.

    Channels that are `rebuilt` are left out: a saver may or may not repeat a snapshot.
    """
    found = []
    for one in tuples:
        writes = sorted((exact(write[1:]) for write in one.pending_writes or ()), key=repr)
        values = one.checkpoint["channel_values"]
        found.append(
            (
                without_ids(one.config["configurable"].get("checkpoint_ns", "")),
                exact(one.metadata),
                exact({name: values[name] for name in sorted(values.keys() - rebuilt)}),
                tuple(sorted(one.checkpoint["channel_versions"])),
                tuple(writes) if results else (),
                one.parent_config is None,
            )
        )
    return tuple(sorted(found, key=repr))


def checkpoint_id(config: Any) -> str:
    return str(config["configurable"].get("checkpoint_id"))


def difference(expected: Any, actual: Any) -> str:
    """Where two of these differ first, in words."""
    if expected == actual:
        return ""
    path, left, right = next(_differences(expected, actual, ""))
    return f"at {path or 'the top'}: expected {_short(left)}, got {_short(right)}"


def _differences(left: Any, right: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if not isinstance(left, tuple) or not isinstance(right, tuple):
        yield path, left, right
        return
    for at, (one, other) in enumerate(zip_longest(left, right, fillvalue=MISSING)):
        if one != other:
            name = left[0] if at == 1 and left and isinstance(left[0], str) else at
            yield from _differences(one, other, f"{path}/{name}")


def _short(thing: Any) -> str:
    told = repr(thing)
    return told if len(told) <= _SHOWN else f"{told[:_SHOWN]}… ({len(told)} characters)"
