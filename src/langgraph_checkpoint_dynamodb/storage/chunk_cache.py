"""What this process knows of chunks: their bytes, and which ones a failed call has stored."""

from __future__ import annotations

from collections.abc import Set

from ..runtime.context import Context
from ..runtime.single_flight import MAX_AGE, ChunkScope

_CHUNK_OVERHEAD = 250  # bytes of Python objects around a cached chunk


def chunk_key(thread_id: str, digest: bytes) -> tuple[str, str, bytes]:
    """The cache key of a chunk's bytes."""
    return ("chunk", thread_id, digest)


def remember_chunk(context: Context, thread_id: str, digest: bytes, data: bytes) -> None:
    """Cache the bytes of a chunk that was written or read."""
    context.cache.put(chunk_key(thread_id, digest), data, len(data) + _CHUNK_OVERHEAD)


def note_stored(context: Context, scope: ChunkScope, digests: Set[bytes]) -> None:
    """Remember which chunks a failed call has stored: when it is repeated, it continues there."""
    before = stored(context, scope)
    since = context.cache.get(_stored_key(scope))[0] if before else context.now
    found = before | digests
    context.cache.put(_stored_key(scope), (since, found), 200 + 120 * len(found))


def stored(context: Context, scope: ChunkScope) -> frozenset[bytes]:
    """The chunks that failed calls of the last ten minutes have stored in this scope."""
    since, digests = context.cache.get(_stored_key(scope)) or (0.0, frozenset())
    found: frozenset[bytes] = digests if 0 <= context.now - since <= MAX_AGE else frozenset()
    return found


def _stored_key(scope: ChunkScope) -> tuple[str, str, int]:
    return ("stored", *scope)
