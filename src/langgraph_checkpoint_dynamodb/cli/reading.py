"""What commands read: values as data."""

from __future__ import annotations

import os
from typing import Any

from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from ..errors import ConfigurationError
from ..serialization.plain_data import DataSerializer

KEY = "LANGGRAPH_AES_KEY"
"""The variable that LangGraph's `EncryptedSerializer` reads, too."""


def reading_serde() -> Any:
    """The serializer of all commands; it decrypts with the key in `LANGGRAPH_AES_KEY`.

    Raises:
        ConfigurationError: The key cannot be used.
    """
    data: Any = DataSerializer()
    if KEY not in os.environ:
        return data
    try:
        return EncryptedSerializer.from_pycryptodome_aes(data)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"{KEY} is set, but cannot be used ({error}): install pycryptodome, and use a key of "
            "16, 24 or 32 bytes"
        ) from None
