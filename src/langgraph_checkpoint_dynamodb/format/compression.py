"""Compressed bytes, of bodies and chunks alike: zstd with a dictionary of this format."""

from __future__ import annotations

from collections import deque
from importlib.resources import files

import zstandard

from ..errors import DISTRIBUTION, CorruptCheckpointError, UnsupportedFormatError

_RAW = b"\x00"
_ZSTD_DICTIONARY_1 = b"\x01"
_LEVEL = 6


_DICTIONARY = zstandard.ZstdCompressionDict(
    files(__package__).joinpath("dictionary-1.zstd").read_bytes()  # now: an event loop may not
)
_DICTIONARY.precompute_compress(level=_LEVEL)


class _Contexts:
    """zstd contexts, which two threads must not use at once."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL, dict_data=_DICTIONARY)
        self.decompressor = zstandard.ZstdDecompressor(dict_data=_DICTIONARY)


_idle: deque[_Contexts] = deque()
"""Used again by any thread: LangGraph makes new threads for each run, and a context's first
use takes several times as long."""


def _take() -> _Contexts:
    """Contexts to use; whoever is done appends them to the idle ones, and drops what failed."""
    try:
        return _idle.pop()
    except IndexError:
        return _Contexts()


def compress(data: bytes) -> bytes:
    """Compress, unless that makes it larger (ciphertext does not compress)."""
    contexts = _take()
    packed = contexts.compressor.compress(data)
    _idle.append(contexts)
    return _ZSTD_DICTIONARY_1 + packed if len(packed) < len(data) else _RAW + data


def decompress(data: bytes, limit: int) -> bytes:
    """Undo `compress`.

    Raises:
        CorruptCheckpointError: Unknown format, broken frame, or over `limit` bytes.
    """
    scheme, frame = data[:1], data[1:]
    if scheme == _RAW:
        plain = frame
    elif scheme == _ZSTD_DICTIONARY_1:
        try:
            # The frame's own claim of its size is checked first: zstandard allocates it, up to
            # 4 GB for a frame that is to be skipped.
            if not frame.startswith(zstandard.FRAME_HEADER):
                raise CorruptCheckpointError("compressed bytes that are no zstd frame")
            if zstandard.frame_content_size(frame) > limit:
                raise CorruptCheckpointError(f"compressed bytes claim to be over {limit} bytes")
            contexts = _take()
            plain = contexts.decompressor.decompress(
                frame, max_output_size=limit, allow_extra_data=False
            )
            _idle.append(contexts)
        except zstandard.ZstdError as error:
            raise CorruptCheckpointError(f"a broken zstd frame: {error}") from error
    elif not scheme:
        raise CorruptCheckpointError("no bytes at all")
    else:
        raise UnsupportedFormatError(
            f"bytes compressed by scheme {scheme[0]}, which this release does not know: they were "
            f"written by a later one, so upgrade {DISTRIBUTION}; or they are damaged"
        )
    if len(plain) > limit:
        raise CorruptCheckpointError(f"compressed bytes hold over {limit} bytes")
    return plain
