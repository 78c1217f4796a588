"""What commands read: values as data."""

from __future__ import annotations

import os
from typing import Any

from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from ..errors import ConfigurationError
from ..serialization.plain_data import DataSerializer, UnchangedSerializer

KEY = "LANGGRAPH_AES_KEY"
"""The variable that LangGraph's `EncryptedSerializer` reads, too."""


def reading_serde() -> Any:
    """The serializer of all commands but `migrate`: values are read as data.

    Raises:
        ConfigurationError: The key in `LANGGRAPH_AES_KEY` cannot be used.
    """
    return _with_key(DataSerializer())


def copying_serde() -> Any:
    """The serializer of `migrate`: values are stored as they were read.

    Raises:
        ConfigurationError: The key in `LANGGRAPH_AES_KEY` cannot be used.
    """
    return _with_key(UnchangedSerializer())


def _with_key(serde: Any) -> Any:
    """The serializer, which encrypts if there is a key."""
    if KEY not in os.environ:
        return serde
    try:
        return EncryptedSerializer.from_pycryptodome_aes(serde)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"{KEY} is set, but cannot be used ({error}): install pycryptodome, and use a key of "
            "16, 24 or 32 bytes"
        ) from None
