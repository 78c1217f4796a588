"""Snapshots of the caller's values: copies of their containers.

A graph continues while its checkpoint is being put, and may append to a list that is just being
serialized. The stored value would then be neither the old nor the new one. So `put` and
`put_writes` copy all lists, dicts and other containers before they send anything or start a
thread. Other objects, such as messages and models, are not copied: a serializer reads the state of
such an object in one step.
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
    """Copy the containers of a value.

    A container that occurs twice, or contains itself, does so in the copy too.

    Raises:
        SerializationError: The containers are nested too deeply.
    """
    try:
        return _Copier().copy(value)
    except RecursionError as error:
        raise SerializationError(
            "a value has containers nested too deep to copy: store flatter data"
        ) from error


class _Copier:
    def __init__(self) -> None:
        # By id of the original. The original is kept here too: if it were garbage-collected, a
        # new object could get its id.
        self._copies: dict[int, tuple[Any, Any]] = {}

    def copy(self, value: Any) -> Any:
        if type(value) in _LEAVES:
            return value
        made = self._copies.get(id(value))
        if made is not None:
            return made[1]
        try:
            return self._container(value)
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - a user's class that cannot be copied is used as it is
            return self._remember(value, value)

    def _remember(self, value: Any, made: Any) -> Any:
        self._copies[id(value)] = value, made
        return made

    def _container(self, value: Any) -> Any:
        match value:
            case list():
                made = self._remember(value, copy.copy(value))
                if not _LEAVES.issuperset(map(type, made)):
                    made[:] = [self.copy(one) for one in made]
            case dict():
                made = self._remember(value, copy.copy(value))
                if not _LEAVES.issuperset(map(type, made.values())):
                    made.update({name: self.copy(one) for name, one in made.items()})
            case tuple():
                made = self._remember(value, self._tuple(value))
            case deque():
                made = self._remember(value, copy.copy(value))
                made.extend([self.copy(made.popleft()) for _ in range(len(made))])
            case set() | bytearray():
                made = self._remember(value, copy.copy(value))
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
        """Copy an object that is serialized by its attributes, and the containers in these."""
        found = {name: getattr(value, name) for name in names}
        made = self._remember(value, copy.copy(value))
        for name, one in found.items():
            object.__setattr__(made, name, self.copy(one))
        return made
