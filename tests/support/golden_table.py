"""The table that golden items are written to and read from: in memory, at a fixed time."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from fake_table import TABLE, FakeTable
from langgraph_checkpoint_dynamodb import DynamoDBConfig, DynamoDBSaver, DynamoDBTableConfig

NOW = 1_800_000_000
TTL = 86_400
_LONG = 80
_SHOWN = 4
KEY = b"golden key of 16"


class _Saver(DynamoDBSaver):
    table: FakeTable

    def _run(self, operation: Any, counters: Any = None) -> Any:
        return self.table.run(operation)


class GoldenTable(FakeTable):
    """A table whose savers take their time from `now`."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW

    def saver(
        self,
        ttl_seconds: int | None = None,
        serde: Any = None,
        read_through: Any = None,
        **config: Any,
    ) -> _Saver:
        table = DynamoDBTableConfig(
            table_name=TABLE,
            enable_ttl=True,
            ttl_seconds=ttl_seconds,
            enable_thread_index=False,  # what is compared is checkpoints, writes and chunks
        )
        config_of_table = DynamoDBConfig(table_config=table, **config)
        made = _Saver(config_of_table, serde=serde, read_through=read_through)
        made.table = self
        made.clock = lambda: self.now
        return made

    def items_in_order(self) -> list[dict[str, Any]]:
        return [self.items[key] for key in sorted(self.items)]

    def load(self, stored: list[dict[str, dict[str, str]]]) -> None:
        """Take items as the golden file holds them."""
        for texts in stored:
            item = {name: _value(*one) for name, value in texts.items() for one in value.items()}
            self.items[item["PK"]["S"], item["SK"]["S"]] = item


def _value(kind: str, text: str) -> dict[str, Any]:
    return {kind: base64.b64decode(text) if kind == "B" else text}


def summary(table: GoldenTable) -> dict[str, list[Any]]:
    """All that a saver reads of the table, as JSON: by thread, newest few first."""
    encrypted = EncryptedSerializer.from_pycryptodome_aes(key=KEY)
    found: dict[str, list[Any]] = {}
    for thread_id in sorted({thread_id for thread_id, _ in table.items}):
        saver = table.saver(serde=encrypted if thread_id == "encrypted" else None)
        config = {"configurable": {"thread_id": thread_id}}
        found[thread_id] = [_plain(one._asdict()) for one in saver.list(config, limit=_SHOWN)]
        report = saver.verify(thread_id)
        assert report.ok, report
    return found


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one for each type
    """Without what another release of LangChain may add to a message; bytes by their hash."""
    match value:
        case BaseMessage():
            return [value.type, value.id, _plain(value.content)]
        case _DeltaSnapshot():
            return ["snapshot", _plain(value.value)]
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case str() if len(value) > _LONG:
            return f"{len(value)} characters {hashlib.sha256(value.encode()).hexdigest()}"
        case bytes():
            return f"{len(value)} bytes {hashlib.sha256(value).hexdigest()}"
        case _:
            return value
