"""Entries of the thread directory: one small item in each thread's own partition.

=================  =========================================================
attribute          content
=================  =========================================================
`O`                the owner, or `NO_OWNER` and a digit (`partition_of`):
                   the partition key of the index
`A`                the last activity as far as it was written, in epoch
                   seconds: the sort key of the index
`C`                when the thread was created, in epoch seconds, if known
`B`                title and metadata, as the body of an item; absent if
                   none were set
`N`                how often `B` was replaced; absent if never
the TTL attribute  as of other items; the thread expires earlier
=================  =========================================================

`A` is written again only when it is over an hour old: the exact time of the last activity is that
of the newest checkpoint's id. A checkpoint's body says what its thread's entry has (`Listed`), so
a process that reads the checkpoint knows it.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

from ..runtime.effects import Call, Item
from . import keys, requests
from .body import Listed
from .expiry import Lifetime

THREAD_INDEX = "threads"
"""The name of the template's index of threads."""

OWNER = "O"
ACTIVITY = "A"
CREATED = "C"

INDEX_KEY = ("PK", "SK", OWNER, ACTIVITY)
"""The attributes of an entry's key in the index."""

NO_OWNER = "(none)"
"""What the partition key of threads without an owner begins with: it is never absent or empty."""

_PARTITIONS_WITHOUT_OWNER = 4
"""Over how many partitions of the index the threads without an owner are spread.

DynamoDB throttles writes to the table while the index cannot follow, and a partition takes 1,000
write units a second. Four take what a new on-demand table takes. A page of threads reads them all.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/gsi-throttling.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html
"""

PERIOD_SECONDS = 3600
"""The age from which a thread's activity is written again."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What a put writes to a thread's entry.

    Attributes:
        thread_id: The thread.
        at: The time of the activity, in epoch seconds.
        owner: The thread's owner, if it has one.
        created: When the thread was created, in epoch seconds, if known.
        until: The time until which the entry is kept, in epoch seconds; 0 for no expiry.
        begins: Whether it is the first checkpoint of the root graph, which may begin the thread.
    """

    thread_id: str
    at: float
    owner: str | None
    created: float | None
    until: int = 0
    begins: bool = False

    @property
    def listed(self) -> Listed:
        """What a checkpoint says of the entry."""
        return Listed(int(self.at), self.until)


def kept_until(lifetime: Lifetime) -> int:
    """Until when an entry is kept that is written with a checkpoint; 0 for no expiry.

    Checkpoints that are put until the entry is written again expire later.
    """
    return 0 if lifetime.kept == math.inf else int(lifetime.kept) + PERIOD_SECONDS


def is_current(listed: Listed, now: float, lifetime: Lifetime) -> bool:
    """Whether an entry need not be written for a checkpoint of this lifetime that is put now."""
    kept = listed.until or math.inf
    if math.inf in {kept, lifetime.kept}:
        return kept == lifetime.kept and now < listed.at + PERIOD_SECONDS
    return lifetime.kept <= kept and now < listed.at + PERIOD_SECONDS


def partition_of(owner: str | None, thread_id: str) -> str:
    """The partition of the index that a thread is in."""
    if owner is not None:
        return owner
    return partitions(None)[zlib.crc32(thread_id.encode()) % _PARTITIONS_WITHOUT_OWNER]


def partitions(owner: str | None) -> tuple[str, ...]:
    """The partitions of the index that have an owner's threads, or those without an owner."""
    if owner is not None:
        return (owner,)
    return tuple(f"{NO_OWNER}{n}" for n in range(_PARTITIONS_WITHOUT_OWNER))


def key(thread_id: str) -> Item:
    """The key of a thread's entry."""
    return requests.key(thread_id, keys.THREAD_ENTRY)


def write(table: str, activity: Activity, ttl_attribute: str) -> Call:
    """Write a thread's activity and expiry, unless a later activity is written already.

    Creates the entry if there is none. A stored owner, time of creation, title and metadata stay
    as they are.
    """
    names = {"#a": ACTIVITY, "#o": OWNER, "#ttl": ttl_attribute}
    values: Item = {
        ":a": {"N": f"{activity.at:.3f}"},
        ":o": {"S": partition_of(activity.owner, activity.thread_id)},
    }
    sets = ["#a = :a", "#o = if_not_exists(#o, :o)"]
    if activity.created is not None:
        names["#c"] = CREATED
        values[":c"] = {"N": f"{activity.created:.3f}"}
        sets.append("#c = if_not_exists(#c, :c)")
    if activity.until:
        values[":until"] = {"N": str(activity.until)}
        sets.append("#ttl = :until")
    change = f"SET {', '.join(sets)}"
    if not activity.until:
        change += " REMOVE #ttl"
    condition = "attribute_not_exists(#a) OR #a <= :a"
    return requests.update_if(table, key(activity.thread_id), change, condition, names, values)


def begin(table: str, activity: Activity, ttl_attribute: str) -> Call:
    """Write the entry of a new thread, if there is none; else the reply has the stored one."""
    return requests.put_new(table, _new(activity, ttl_attribute))


def begin_again(table: str, activity: Activity, ttl_attribute: str, entry: Item) -> Call:
    """Replace the whole entry of a thread that no longer exists, if it is still as it was read."""
    new = _new(activity, ttl_attribute)
    return requests.put_if_same(table, new, entry, (ACTIVITY, requests.REPLACED))


def _new(activity: Activity, ttl_attribute: str) -> Item:
    new = {
        **key(activity.thread_id),
        ACTIVITY: {"N": f"{activity.at:.3f}"},
        OWNER: {"S": partition_of(activity.owner, activity.thread_id)},
    }
    if activity.created is not None:
        new[CREATED] = {"N": f"{activity.created:.3f}"}
    if activity.until:
        new[ttl_attribute] = {"N": str(activity.until)}
    return new


def name_owner(table: str, thread_id: str, owner: str) -> Call:
    """Name the owner of a thread that is listed without one."""
    values: Item = {":o": {"S": owner}, ":none": {"S": partition_of(None, thread_id)}}
    names = {"#o": OWNER}
    return requests.update_if(table, key(thread_id), "SET #o = :o", "#o = :none", names, values)


def limit(table: str, entry: Item, ttl_attribute: str, until: int) -> Call:
    """Keep an entry no longer than `until`, if no activity was written since it was read."""
    names = {"#a": ACTIVITY, "#ttl": ttl_attribute}
    values: Item = {":a": entry[ACTIVITY], ":until": {"N": str(until)}}
    item_key = key(entry["PK"]["S"])
    return requests.update_if(table, item_key, "SET #ttl = :until", "#a = :a", names, values)


def describe(table: str, entry: Item, body: bytes) -> Call:
    """Replace the title and metadata of an entry, if they are still those that were read.

    The time of creation must be the same too: the thread may have been deleted and begun again.
    """
    count = int(entry[requests.REPLACED]["N"]) if requests.REPLACED in entry else 0
    names = {"#b": "B", "#n": requests.REPLACED, "#c": CREATED}
    values: Item = {":b": {"B": body}, ":next": {"N": str(count + 1)}}
    conditions = ["attribute_not_exists(#c)", "attribute_not_exists(#n)"]
    if CREATED in entry:
        conditions[0] = "#c = :c"
        values[":c"] = entry[CREATED]
    if count:
        conditions[1] = "#n = :n"
        values[":n"] = {"N": str(count)}
    if count == 0 and CREATED not in entry:
        names["#o"] = OWNER
        conditions.append("attribute_exists(#o)")
    change = "SET #b = :b, #n = :next"
    item_key = key(entry["PK"]["S"])
    return requests.update_if(table, item_key, change, " AND ".join(conditions), names, values)


def delete(table: str, entry: Item) -> Call:
    """Delete an entry, unless activity was written since it was read."""
    return requests.delete_active_at(table, key(entry["PK"]["S"]), ACTIVITY, entry[ACTIVITY])


def query(
    table: str,
    partition: str,
    *,
    newest_first: bool = True,
    limit: int | None = None,
    start: Item | None = None,
    before: float | None = None,
) -> Call:
    """One page of a partition of the index, by activity; an index is eventually consistent.

    Args:
        table: The table.
        partition: The partition: an owner, or one of the `partitions` of threads without one.
        newest_first: Whether the latest activity comes first.
        limit: How many entries to read at most.
        start: The key of the entry after which to continue.
        before: Only entries whose activity is before this time, in epoch seconds.
    """
    params: dict[str, Any] = {
        "TableName": table,
        "IndexName": THREAD_INDEX,
        "KeyConditionExpression": "#o = :o",
        "ExpressionAttributeNames": {"#o": OWNER},
        "ExpressionAttributeValues": {":o": {"S": partition}},
        "ScanIndexForward": not newest_first,
    }
    if before is not None:
        params["KeyConditionExpression"] += " AND #a < :before"
        params["ExpressionAttributeNames"]["#a"] = ACTIVITY
        params["ExpressionAttributeValues"][":before"] = {"N": f"{before:.3f}"}
    return requests.page("query", params, limit, start)


def scan(
    table: str,
    *,
    limit: int | None = None,
    start: Item | None = None,
    before: float | None = None,
) -> Call:
    """One page of all entries; they are in no order. For the arguments, see `query`."""
    params: dict[str, Any] = {"TableName": table, "IndexName": THREAD_INDEX}
    if before is not None:
        params["FilterExpression"] = "#a < :before"
        params["ExpressionAttributeNames"] = {"#a": ACTIVITY}
        params["ExpressionAttributeValues"] = {":before": {"N": f"{before:.3f}"}}
    return requests.page("scan", params, limit, start)


def start_key(thread_id: str, activity: str, partition: str) -> Item:
    """The key of an entry in the index; `activity` is its `A`, a decimal number."""
    return {**key(thread_id), OWNER: {"S": partition}, ACTIVITY: {"N": activity}}


def owner_of(entry: Item) -> str | None:
    """The owner of a thread."""
    owner: str | None = entry.get(OWNER, {}).get("S")
    return None if owner is None or owner.startswith(NO_OWNER) else owner


def time_of(entry: Item, attribute: str) -> float | None:
    """A time of an entry, in epoch seconds; `None` if it has none."""
    try:
        return float(entry[attribute]["N"])
    except (KeyError, ValueError):
        return None
