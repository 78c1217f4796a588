"""Compression of bodies and chunks: zstd with the dictionary that belongs to the format."""

from __future__ import annotations

from collections import deque
from importlib.resources import files

import zstandard

from ..errors import DISTRIBUTION, CorruptCheckpointError, UnsupportedFormatError

_RAW = b"\x00"
_ZSTD_DICTIONARY_1 = b"\x01"
_LEVEL = 6


_DICTIONARY = zstandard.ZstdCompressionDict(
    # Read on import, because reading a file later could block an event loop.
    files(__package__).joinpath("dictionary-1.zstd").read_bytes()
)
_DICTIONARY.precompute_compress(level=_LEVEL)


class _Contexts:
    """zstd contexts; two threads must not use them at the same time."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL, dict_data=_DICTIONARY)
        self.decompressor = zstandard.ZstdDecompressor(dict_data=_DICTIONARY)


_idle: deque[_Contexts] = deque()
"""Contexts that any thread may reuse. LangGraph creates new threads for each run, and the first
use of a context takes several times as long as later ones."""


def _take() -> _Contexts:
    """Contexts to use. The caller appends them to `_idle` afterwards, except on an error."""
    try:
        return _idle.pop()
    except IndexError:
        return _Contexts()


def compress(data: bytes) -> bytes:
    """Compress, or keep the bytes as they are if that is no larger, as with ciphertext."""
    contexts = _take()
    packed = contexts.compressor.compress(data)
    _idle.append(contexts)
    return _ZSTD_DICTIONARY_1 + packed if len(packed) < len(data) else _RAW + data


def decompress(data: bytes, limit: int) -> bytes:
    """Undo `compress`.

    Raises:
        UnsupportedFormatError: The compression scheme is unknown.
        CorruptCheckpointError: The frame is broken, or holds over `limit` bytes.
    """
    scheme, frame = data[:1], data[1:]
    if scheme == _RAW:
        plain = frame
    elif scheme == _ZSTD_DICTIONARY_1:
        try:
            # Check the size that the frame claims first: zstandard allocates that many bytes, up
            # to 4 GB for a skippable frame.
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
            f"bytes of compression scheme {scheme[0]}, which this release does not know: a later "
            f"release wrote them, so upgrade {DISTRIBUTION}; or they are damaged"
        )
    if len(plain) > limit:
        raise CorruptCheckpointError(f"compressed bytes hold over {limit} bytes")
    return plain
