"""A table in memory that answers an operation's calls, so that a test can script faults.

It knows the requests that the saver makes and no others. What DynamoDB really
does is tested on the engine; this is for what an engine will not do on demand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from langgraph_checkpoint_dynamodb.errors import StorageError
from langgraph_checkpoint_dynamodb.format import keys, requests
from langgraph_checkpoint_dynamodb.runtime.context import Context
from langgraph_checkpoint_dynamodb.runtime.effects import (
    AskSaver,
    Backoff,
    Call,
    Compute,
    ConditionFailed,
    Done,
    Failed,
    Join,
    Operation,
    advance,
)
from langgraph_checkpoint_dynamodb.runtime.lru_cache import Cache
from langgraph_checkpoint_dynamodb.runtime.single_flight import InFlight

TABLE = "fake"


_CONDITIONS: dict[str, Callable[[Any, Any], bool]] = {
    "attribute_not_exists(#pk)": lambda old, values: old is None,
    "#a = :activity": lambda old, values: old is not None and old["A"] == values[":activity"],
    "#b = :old": lambda old, values: old is not None and old["B"] == values[":old"],
    "#t = :written": lambda old, values: old is not None and old["T"] == values[":written"],
    "#n = :n": lambda old, values: old is not None and old.get("N") == values[":n"],
    "attribute_exists(#sk) AND attribute_not_exists(#n)": lambda old, values: (
        old is not None and "N" not in old
    ),
    "attribute_not_exists(#b) OR #b < :new": lambda old, values: (
        old is None or old["B"]["B"] < values[":new"]["B"]
    ),
}


for _count in ("#a1 = :a1", "attribute_not_exists(#a1)"):
    _CONDITIONS[f"#a0 = :a0 AND {_count}"] = lambda old, values: (
        old is not None and (old["A"], old.get("N")) == (values[":a0"], values.get(":a1"))
    )


_ENTRY_CONDITIONS: dict[str, Callable[[Any, Any], bool]] = {
    "attribute_not_exists(#a) OR #a <= :a": lambda old, values: (
        "A" not in old or float(old["A"]["N"]) <= float(values[":a"]["N"])
    ),
    "#a = :a": lambda old, values: old.get("A") == values[":a"],
    "#o = :none": lambda old, values: old.get("O") == values[":none"],
    "#c = :c AND #n = :n": lambda old, values: (
        (old.get("C"), old.get("N")) == (values[":c"], values[":n"])
    ),
    "#c = :c AND attribute_not_exists(#n)": lambda old, values: (
        old.get("C") == values[":c"] and "N" not in old
    ),
    "attribute_not_exists(#c) AND #n = :n": lambda old, values: (
        "C" not in old and old.get("N") == values[":n"]
    ),
    "attribute_not_exists(#c) AND attribute_not_exists(#n) AND attribute_exists(#o)": (
        lambda old, values: "O" in old and "C" not in old and "N" not in old
    ),
}


def item(name: str, body: bytes = b"body", thread: str = "thread", **more: Any) -> dict[str, Any]:
    """An item with a body, and attributes beside it."""
    return {**requests.key(thread, name), "B": {"B": body}, **more}


class FakeTable:
    """`fault` sees every call before it takes effect and may raise, or answer itself."""

    def __init__(self, fault: Callable[[Call], Any] = lambda call: None) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}
        self.objects: dict[tuple[str, str], bytes] = {}
        """What is in S3, by bucket and key."""
        self.calls: list[Call] = []
        self.backoffs: list[int] = []
        self.rounds = 0
        self.fault = fault

    def run(self, operation: Operation[Any], answer: Any = None) -> Any:
        """Run an operation, or go on with one that waits for an answer."""
        effect = advance(operation, answer)
        while not isinstance(effect, Done):
            try:
                answer = self.perform(effect)
            except Exception as error:
                effect = advance(operation, error=error)
            else:
                effect = advance(operation, answer)
        return effect.result

    def perform(self, effect: Any) -> Any:
        if isinstance(effect, Compute):
            return effect.function()
        if isinstance(effect, AskSaver):
            return effect.ask()
        if isinstance(effect, Backoff):
            self.backoffs.append(effect.attempt)
            return None
        if isinstance(effect, Join):  # as the drivers do for one that takes too long
            return effect.future.done() and effect.future.result()
        self.rounds += 1
        return [self.answer(call) for call in effect]

    def answer(self, call: Call) -> Any:
        self.calls.append(call)
        try:
            scripted = self.fault(call)
        except StorageError as error:
            if call.failure_is_reply:
                return Failed(error)
            raise
        reply = scripted if scripted is not None else getattr(self, f"_{call.method}")(call.params)
        if call.on_reply is not None:
            call.on_reply(reply)
        return reply

    def _put_item(self, params: dict[str, Any]) -> Any:
        item = params["Item"]
        key = _key(item)
        condition, old = params.get("ConditionExpression"), self.items.get(key)
        if condition and not _CONDITIONS[condition](
            old, params.get("ExpressionAttributeValues", {})
        ):
            return ConditionFailed(old)
        self.items[key] = item
        return {}

    def _update_item(self, params: dict[str, Any]) -> Any:
        """What `requests.extend_ttl` and `requests.set_expiry` ask for, and entries of threads."""
        if params["Key"]["SK"]["S"] == keys.THREAD_ENTRY:
            return self._update_entry(params)
        item = self.items.get(_key(params["Key"]))
        names = params["ExpressionAttributeNames"]
        if ":expires" in params["ExpressionAttributeValues"]:
            return self._limit(params, item)
        until = params["ExpressionAttributeValues"][":until"]
        before = (item or {}).get(names["#ttl"], {}).get("N")
        if item is None or before is None or not float(before) < float(until["N"]):
            return ConditionFailed(item)
        noted = item.get(names["#expiry"], {"N": before})
        self.items[_key(item)] = {**item, names["#ttl"]: until, names["#expiry"]: noted}
        return {}

    def _update_entry(self, params: dict[str, Any]) -> Any:
        """What `format.thread_entries` asks for."""
        names, values = params["ExpressionAttributeNames"], params["ExpressionAttributeValues"]
        key = _key(params["Key"])
        old = self.items.get(key)
        if not _ENTRY_CONDITIONS[params["ConditionExpression"]](old or {}, values):
            return ConditionFailed(old)
        new = {**params["Key"], **(old or {})}
        change, _, removed = params["UpdateExpression"].partition(" REMOVE ")
        for name, once, value in re.findall(r"(#\w+) = (if_not_exists\(#\w+, )?(:\w+)", change):
            if not once or names[name] not in new:
                new[names[name]] = values[value]
        new.pop(names.get(removed, ""), None)
        self.items[key] = new
        return {}

    def _limit(self, params: dict[str, Any], item: Any) -> Any:
        values, ttl = (
            params["ExpressionAttributeValues"],
            params["ExpressionAttributeNames"]["#ttl"],
        )
        wanted = "attribute_exists" in params["ConditionExpression"]
        if item is None or item["B"] != values[":body"] or (ttl in item) != wanted:
            return ConditionFailed(item)
        changes = {params["ExpressionAttributeNames"]["#expiry"]: values[":expires"]}
        if not wanted:
            changes[ttl] = values[":until"]
        self.items[_key(item)] = {**item, **changes}
        return {}

    def _batch_write_item(self, params: dict[str, Any]) -> Any:
        requests = params["RequestItems"][TABLE]
        assert len(requests) <= 25
        for request in requests:
            if "PutRequest" in request:
                self._put_item({"Item": request["PutRequest"]["Item"]})
            else:
                self.items.pop(_key(request["DeleteRequest"]["Key"]), None)
        return {"UnprocessedItems": {}}

    def _batch_execute_statement(self, params: dict[str, Any]) -> Any:
        """`INSERT` statements: what `requests.joined` makes of `requests.put_new`."""
        assert len(params["Statements"]) <= 25
        condition = {"ConditionExpression": "attribute_not_exists(#pk)"}
        replies = []
        for statement in params["Statements"]:
            names = re.findall(r"'((?:[^']|'')+)': \?", statement["Statement"])
            item = dict(zip(names, statement["Parameters"], strict=True))
            failed = isinstance(self._put_item({"Item": item, **condition}), ConditionFailed)
            replies.append({"Error": {"Code": "DuplicateItem"}} if failed else {})
        return {"Responses": replies}

    def _delete_item(self, params: dict[str, Any]) -> Any:
        key = _key(params["Key"])
        holds = _CONDITIONS[params["ConditionExpression"]]
        if not holds(self.items.get(key), params["ExpressionAttributeValues"]):
            return ConditionFailed(self.items.get(key))
        del self.items[key]
        return {}

    def _batch_get_item(self, params: dict[str, Any]) -> Any:
        wanted = params["RequestItems"][TABLE]["Keys"]
        assert len(wanted) <= 100
        found = [self.items[_key(key)] for key in wanted if _key(key) in self.items]
        return {"Responses": {TABLE: found}}

    def _scan(self, params: dict[str, Any]) -> Any:
        values = params.get("ExpressionAttributeValues")
        if "IndexName" in params:  # `thread_entries.scan`, in one page
            return {"Items": [item for _, item in sorted(self.items.items()) if "O" in item]}
        if values is None:  # `requests.scan_keys`
            return {"Items": [requests.key(*key) for key in sorted(self.items)]}
        if ":v" in values:
            return {"Items": self._of_other_savers(params)}
        prefix = values.get(":prefix", {}).get("S")
        found = [
            item
            for key, item in sorted(self.items.items())
            if (key[1].startswith(prefix) if prefix else item.get("R") in values.values())
        ]
        return {"Items": found}

    def _of_other_savers(self, params: dict[str, Any]) -> Any:
        """What `requests.scan_threads` asks for."""
        name, value = params["ExpressionAttributeNames"]["#a"], params["ExpressionAttributeValues"]
        holds = str.startswith if "begins_with" in params["FilterExpression"] else str.__contains__
        return [
            {"PK": item["PK"]}
            for _, item in sorted(self.items.items())
            if holds(item.get(name, {}).get("S", ""), value[":v"]["S"])
        ]

    def _get_object(self, params: dict[str, Any]) -> Any:
        return {"Body": self.objects[params["Bucket"], params["Key"]]}

    def _of_owner(self, params: dict[str, Any]) -> Any:
        """All that `thread_entries.query` asks for, in one page."""
        values = params["ExpressionAttributeValues"]
        found = [one for one in self.items.values() if one.get("O") == values[":o"]]
        order = -1 if not params["ScanIndexForward"] else 1
        return {"Items": sorted(found, key=lambda one: order * float(one["A"]["N"]))}

    def _query(self, params: dict[str, Any]) -> Any:
        values = params["ExpressionAttributeValues"]
        if ":o" in values:
            return self._of_owner(params)
        if "IndexName" in params:
            return {"Items": [i for i in self.items.values() if i.get("R") == values[":run"]]}
        wanted = values[":pk"]["S"]
        low, high = (
            values.get(name, {}).get("S", last)
            for name, last in ((":low", ""), (":high", "\U0010ffff"))
        )
        forward = params.get("ScanIndexForward", True)
        # Python orders strings as DynamoDB orders their UTF-8.
        found = sorted(
            (key for key in self.items if key[0] == wanted and low <= key[1] <= high),
            reverse=not forward,
        )
        if start := params.get("ExclusiveStartKey"):
            last = _key(start)
            found = [key for key in found if (key > last if forward else key < last)]
        page = [self.items[key] for key in found[: params.get("Limit", len(found))]]
        if "FilterExpression" in params:  # of `directory.newest_checkpoints`
            tombstone = values[":tombstone"]
            kept = [one for one in page if one.get("B") != tombstone]
            reply: dict[str, Any] = {"Items": kept}
        else:
            reply = {"Items": page}
        if page and len(page) < len(found):
            reply["LastEvaluatedKey"] = {name: page[-1][name] for name in ("PK", "SK")}
        return reply


def _key(item: dict[str, Any]) -> tuple[str, str]:
    return item["PK"]["S"], item["SK"]["S"]


def context(**changes: Any) -> Context:
    """A context for operations on a `FakeTable`."""
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    defaults: dict[str, Any] = {
        "table": TABLE,
        "ttl_attribute": "ttl",
        "ttl_seconds": None,
        "max_resends": 3,
        "cache": Cache(1 << 24),
        "in_flight": InFlight(),
        "serde": JsonPlusSerializer(),
        "now": 1_800_000_000.0,
    }
    return Context(**{**defaults, **changes})
