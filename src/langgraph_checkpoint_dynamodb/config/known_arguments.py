"""Constructors that answer a misspelt, misplaced, nameless or missing argument with the right one.

Python's own `TypeError` names the argument only. Most slips are an argument of another of the
classes that configure a saver (`table_name` given to `DynamoDBConfig`), or a letter.
"""

from __future__ import annotations

import inspect
import re
from difflib import get_close_matches
from functools import wraps
from typing import Any, TypeVar

from ..errors import ConfigurationError

Class = TypeVar("Class", bound=type[Any])

_PATHS = {
    "DynamoDBSaver": "DynamoDBSaver({})",
    "DynamoDBConfig": "DynamoDBConfig({})",
    "SourceTable": "SourceTable({})",
    "DynamoDBTableConfig": "DynamoDBConfig(table_config=DynamoDBTableConfig({}))",
}
"""Where each class's arguments are written."""

_ARGUMENTS: dict[str, list[str]] = {}
"""The arguments of the classes, by name."""

_UNIT = re.compile(r"_(sec|seconds|minutes|hours|days|kb|mb|bytes)$")
"""A unit of time or size at the end of a name."""


def known_arguments(cls: Class) -> Class:
    """Make a class raise `ConfigurationError` for arguments that its constructor does not take.

    The signature of the constructor is kept for tools that show it.
    """
    init: Any = cls.__init__
    parameters = list(inspect.signature(init).parameters.values())[1:]
    _ARGUMENTS[cls.__name__] = names = [one.name for one in parameters]
    places = sum(one.kind is one.POSITIONAL_OR_KEYWORD for one in parameters)
    required = [one.name for one in parameters if one.default is one.empty]

    @wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        for name in kwargs:
            if name not in names:
                raise ConfigurationError(_advice(cls.__name__, name))
        path = _PATHS[cls.__name__]
        if len(args) > places:
            raise ConfigurationError(
                f"{cls.__name__} has a {type(args[places]).__name__} without a name: pass "
                f"{path.format(f'{names[places]}=…')}, or another of {', '.join(names[places:])}"
            )
        missing = [f"{name}=…" for name in required if name not in kwargs]
        if missing:
            raise ConfigurationError(
                f"{cls.__name__} lacks an argument: pass {path.format(', '.join(missing))}"
            )
        init(self, *args, **kwargs)

    cls.__init__ = checked
    return cls


def _advice(owner: str, name: str) -> str:
    unknown = f"{owner} has no argument {name!r}"
    for other, arguments in _ARGUMENTS.items():
        if other != owner and name in arguments:
            return f"{unknown}: {other} has it; pass {_PATHS[other].format(f'{name}=…')}"
    own = _ARGUMENTS[owner]
    for other, arguments in ((owner, own), *_ARGUMENTS.items()):
        meant = _alike(name, arguments)
        if meant:
            shown = " or ".join(map(repr, meant))
            where = "" if other == owner else f", in {_PATHS[other].format(f'{meant[0]}=…')}"
            return f"{unknown}: did you mean {shown}{where}?"
    return f"{unknown}: its arguments are {', '.join(own)}"


def _alike(name: str, arguments: list[str]) -> list[str]:
    """The argument that differs in some letters, or those with all words, or in another unit."""
    words, bare = set(name.split("_")), _UNIT.sub("", name)
    return (
        get_close_matches(name, arguments, n=1, cutoff=0.8)
        or [argument for argument in arguments if words <= set(argument.split("_"))]
        or [argument for argument in arguments if _UNIT.sub("", argument) == bare]
    )
