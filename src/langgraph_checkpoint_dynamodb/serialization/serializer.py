"""The user's serializer: what it cannot write, what it does not read, and what it must not.

An `EncryptedSerializer` reads what is not encrypted too: a type without a `+` goes straight to
its inner serializer. Whoever can write the table could then plant plaintext, so a saver
whose serializer encrypts refuses it before the serializer sees it.
"""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol, maybe_add_typed_methods
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from ..errors import DeserializationError, SerializationError
from ..format.body import Typed
from ..runtime.context import Context

MSGPACK = "msgpack"
"""What LangGraph's serializer calls its bytes."""


def is_langgraphs(serde: SerializerProtocol) -> bool:
    """Whether a serde is LangGraph's own: another may write or read lists in its own way."""
    return type(serde) is JsonPlusSerializer and not getattr(serde, "_custom_unpack_ext_hook", True)


def is_encrypted(kind: str) -> bool:
    """Whether a type is one that an encrypting serializer writes: `msgpack+aes`, say.

    The mark is LangGraph's: `EncryptedSerializer.dumps_typed` adds `+` and the cipher's name.
    """
    return "+" in kind


class Inspection:
    """What is known of the serializer in use, each of which is asked only once."""

    def __init__(self) -> None:
        self._known: tuple[Any, SerializerProtocol, bool] | None = None

    def of(self, serde: Any) -> tuple[SerializerProtocol, bool]:
        """The serializer with typed methods, and whether it encrypts.

        It does if it is LangGraph's, or marks what it writes as that one does. So a wrapper
        around an `EncryptedSerializer`, and one that was written anew, count too. One that
        encrypts and does not say so in its types has to refuse plaintext itself.
        """
        known = self._known
        if known is None or known[0] is not serde:
            encrypts = isinstance(serde, EncryptedSerializer) or _marks_what_it_writes(serde)
            self._known = known = (serde, maybe_add_typed_methods(serde), encrypts)
        return known[1:]


def _marks_what_it_writes(serde: Any) -> bool:
    try:
        kind, _ = maybe_add_typed_methods(serde).dumps_typed(None)
    except Exception:  # noqa: BLE001 - one that only reads
        return False
    return is_encrypted(kind)


def serialize(serde: SerializerProtocol, value: Any, what: str) -> Typed:
    """`serde.dumps_typed`, with an error that names what could not be written."""
    try:
        kind, data = serde.dumps_typed(value)
    except Exception as error:
        raise SerializationError(
            f"{what} holds a {type(value).__name__} that {type(serde).__name__} cannot serialize: "
            f"{error}; store plain data, or pass a serde that knows the type"
        ) from error
    return kind, bytes(data)


def deserialize(context: Context, value: Typed, where: str, what: str) -> Any:
    """`serde.loads_typed`, with an error that names what could not be read."""
    kind, serde = value[0], context.serde
    if context.encrypts and not context.allow_plaintext and not is_encrypted(kind):
        raise DeserializationError(
            f"{where}: {what} is not encrypted (stored as {kind!r}), but this saver's serializer "
            "encrypts: it was planted, or stored before encryption was switched on. While "
            "such a table moves to encryption, set DynamoDBConfig(allow_plaintext=True)"
        )
    try:
        return serde.loads_typed(value)
    except MemoryError:
        raise
    except Exception as error:
        raise DeserializationError(
            f"{where}: {what} was stored as {kind!r}, which this saver's {type(serde).__name__} "
            f"does not read ({type(error).__name__}: {error}): it was written with another "
            "serializer or encryption key, or its bytes are damaged"
        ) from error
