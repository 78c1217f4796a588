"""Calls the user's serializer, with errors that name the value, and refuses forged plaintext.

An `EncryptedSerializer` also reads unencrypted values: it passes a type without a `+` to its inner
serializer. A user who can write to the table could therefore forge plaintext values. So a saver
whose serializer encrypts refuses plaintext before it calls the serializer.
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
"""The type that LangGraph's serializer gives its bytes."""


def is_langgraphs(serde: SerializerProtocol) -> bool:
    """Whether a serde is LangGraph's own, whose format of lists is known."""
    return type(serde) is JsonPlusSerializer and not getattr(serde, "_custom_unpack_ext_hook", True)


def is_encrypted(kind: str) -> bool:
    """Whether a type is one of an encrypting serializer, such as `msgpack+aes`.

    LangGraph's `EncryptedSerializer.dumps_typed` appends `+` and the name of the cipher.
    """
    return "+" in kind


class Inspection:
    """Finds out about the serializer in use, once for each serializer."""

    def __init__(self) -> None:
        self._known: tuple[Any, SerializerProtocol, bool] | None = None

    def of(self, serde: Any) -> tuple[SerializerProtocol, bool]:
        """The serializer with typed methods, and whether it encrypts.

        A serializer encrypts if it is LangGraph's `EncryptedSerializer`, or if its types have
        the same mark. This includes a wrapper around it and an implementation of the user's. A
        serializer that encrypts but does not mark its types must refuse plaintext itself.
        """
        known = self._known
        if known is None or known[0] is not serde:
            encrypts = isinstance(serde, EncryptedSerializer) or _marks_types(serde)
            self._known = known = (serde, maybe_add_typed_methods(serde), encrypts)
        return known[1:]


def _marks_types(serde: Any) -> bool:
    try:
        kind, _ = maybe_add_typed_methods(serde).dumps_typed(None)
    except Exception:  # noqa: BLE001 - a serializer that can only read
        return False
    return is_encrypted(kind)


def serialize(serde: SerializerProtocol, value: Any, what: str) -> Typed:
    """Call `serde.dumps_typed`.

    Raises:
        SerializationError: It failed; `what` names the value.
    """
    try:
        kind, data = serde.dumps_typed(value)
    except Exception as error:
        raise SerializationError(
            f"{what} holds a {type(value).__name__} that {type(serde).__name__} cannot serialize: "
            f"{error}; store plain data, or pass a serde that knows the type"
        ) from error
    if not isinstance(kind, str) or not isinstance(data, bytes | bytearray | memoryview):
        raise SerializationError(
            f"{what}: {type(serde).__name__} serialized a {type(value).__name__} to "
            f"({type(kind).__name__}, {type(data).__name__}): correct it to return (str, bytes)"
        )
    return kind, bytes(data)


def deserialize(context: Context, value: Typed, where: str, what: str) -> Any:
    """Call `serde.loads_typed`.

    Raises:
        DeserializationError: It failed, or the value is plaintext and the serde encrypts;
            `where` and `what` name the value.
    """
    kind, serde = value[0], context.serde
    if context.encrypts and not context.allow_plaintext and not is_encrypted(kind):
        raise DeserializationError(
            f"{where}: {what} is not encrypted (stored as {kind!r}), but this saver's serializer "
            "encrypts: it was forged, or stored before encryption was switched on. While "
            "such a table migrates to encryption, set DynamoDBConfig(allow_plaintext=True)"
        )
    try:
        return serde.loads_typed(value)
    except MemoryError:
        raise
    except Exception as error:
        raise DeserializationError(
            f"{where}: {what} was stored as {kind!r}, which this saver's {type(serde).__name__} "
            f"cannot read ({type(error).__name__}: {error}): it was written with another "
            "serializer or encryption key, or its bytes are damaged"
        ) from error
