"""The least that a workload can cost: the floor that a saver is measured against.

A write unit for every call that has to be durable, plus the new information, compressed, in
KB; a read unit for every resume. No saver gets there: it has metadata, versions and keys to
store, a unit is not divisible, and what is compressed call by call has less context than
the whole run in one stream.
"""

from collections.abc import Iterable

LEVEL = 3
UNIT = 1024


def compressed(news: Iterable[str | bytes]) -> int:
    """Bytes of all new information of a run as one zstd stream."""
    import zstandard

    stream = zstandard.ZstdCompressor(LEVEL).compressobj()
    size = 0
    for new in news:
        size += len(stream.compress(new.encode() if isinstance(new, str) else new))
    return size + len(stream.flush())


def write_units(durable_calls: int, compressed_bytes: float) -> float:
    return durable_calls + compressed_bytes / UNIT
