"""DynamoDB's table ARNs, in front of an engine that knows only names.

DynamoDB Local refuses an ARN as `TableName`. DynamoDB takes one in every call on data but PartiQL:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/rbac-iam-actions.html
"""

from __future__ import annotations

from typing import Any

from capacity import events_of

_OF_BATCHES = ("Responses", "UnprocessedKeys", "UnprocessedItems")


def serve_arns(session: Any) -> None:
    """Send the requests of a session with names; its replies name tables as the requests did."""
    events = events_of(session)
    events.register_last("provide-client-params.dynamodb", _by_name)
    events.register("after-call.dynamodb", _by_arn)


def _by_name(params: dict[str, Any], context: dict[str, Any], **_: Any) -> dict[str, Any]:
    sent = dict(params)
    if "TableName" in sent:
        sent["TableName"] = _name_of(sent["TableName"])
    if "RequestItems" in sent:
        asked = sent["RequestItems"]
        context["arns"] = {_name_of(table): table for table in asked}
        sent["RequestItems"] = {_name_of(table): items for table, items in asked.items()}
    return sent


def _by_arn(parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    arns = context.get("arns")
    if not arns:
        return
    for name in _OF_BATCHES:
        if isinstance(parsed.get(name), dict):
            parsed[name] = {arns[table]: items for table, items in parsed[name].items()}


def _name_of(table: str) -> str:
    return table.rpartition("/")[2]
