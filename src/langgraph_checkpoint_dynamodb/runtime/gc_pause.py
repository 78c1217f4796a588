"""Python's cyclic garbage collector, held off while many objects are made at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Let no collection start in this block, if the program has not disabled them itself.

    The collector counts new containers. The 14,000 of a chat of 2,000 messages start it twenty
    times, now and then over all objects of the process, and find nothing: 7 ms instead of a mean
    of 22 ms (`benchmarks/`, turn 1,000). One collection follows the block.

    Threads may enter at once: only one that found the collector enabled disables it, and each that
    disables it enables it.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
