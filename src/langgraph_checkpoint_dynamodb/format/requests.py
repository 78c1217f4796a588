"""The DynamoDB requests of the saver, each built in one place.

All names and values use expression placeholders, because the TTL attribute may be a reserved word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from ..runtime.effects import Call, Item

MAX_BATCH_WRITE = 25
"""Requests in a BatchWriteItem.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

MAX_IN_OPERANDS = 100
"""Operands of an `IN` in an expression; from the same page."""

REPLACED = "N"
"""The attribute that counts how often an item was replaced; absent if it never was."""

RUN_INDEX = "run-id"
"""The name of the template's optional index, which has the keys of each run's checkpoints."""


def key(thread_id: str, sort_key: str) -> Item:
    """An item's primary key."""
    return {"PK": {"S": thread_id}, "SK": {"S": sort_key}}


def put_new(table: str, item: Item, *, shareable: bool = False) -> Call:
    """Write an item if its key is absent; else the reply has the existing item."""
    # Of PK, not SK: items of a table without a sort key may lack that one.
    call = _put_if(table, item, "attribute_not_exists(#pk)", {"#pk": "PK"}, None)
    return replace(call, shareable=True) if shareable else call


def put_if_body(table: str, item: Item, old_body: bytes) -> Call:
    """Replace an item if its body is still `old_body`."""
    return _put_if(table, item, "#b = :old", {"#b": "B"}, {":old": {"B": old_body}})


def put_if_count(table: str, item: Item, count: int) -> Call:
    """Replace an item if it has been replaced exactly `count` times."""
    names = {"#n": REPLACED}
    if count:
        return _put_if(table, item, "#n = :n", names, {":n": {"N": str(count)}})
    condition = "attribute_exists(#sk) AND attribute_not_exists(#n)"
    return _put_if(table, item, condition, {"#sk": "SK", **names}, None)


def put_if_greater(table: str, item: Item) -> Call:
    """Write an item if its key is absent, or if its body is greater than the stored one."""
    condition = "attribute_not_exists(#b) OR #b < :new"
    return _put_if(table, item, condition, {"#b": "B"}, {":new": item["B"]})


def put_if_same(table: str, item: Item, old: Item, attributes: Sequence[str]) -> Call:
    """Replace an item if some of its attributes are still those that were read."""
    names = {f"#a{index}": name for index, name in enumerate(attributes)}
    values = {f":{mark[1:]}": old[name] for mark, name in names.items() if name in old}
    conditions = (
        f"{mark} = :{mark[1:]}" if name in old else f"attribute_not_exists({mark})"
        for mark, name in names.items()
    )
    return _put_if(table, item, " AND ".join(conditions), names, values)


def _put_if(
    table: str, item: Item, condition: str, names: dict[str, str], values: Item | None
) -> Call:
    params = {"Item": item, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    return _write_if("put_item", table, params, condition, names, values)


def _write_if(
    method: str,
    table: str,
    params: dict[str, Any],
    condition: str,
    names: dict[str, str],
    values: Item | None,
) -> Call:
    params = {
        "TableName": table,
        **params,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": names,
    }
    if values:
        params["ExpressionAttributeValues"] = values
    return Call(method, params)


def extend_ttl(table: str, item_key: Item, ttl_attribute: str, until: int, expiry: str) -> Call:
    """Keep an item until a later time, in epoch seconds; an item without a TTL is left as it is.

    `expiry` is the attribute that then preserves the item's original TTL.
    """
    change = "SET #expiry = if_not_exists(#expiry, #ttl), #ttl = :until"
    names = {"#ttl": ttl_attribute, "#expiry": expiry}
    values = {":until": {"N": str(until)}}
    return update_if(table, item_key, change, "#ttl < :until", names, values)


def set_expiry(
    table: str, item: Item, ttl_attribute: str, until: int, expiry: str, expires: int
) -> Call:
    """Set when an item expires, if its body is still the one that was read.

    Args:
        table: The table.
        item: The item as it was read.
        ttl_attribute: The TTL attribute. An item that has none is kept `until` that time, in
            epoch seconds; one that has a TTL keeps it.
        until: See `ttl_attribute`.
        expiry: The attribute that is set to `expires`.
        expires: The time until which the item is returned, in epoch seconds.
    """
    values: Item = {":expires": {"N": str(expires)}, ":body": item["B"]}
    change, condition = "SET #expiry = :expires", "#b = :body AND attribute_exists(#ttl)"
    if ttl_attribute not in item:
        change = f"{change}, #ttl = :until"
        condition = "#b = :body AND attribute_not_exists(#ttl)"
        values[":until"] = {"N": str(until)}
    names = {"#ttl": ttl_attribute, "#expiry": expiry, "#b": "B"}
    item_key = key(item["PK"]["S"], item["SK"]["S"])
    return update_if(table, item_key, change, condition, names, values)


def update_if(
    table: str, item_key: Item, change: str, condition: str, names: dict[str, str], values: Item
) -> Call:
    """Change an item if a condition holds; names and values are those of both expressions."""
    params = {"Key": item_key, "UpdateExpression": change}
    return _write_if("update_item", table, params, condition, names, values)


def delete_written_at(table: str, item_key: Item, written: str) -> Call:
    """Delete a chunk if it has not been written again since `written` (its `T`)."""
    target, values = {"Key": item_key}, {":written": {"N": written}}
    return _write_if("delete_item", table, target, "#t = :written", {"#t": "T"}, values)


def delete_active_at(table: str, item_key: Item, attribute: str, activity: Item) -> Call:
    """Delete a thread's entry if no later activity has been written to it."""
    target, values = {"Key": item_key}, {":activity": activity}
    return _write_if("delete_item", table, target, "#a = :activity", {"#a": attribute}, values)


def delete_body(table: str, item_key: Item, body: bytes) -> Call:
    """Delete an item if it still has this body."""
    target, values = {"Key": item_key}, {":old": {"B": body}}
    return _write_if("delete_item", table, target, "#b = :old", {"#b": "B"}, values)


def query(
    table: str,
    partition_key: str,
    bounds: tuple[str, str] | None,
    *,
    newest_first: bool = False,
    limit: int | None = None,
    start: Item | None = None,
    consistent: bool = True,
    attributes: Sequence[str] | None = None,
) -> Call:
    """One page of the items of a partition.

    Args:
        table: The table.
        partition_key: The partition key: a thread's id, but in other savers' tables.
        bounds: The lowest and the highest sort key, both inclusive; `None` for all items.
        newest_first: Whether the highest sort key comes first.
        limit: How many items to read at most.
        start: The key after which the page starts.
        consistent: Whether the read is strongly consistent.
        attributes: The attributes to return; `None` for all.
    """
    names, condition = {"#pk": "PK"}, "#pk = :pk"
    values: Item = {":pk": {"S": partition_key}}
    if bounds is not None:
        names["#sk"] = "SK"
        values |= {":low": {"S": bounds[0]}, ":high": {"S": bounds[1]}}
        condition += " AND #sk BETWEEN :low AND :high"
    params: dict[str, Any] = {
        "TableName": table,
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "ScanIndexForward": not newest_first,
        "ConsistentRead": consistent,
    }
    if attributes is not None:
        placeholders = {f"#a{index}": name for index, name in enumerate(attributes)}
        names.update(placeholders)
        params["ProjectionExpression"] = ", ".join(placeholders)
    return page("query", params, limit, start)


def page(method: str, params: dict[str, Any], limit: int | None, start: Item | None) -> Call:
    """A page of a query or a scan: at most `limit` items, those after the key `start`."""
    if limit is not None:
        params["Limit"] = limit
    if start is not None:
        params["ExclusiveStartKey"] = start
    return Call(method, params)


def scan_threads(
    table: str, condition: str, attribute: str, value: str, start: Item | None
) -> Call:
    """One page of a strongly consistent scan of another saver's table for checkpoints' partitions.

    Args:
        table: The table.
        condition: A filter of the attribute `#a` and the value `:v`.
        attribute: The attribute.
        value: The value.
        start: The key after which the page starts; `None` for the first page.
    """
    return _scan(table, condition, {"#a": attribute}, {":v": {"S": value}}, start, returned="#pk")


def scan_checkpoints(table: str, start: Item | None) -> Call:
    """One page of a strongly consistent scan for the keys of checkpoint and writes items."""
    return _scan(table, "begins_with(#sk, :prefix)", {"#sk": "SK"}, {":prefix": {"S": "C#"}}, start)


def scan_keys(table: str, start: Item | None) -> Call:
    """One page of an eventually consistent scan for the keys of all items."""
    params: dict[str, Any] = {
        "TableName": table,
        "ProjectionExpression": "#pk, #sk",
        "ExpressionAttributeNames": {"#pk": "PK", "#sk": "SK"},
    }
    return page("scan", params, None, start)


def sample_keys(table: str) -> Call:
    """A scan for the keys of the first 100 items, which takes at most some ten read units."""
    call = scan_keys(table, None)
    call.params["Limit"] = 100
    return call


def scan_runs(table: str, run_digests: Sequence[bytes]) -> Call:
    """The first page of a scan for the keys of the checkpoints of some runs."""
    values = {f":r{index}": {"B": digest} for index, digest in enumerate(run_digests)}
    return _scan(table, f"#r IN ({', '.join(values)})", {"#sk": "SK", "#r": "R"}, values, None)


def query_run(table: str, run_digest: bytes) -> Call:
    """The first page of a query of the index for the keys of a run's checkpoints.

    An index is eventually consistent.
    """
    return Call(
        "query",
        {
            "TableName": table,
            "IndexName": RUN_INDEX,
            "KeyConditionExpression": "#r = :run",
            "ProjectionExpression": "#pk, #sk",
            "ExpressionAttributeNames": {"#pk": "PK", "#sk": "SK", "#r": "R"},
            "ExpressionAttributeValues": {":run": {"B": run_digest}},
        },
    )


def _scan(
    table: str,
    condition: str,
    names: dict[str, str],
    values: Item,
    start: Item | None,
    *,
    returned: str = "#pk, #sk",
) -> Call:
    params: dict[str, Any] = {
        "TableName": table,
        "FilterExpression": condition,
        "ProjectionExpression": returned,
        "ExpressionAttributeNames": {"#pk": "PK", **names},
        "ExpressionAttributeValues": values,
        "ConsistentRead": True,
    }
    return page("scan", params, None, start)


def batch_write(table: str, requests: Sequence[Any]) -> Call:
    """Up to 25 put or delete requests."""
    return Call("batch_write_item", {"RequestItems": {table: list(requests)}})


def unprocessed(reply: Any, table: str) -> Sequence[Any]:
    """The put and delete requests that a batch write left unprocessed."""
    left: Sequence[Any] = reply.get("UnprocessedItems", {}).get(table, ())
    return left


def joined(calls: Sequence[Call]) -> Call:
    """One call for several shareable puts. It is not retried: see `drivers/coalescing.py`."""
    if len(calls) == 1:
        return replace(calls[0], shareable=False, retried=False)
    statements = [_insert(call.params["TableName"], call.params["Item"]) for call in calls]
    return Call("batch_execute_statement", {"Statements": statements}, retried=False)


def _insert(table: str, item: Item) -> dict[str, Any]:
    """`put_new` in PartiQL, whose `INSERT` fails if the key exists.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.insert.html
    """
    return {"Statement": _insert_of(table, tuple(item)), "Parameters": list(item.values())}


@lru_cache(maxsize=64)
def _insert_of(table: str, names: tuple[str, ...]) -> str:
    quoted = (name.replace("'", "''") for name in names)
    members = ", ".join(f"'{name}': ?" for name in quoted)
    return f'INSERT INTO "{table}" VALUE {{{members}}}'


def key_put(call: Call) -> tuple[str, str]:
    """The key of the item in a PutItem call: thread id and sort key."""
    item = call.params["Item"]
    return item["PK"]["S"], item["SK"]["S"]


def batch_get(table: str, item_keys: Sequence[Item], *, consistent: bool) -> Call:
    """Read up to 100 items by key."""
    wanted = {"Keys": list(item_keys), "ConsistentRead": consistent}
    return Call("batch_get_item", {"RequestItems": {table: wanted}})
