"""The classes of errors."""

from __future__ import annotations

from langgraph_checkpoint_dynamodb import (
    CallerError,
    ConfigurationError,
    InvalidInputError,
    SerializationError,
)


def test_one_except_clause_catches_them_all() -> None:
    for kind in (ConfigurationError, InvalidInputError, SerializationError):
        assert issubclass(kind, CallerError)
    for kind in (ConfigurationError, InvalidInputError):
        assert issubclass(kind, ValueError)
