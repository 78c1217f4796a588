"""A least-recently-used cache bounded in bytes, safe to share between threads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from threading import Lock
from typing import Any

from .fork import reset_after_fork


class Cache:
    """Keeps the most recently used entries, up to `limit` bytes.

    Args:
        limit: Upper bound of the sum of the sizes passed to `put`, in bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()
        reset_after_fork(self)

    def get(self, key: Hashable) -> Any:
        """The value, or `None`."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def get_all(self, keys: Iterable[Hashable]) -> list[Any]:
        """The value of each key, or `None`."""
        with self._lock:
            entries = [(key, self._entries.get(key)) for key in keys]
            for key, entry in entries:
                if entry is not None:
                    self._entries.move_to_end(key)
        return [None if entry is None else entry[0] for _, entry in entries]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Store `value` of `size` bytes; evict the least recently used entries over the limit."""
        with self._lock:
            self._put(key, value, size)

    def merge(
        self, key: Hashable, change: Callable[[Any], Any], size_of: Callable[[Any], int]
    ) -> None:
        """Store `change(value)`, or `change(None)` if there is no entry."""
        with self._lock:
            old = self._entries.get(key)
            value = change(old[0] if old else None)
            self._put(key, value, size_of(value))

    def forget(self, key: Hashable) -> None:
        """Remove an entry, if it exists."""
        with self._lock:
            self._drop(key)

    def drop(self, is_removed: Callable[[Any], bool]) -> None:
        """Remove the entries whose key `is_removed` accepts."""
        with self._lock:
            for key in [key for key in self._entries if is_removed(key)]:
                self._drop(key)

    def clear(self) -> None:
        """Remove all entries."""
        with self._lock:
            self._entries.clear()
            self._used = 0

    def after_fork(self) -> None:
        """Keep the entries, unless another thread of the parent was changing them."""
        interrupted = self._lock.locked()
        self._lock = Lock()
        if interrupted:
            self.clear()

    def _put(self, key: Hashable, value: Any, size: int) -> None:
        self._drop(key)
        if size > self.limit:
            return
        self._entries[key] = (value, size)
        self._used += size
        while self._used > self.limit:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._used -= entry[1]
