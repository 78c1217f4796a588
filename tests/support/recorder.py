"""A driver that keeps what operations call, and can break off at a call."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import boto3

from clients import sync_session
from langgraph_checkpoint_dynamodb import DynamoDBConfig
from langgraph_checkpoint_dynamodb.drivers.sync import SyncDriver
from langgraph_checkpoint_dynamodb.runtime.counters import Counters
from langgraph_checkpoint_dynamodb.runtime.effects import Call, Operation

_WHAT_LOOKS = ("describe_", "list_", "scan")


@functools.cache
def _session() -> boto3.Session:
    """One for all: each would read the models of the services anew."""
    return sync_session()


class Recorder(SyncDriver):
    """Runs operations on an engine, moto in the process if no endpoint is given.

    Args:
        before: Called before each call is sent, and may raise.
    """

    def __init__(
        self, endpoint_url: str | None = None, before: Callable[[Call], None] = lambda call: None
    ) -> None:
        super().__init__(
            DynamoDBConfig(
                session=_session(),
                endpoint_url=endpoint_url,
                initial_retry_delay=0.01,
                max_retry_delay=0.05,
            )
        )
        self.calls: list[Call] = []
        self.before = before
        self._created: dict[str, dict[str, Any]] = {}

    @property
    def methods(self) -> list[str]:
        return [call.method for call in self.calls]

    @property
    def changes(self) -> list[Call]:
        """The calls that do more than look."""
        return [call for call in self.calls if not call.method.startswith(_WHAT_LOOKS)]

    def client(self, service: str = "dynamodb") -> Any:
        return self._get_client(service)

    def record(self, operation: Operation[Any]) -> list[Call]:
        """Run an operation; returns what it called."""
        self.calls = []
        self.run(operation)
        return self.calls

    def call(self, call: Call, counters: Counters | None = None) -> Any:
        self.before(call)
        self.calls.append(call)
        reply = super().call(call, counters)
        if call.method == "create_table":
            self._created[call.params["TableName"]] = call.params
        if call.method == "describe_table":
            self._describe_all(reply["Table"])
        return reply

    def _describe_all(self, table: dict[str, Any]) -> None:
        """Describe, as DynamoDB does, two settings that moto takes and does not tell."""
        created = self._created.get(table["TableName"], {})
        if "TableClass" in created:
            table.setdefault("TableClassSummary", {"TableClass": created["TableClass"]})
        asked = {index["IndexName"]: index for index in created.get("GlobalSecondaryIndexes", ())}
        indexes = table.get("GlobalSecondaryIndexes", ())
        parts = [(table, created), *((one, asked.get(one["IndexName"], {})) for one in indexes)]
        for found, given in parts:
            if "OnDemandThroughput" in given:
                units = {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": -1}
                found.setdefault("OnDemandThroughput", {**units, **given["OnDemandThroughput"]})
