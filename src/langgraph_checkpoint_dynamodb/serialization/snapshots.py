"""A snapshot of what a caller handed over: its containers copied, once, at the door.

A graph goes on while its checkpoint is being put, and may append to a list that the serializer
is just going through: what is stored would then be neither the value before nor the one after.
So `put` and `put_writes` work on copies of all lists, dicts and other containers, made before
anything is sent or any thread is started. What a container holds and is none itself (a message,
a model) is not copied: serializers take the state of such an object in one step.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import deque
from typing import Any

from langgraph.checkpoint.serde.types import SendProtocol

from ..errors import SerializationError
from .message_prototypes import KINDS

_LEAVES = KINDS | {type(None), bool, int, float, complex, str, bytes}


def snapshot(value: Any) -> Any:
    """The value with containers of its own.

    Containers that occur twice, or hold themselves, do so in the copy.

    Raises:
        SerializationError: They are nested too deeply.
    """
    try:
        return _Copier().copy(value)
    except RecursionError as error:
        raise SerializationError(
            "a value holds containers within containers, too deep to copy: store flatter data"
        ) from error


class _Copier:
    def __init__(self) -> None:
        # By id. The original is held, else a later object could have the id of one that is gone.
        self._made: dict[int, tuple[Any, Any]] = {}

    def copy(self, value: Any) -> Any:
        if type(value) in _LEAVES:
            return value
        made = self._made.get(id(value))
        if made is not None:
            return made[1]
        try:
            return self._container(value)
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - a class of the user's that does not copy as it is
            return self._note(value, value)

    def _note(self, value: Any, made: Any) -> Any:
        self._made[id(value)] = value, made
        return made

    def _container(self, value: Any) -> Any:
        match value:
            case list():
                made = self._note(value, copy.copy(value))
                if not _LEAVES.issuperset(map(type, made)):
                    made[:] = [self.copy(one) for one in made]
            case dict():
                made = self._note(value, copy.copy(value))
                if not _LEAVES.issuperset(map(type, made.values())):
                    made.update({name: self.copy(one) for name, one in made.items()})
            case tuple():
                made = self._note(value, self._tuple(value))
            case deque():
                made = self._note(value, copy.copy(value))
                made.extend([self.copy(made.popleft()) for _ in range(len(made))])
            case set() | bytearray():
                made = self._note(value, copy.copy(value))
            case SendProtocol():
                made = self._with_fields(value, ["arg"])
            case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
                made = self._with_fields(value, [one.name for one in dataclasses.fields(value)])
            case _:
                made = value
        return made

    def _tuple(self, value: tuple[Any, ...]) -> Any:
        copied = [self.copy(one) for one in value]
        if all(one is other for one, other in zip(copied, value, strict=True)):
            return value
        if type(value) is tuple:
            return tuple(copied)
        make: Any = getattr(value, "_make", None)  # of a NamedTuple
        return make(copied)

    def _with_fields(self, value: Any, names: list[str]) -> Any:
        """An object that is serialized by its attributes: with containers of its own in these."""
        found = {name: getattr(value, name) for name in names}
        made = self._note(value, copy.copy(value))
        for name, one in found.items():
            object.__setattr__(made, name, self.copy(one))
        return made
