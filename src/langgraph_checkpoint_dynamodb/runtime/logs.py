"""The package's logger, and warnings that a busy process cannot flood its log with."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock

from .fork import reset_after_fork

LOG = logging.getLogger("langgraph_checkpoint_dynamodb")
"""Never logged: values of a thread and credentials at any level; thread ids above DEBUG."""

SECONDS_BETWEEN = 1.0
"""Of each kind, at most one warning is logged in this time."""


class RateLimitedWarnings:
    """Warnings, at most one a second of each kind, with the number of those left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[str, tuple[float, int]] = {}
        self._lock = Lock()
        reset_after_fork(self)

    def log(self, kind: str, text: Callable[[], str]) -> None:
        """Log a warning unless one of its kind was logged less than a second ago.

        `text` is called only for a warning that is logged.
        """
        if not LOG.isEnabledFor(logging.WARNING):
            return
        now = self._clock()
        with self._lock:
            logged_at, left_out = self._kinds.get(kind, (-SECONDS_BETWEEN, 0))
            if kind in self._kinds and now - logged_at < SECONDS_BETWEEN:
                self._kinds[kind] = (logged_at, left_out + 1)
                return
            self._kinds[kind] = (now, 0)
        more = f" ({left_out} more since the last such warning)" if left_out else ""
        LOG.warning("%s%s", text(), more)

    def after_fork(self) -> None:
        """Start with a free lock: another thread may have held it."""
        self._lock = Lock()
