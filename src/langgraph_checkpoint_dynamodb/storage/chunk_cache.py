"""The bytes of chunks that were sent or read, as this process keeps them."""

from __future__ import annotations

from ..runtime.context import Context

_CHUNK_OVERHEAD = 250  # bytes of Python objects around a cached chunk


def chunk_key(thread_id: str, digest: bytes) -> tuple[str, str, bytes]:
    """The cache key of a chunk's bytes."""
    return ("chunk", thread_id, digest)


def remember_chunk(context: Context, thread_id: str, digest: bytes, data: bytes) -> None:
    """Keep the bytes of a chunk that was sent, or read."""
    context.cache.put(chunk_key(thread_id, digest), data, len(data) + _CHUNK_OVERHEAD)
