"""Calls that find out what a role may do with a table, and change nothing.

DynamoDB checks the permission of a call before its condition. So a write whose condition is never
true is refused by the one or by the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import AccessDeniedError, StorageError
from ..format import requests, thread_entries
from ..runtime.effects import Call, Operation
from .describe import UNSUPPORTED

NO_SORT_KEY = "?"
"""A sort key that no item of this package has."""

_NEVER = "attribute_exists(PK) AND attribute_not_exists(PK)"
_DENIED = "AccessDenied"
_UNSUPPORTED = UNSUPPORTED | {"500", "501"}
"""Also the statuses of answers that are not DynamoDB's, such as moto's to a PartiQL statement."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A call that needs a permission.

    Attributes:
        action: The IAM action, without its service.
        needed_for: What needs it.
        call: The call.
        of_every_graph: Whether no graph can do without the permission.
    """

    action: str
    needed_for: str
    call: Call
    of_every_graph: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call came to: a reply or an error."""

    reply: Any = None
    error: StorageError | None = None

    @property
    def is_denied(self) -> bool:
        """Whether the role may not make the call."""
        return isinstance(self.error, AccessDeniedError)

    @property
    def is_unsupported(self) -> bool:
        """Whether the endpoint is an emulator that does not have the call."""
        return self.error is not None and self.error.code in _UNSUPPORTED


def probes(table: str, thread_id: str, indexes: Sequence[str]) -> list[Probe]:
    """The probes of the actions on data.

    Args:
        table: The table.
        thread_id: A thread that the role may use; it need not exist.
        indexes: The indexes of the table. Puts keep that of threads by `UpdateItem`.
    """
    item_key = requests.key(thread_id, NO_SORT_KEY)
    never = {"TableName": table, "ConditionExpression": _NEVER}
    update = {"UpdateExpression": "SET B = :b", "ExpressionAttributeValues": {":b": {"B": b""}}}
    query = requests.query(table, thread_id, (NO_SORT_KEY, NO_SORT_KEY), limit=1)
    get = requests.batch_get(table, [item_key], consistent=False)
    write = requests.batch_write(table, [{"DeleteRequest": {"Key": item_key}}])
    put = Call("put_item", {**never, "Item": item_key})
    delete = Call("delete_item", {**never, "Key": item_key})
    change = Call("update_item", {**never, "Key": item_key, **update})
    scan = Call("scan", {"TableName": table, "Limit": 1, "ProjectionExpression": "PK"})
    return [
        Probe("Query", "every method", query, of_every_graph=True),
        Probe("BatchGetItem", "reading values over 1 KB", get, of_every_graph=True),
        Probe("PutItem", "put, put_writes", put, of_every_graph=True),
        Probe("BatchWriteItem", "put of larger values, delete_thread", write, of_every_graph=True),
        Probe("DeleteItem", "prune", delete),
        Probe(
            "UpdateItem",
            "put with enable_thread_index, TTL with delta channels, apply_ttl",
            change,
            of_every_graph=thread_entries.THREAD_INDEX in indexes,
        ),
        Probe("Scan", "verify and list of the whole table", scan),
        Probe("PartiQLInsert", "share_puts=True", _insert(table)),
        *_probes_of_indexes(table, indexes),
    ]


def _probes_of_indexes(table: str, indexes: Sequence[str]) -> list[Probe]:
    of_runs = requests.query_run(table, b"?")
    of_owner = thread_entries.query(table, thread_entries.NO_OWNER, limit=1)
    of_all = thread_entries.scan(table, limit=1)
    runs, threads = requests.RUN_INDEX, thread_entries.THREAD_INDEX
    found = {
        runs: [Probe(f"Query of index {runs}", "delete_for_runs", of_runs)],
        threads: [
            Probe(f"Query of index {threads}", "list_threads", of_owner),
            Probe(f"Scan of index {threads}", "list_threads of all owners, prune_threads", of_all),
        ],
    }
    return [one for name in indexes for one in found.get(name, ())]


def attempt(call: Call) -> Operation[Outcome]:
    """Make a call once; an error of AWS is an outcome, too."""
    once = Call(call.method, call.params, call.service, retried=False)
    try:
        (reply,) = yield [once]
    except StorageError as error:
        return Outcome(error=error)
    if call.method == "batch_execute_statement":
        refused = reply["Responses"][0].get("Error", {})
        if refused.get("Code") == _DENIED:
            return Outcome(error=AccessDeniedError(f"{_DENIED}: {refused.get('Message')}"))
    return Outcome(reply)


def _insert(table: str) -> Call:
    """An `INSERT` that is invalid: its partition key is empty."""
    statement = f"INSERT INTO \"{table}\" VALUE {{'PK': ?, 'SK': ?}}"
    values = [{"S": ""}, {"S": NO_SORT_KEY}]
    return Call(
        "batch_execute_statement",
        {"Statements": [{"Statement": statement, "Parameters": values}]},
    )
