"""What requests cost: units by DynamoDB's rules, from what is sent and answered, and US$.

The units are reckoned and not asked for, so that they are right on every engine: moto counts
one for each request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

from langgraph_checkpoint_dynamodb.format import thread_entries
from langgraph_checkpoint_dynamodb.format.item_size import item_size, write_units
from langgraph_checkpoint_dynamodb.maintenance.prices import ON_DEMAND

READ_UNIT_BYTES = 4096


@dataclass
class Cost:
    """What some requests have cost."""

    requests: int = 0
    write_units: float = 0
    read_units: float = 0

    def __add__(self, other: Cost) -> Cost:
        """Both together."""
        return Cost(
            self.requests + other.requests,
            self.write_units + other.write_units,
            self.read_units + other.read_units,
        )

    @property
    def dollars_a_million(self) -> float:
        """US$ for doing this a million times."""
        return ON_DEMAND.units(self.write_units, self.read_units) * 1_000_000


def watch(session: Any, told: Callable[[str, Cost], None]) -> None:
    """Call `told` with the name and the cost of each request of a botocore or boto3 session."""
    register = getattr(session, "events", session).register

    def keep(params: Any, context: Any, **_: Any) -> None:
        context["sent"] = params

    def count(event_name: str, parsed: Any, context: Any, **_: Any) -> None:
        call = event_name.rpartition(".")[2]
        told(call, Cost(1, *units(call, context.get("sent", {}), parsed)))

    register("provide-client-params.dynamodb", keep)
    register("after-call.dynamodb", count)


def units(call: str, sent: Any, parsed: Any) -> tuple[float, float]:
    """Write and read units of a call; an item that is replaced counts with its new size."""
    match call:
        case "PutItem":
            copies = 2 if thread_entries.OWNER in sent["Item"] else 1  # one in the index of threads
            return copies * write_units(item_size(sent["Item"])), 0
        case "BatchWriteItem":
            left = parsed.get("UnprocessedItems") or {}
            return _batch_units(sent["RequestItems"]) - _batch_units(left), 0
        case "Query":
            size = sum(map(item_size, parsed.get("Items", ())))
            return 0, ceil(size / READ_UNIT_BYTES) * (1 if sent.get("ConsistentRead") else 0.5)
        case "BatchGetItem":
            read = 0.0
            for table, found in parsed.get("Responses", {}).items():
                share = 1 if sent["RequestItems"][table].get("ConsistentRead") else 0.5
                read += share * sum(ceil(item_size(item) / READ_UNIT_BYTES) for item in found)
            return 0, read
    return 0, 0


def _batch_units(requests: Any) -> int:
    """Write units of the requests of a batch; a deletion counts one."""
    found = [each for table in requests.values() for each in table]
    puts = [each["PutRequest"]["Item"] for each in found if "PutRequest" in each]
    return sum(write_units(item_size(item)) for item in puts) + len(found) - len(puts)
