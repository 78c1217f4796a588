"""`destroy`: the calls it makes, by scripted replies."""

from __future__ import annotations

from typing import Any

import pytest

from deploying import (
    DELETE,
    DESCRIBE,
    MISSING,
    NAME,
    drain,
    play,
    refused,
    table,
)
from langgraph_checkpoint_dynamodb.deploy import (
    destroy,
)
from langgraph_checkpoint_dynamodb.errors import (
    RequestRejectedError,
    UnavailableError,
)
from langgraph_checkpoint_dynamodb.operation import Backoff


def deleted(table_id: str = "id-1") -> list[dict[str, Any]]:
    return [{"TableDescription": {"TableStatus": "DELETING", "TableId": table_id}}]


def test_destroy_waits_until_the_table_is_gone() -> None:
    play(
        destroy(NAME),
        (DELETE, deleted()),
        (DESCRIBE, table("DELETING", TableId="id-1")),
        (Backoff(0), None),
        (DESCRIBE, MISSING),
    )


def test_destroying_a_missing_table_is_fine() -> None:
    play(destroy(NAME), (DELETE, MISSING))


def test_destroy_waits_for_a_change_to_end() -> None:
    play(
        destroy(NAME),
        (DELETE, refused("ResourceInUseException")),
        (Backoff(0), None),
        (DELETE, deleted()),
        (DESCRIBE, MISSING),
    )


def test_destroy_spares_a_table_that_takes_the_name_in_the_meantime() -> None:
    play(destroy(NAME), (DELETE, deleted()), (DESCRIBE, table("CREATING", TableId="id-2")))


def test_a_protected_table_is_an_error() -> None:
    with pytest.raises(RequestRejectedError, match="ValidationException"):
        play(destroy(NAME), (DELETE, refused("ValidationException")))


def test_a_table_that_never_goes_is_an_error() -> None:
    answers = {"delete_table": deleted(), "describe_table": table("DELETING", TableId="id-1")}
    with pytest.raises(UnavailableError, match="'chats' is still DELETING after it was deleted"):
        drain(destroy(NAME), lambda method: answers[method])


def test_a_table_that_stays_in_use_is_an_error() -> None:
    with pytest.raises(UnavailableError, match="'chats' is in use by another change after 120"):
        drain(destroy(NAME), lambda method: refused("ResourceInUseException"))
