"""Run one test case on the sync and on the async methods of an object.

LangGraph names them alike on savers and graphs: `put` and `aput`, `invoke` and
`ainvoke`.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any


class Either:
    """`await either.put(...)` calls `put` or `aput` of its target.

    What an iterator yields comes as a list; `target` is the object itself, and `use_async`
    tells which methods are called.
    """

    def __init__(self, target: Any, *, use_async: bool) -> None:
        self.target = target
        self.use_async = use_async
        self._prefix = "a" if use_async else ""

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self.target, self._prefix + name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            if isinstance(result, AsyncIterator):
                return [element async for element in result]
            if inspect.isawaitable(result):
                return await result
            return list(result) if isinstance(result, Iterator) else result

        return call
