"""Replies that count: those of the service, with nothing of them missing.

To botocore a 200 is a success whatever its body: a proxy's page, nothing, or the first half of a
reply all come out as a dictionary without the parts that it lacks. The services give each reply an
id, which botocore calls `RequestId`. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
"""

from __future__ import annotations

from typing import Any

from ..config.saver_config import DynamoDBConfig
from ..errors import UnavailableError
from ..runtime.effects import Call, Reply
from .places import host_of, subject
from .secrets import without_secrets

_PARTS: dict[str, tuple[str, ...]] = {
    "batch_execute_statement": ("Responses",),
    "batch_get_item": ("Responses",),
    "batch_write_item": ("UnprocessedItems",),
    "create_table": ("TableDescription",),
    "delete_table": ("TableDescription",),
    "describe_continuous_backups": ("ContinuousBackupsDescription",),
    "describe_key": ("KeyMetadata",),
    "describe_scalable_targets": ("ScalableTargets",),
    "describe_scaling_policies": ("ScalingPolicies",),
    "describe_stacks": ("Stacks",),
    "describe_table": ("Table",),
    "describe_time_to_live": ("TimeToLiveDescription",),
    "get_object": ("Body",),
    "list_tags_of_resource": ("Tags",),
    "query": ("Items",),
    "scan": ("Items",),
}
"""What a whole reply has, be it empty. Other methods' replies may have nothing."""

BODY = "ForeignBody"
"""In the metadata of a reply that is not the service's: its body."""

_EXCERPT_BYTES = 200


def watch(client: Any) -> None:
    """Have a client keep the bodies of replies that are not the service's, for messages."""
    events = getattr(getattr(client, "meta", None), "events", None)  # a test's client may lack it
    if events is not None:
        events.register("response-received", _keep_body, unique_id=__name__)


def _keep_body(response_dict: Any, parsed_response: Any, **_: Any) -> None:
    """Called by botocore's event after a reply was parsed; both are `None` if it was not."""
    if parsed_response is not None and not parsed_response["ResponseMetadata"].get("RequestId"):
        parsed_response["ResponseMetadata"][BODY] = response_dict["body"]


def foreign(call: Call, status: int, body: Any) -> str:
    """What a message says of a reply that is not the service's: its status, and how it begins.

    Args:
        call: The call.
        status: The HTTP status.
        body: The bytes of the reply; of a stream, which is not read, something else.
    """
    start = body[:_EXCERPT_BYTES].decode(errors="replace") if isinstance(body, bytes) else ""
    found = repr(without_secrets(start)) if start else "an empty body"
    return f"HTTP {status}, not the answer of {call.service} (a proxy's?): {found}"


def whole(reply: Reply, config: DynamoDBConfig, call: Call, client: Any = None) -> Reply:
    """The reply, if it is the service's and nothing of it is missing.

    Raises:
        UnavailableError: It is something else; whether the call took effect is not known.
    """
    # botocore always adds the metadata: what lacks it is from a client of a test.
    metadata = reply.get("ResponseMetadata")
    is_of_service = metadata is None or bool(metadata.get("RequestId"))
    missing = [part for part in _PARTS.get(call.method, ()) if part not in reply]
    if is_of_service and not missing:
        return reply
    what = (
        f"half of an answer, without {', '.join(missing)}"
        if is_of_service
        else foreign(call, metadata["HTTPStatusCode"], metadata.get(BODY))
    )
    raise UnavailableError(f"{subject(config, call, host_of(client))}: {what}")
