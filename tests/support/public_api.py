"""The public names and signatures, as text; run it to write `tests/project/public_api.txt`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import langgraph_checkpoint_dynamodb as package

PAGE = Path(__file__).parents[1] / "project" / "public_api.txt"
_CONSTRUCTED = (package.DynamoDBConfig, package.DynamoDBTableConfig, package.DynamoDBSaver)
_SIMPLE = (type(None), bool, int, float, str)


def public_api() -> str:
    lines = [line for name in sorted(package.__all__) for line in _lines(name)]
    return "\n".join([*lines, ""])


def _lines(name: str) -> Iterator[str]:
    thing = getattr(package, name)
    bases = ", ".join(_bases(thing))
    yield f"class {name}({bases})" if bases else f"class {name}"
    if issubclass(thing, Enum):
        yield from (f"    {member.name} = {member.value!r}" for member in thing)
    elif thing in _CONSTRUCTED:
        yield from _signature("__init__", inspect.signature(thing))
    if thing is package.DynamoDBSaver:
        yield from _methods(thing)


def _bases(kind: type) -> Iterator[str]:
    """What a class derives from; of one that is not public, what that derives from."""
    for base in kind.__bases__:
        private = base.__module__.partition(".")[0] == package.__name__
        if private and base.__name__ not in package.__all__:
            yield from _bases(base)
        elif base is not object:
            yield base.__name__


def _methods(kind: type) -> Iterator[str]:
    """Those that the package defines; what LangGraph's base class adds is LangGraph's."""
    for name in sorted(dir(kind)):
        method = inspect.getattr_static(kind, name)
        function = getattr(method, "__func__", method)
        module = getattr(function, "__module__", None) or ""
        if name.startswith("_") or module.partition(".")[0] != package.__name__:
            continue
        before = "async " if inspect.iscoroutinefunction(function) else ""
        after = " (class method)" if isinstance(method, classmethod) else ""
        yield from _signature(f"{before}{name}{after}", inspect.signature(function), skip=1)


def _signature(title: str, signature: inspect.Signature, skip: int = 0) -> Iterator[str]:
    returns = "" if title == "__init__" else f" -> {signature.return_annotation}"
    yield f"    {title}{returns}"
    for parameter in [*signature.parameters.values()][skip:]:
        yield f"        {_parameter(parameter)}"


def _parameter(parameter: inspect.Parameter) -> str:
    mark = {
        inspect.Parameter.KEYWORD_ONLY: "keyword ",
        inspect.Parameter.VAR_KEYWORD: "**",
        inspect.Parameter.VAR_POSITIONAL: "*",
        inspect.Parameter.POSITIONAL_ONLY: "positional ",
    }.get(parameter.kind, "")
    default = "" if parameter.default is parameter.empty else f" = {_default(parameter.default)}"
    return f"{mark}{parameter.name}: {parameter.annotation}{default}"


def _default(value: Any) -> str:
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    return repr(value) if isinstance(value, _SIMPLE) else "..."


if __name__ == "__main__":
    PAGE.write_text(public_api())
