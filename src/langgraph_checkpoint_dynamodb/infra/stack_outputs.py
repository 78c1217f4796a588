"""Finds a table by the CloudFormation stack that owns it.

`saver_config` is an operation (see `runtime/effects.py`). It creates the saver's configuration from
the outputs that `template.yaml` gives every stack.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..config.table_config import DynamoDBTableConfig
from ..errors import DEPLOY, ConfigurationError, StackError, StorageError
from ..runtime.effects import CLOUDFORMATION, Call, Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..config.saver_config import DynamoDBConfig


TEMPLATE_MAJOR = 1
"""The major `TemplateVersion` whose outputs this module reads."""

_OUTPUTS = (
    *("TableName", "TableArn", "Region", "TtlAttribute", "TtlEnabled"),
    *("RunIndexEnabled", "ThreadIndexEnabled", "TemplateVersion"),
)
_VERSION = re.compile(r"([0-9]+)\.[0-9]+\.[0-9]+")
_FLAGS = {"true": True, "false": False}
_CREATING = frozenset({"CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS"})
_UNUSABLE = ("CREATE_FAILED", "ROLLBACK_", "DELETE_")
"""Prefixes of states in which the table may not exist. In `UPDATE_ROLLBACK_…` it does.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
"""


def saver_config(
    stack_name: str, config: DynamoDBConfig, ttl_seconds: int | None
) -> Operation[DynamoDBConfig]:
    """The configuration of a saver that uses a stack's table.

    The stack may be in an update, because its table serves requests at the same time.

    Args:
        stack_name: Name or ARN of the stack.
        config: How to reach AWS. Its table is replaced, and its region if it has none.
        ttl_seconds: How long a checkpoint is returned, in seconds; `None` for no expiry.

    Raises:
        ConfigurationError: `ttl_seconds` is set, and the stack has TTL off.
        StackError: The stack is missing, not ready, or not of this template.
        StorageError: CloudFormation did not respond, or refused the call.
    """
    found = yield from _describe(stack_name)
    what = _stack_text(stack_name, found)
    _check_status(found["StackStatus"], what)
    outputs = _outputs(found, what)
    enable_ttl = _flag(outputs, "TtlEnabled", what)
    if ttl_seconds is not None and not enable_ttl:
        raise ConfigurationError(
            f"ttl_seconds={ttl_seconds}: {what} has TTL off, so DynamoDB would never delete the "
            "expired items; update the stack with EnableTtl=true or leave ttl_seconds out"
        )
    table = DynamoDBTableConfig(
        table_name=outputs["TableName"],
        enable_ttl=enable_ttl,
        ttl_attribute=outputs["TtlAttribute"],
        ttl_seconds=ttl_seconds,
        enable_run_index=_flag(outputs, "RunIndexEnabled", what),
        enable_thread_index=_flag(outputs, "ThreadIndexEnabled", what),
    )
    region = config.region_name or outputs["Region"]
    return replace(config, table_config=table, region_name=region)


def _describe(stack_name: str) -> Operation[dict[str, Any]]:
    call = Call("describe_stacks", {"StackName": stack_name}, CLOUDFORMATION)
    try:
        (reply,) = yield [call]
    except StorageError as error:
        # CloudFormation has no specific error code for a missing stack.
        if error.code != "ValidationError" or "does not exist" not in str(error):
            raise
        raise StackError(
            f"{error}. Check the name, the account and the region (region_name of DynamoDBConfig), "
            f"or create the stack: `{DEPLOY}`"
        ) from error
    stack: dict[str, Any] = reply["Stacks"][0]
    return stack


def _stack_text(stack_name: str, stack: Mapping[str, Any]) -> str:
    # arn:aws:cloudformation:<region>:<account>:stack/<name>/<id>
    region = (str(stack.get("StackId", "")).split(":") + [""] * 4)[3] or "unknown"
    return f"stack {stack_name!r} in region {region} ({stack['StackStatus']})"


def _check_status(status: str, what: str) -> None:
    if status in _CREATING:
        raise StackError(
            f"{what} is still being created: wait for it (aws cloudformation wait "
            "stack-create-complete), then call again; a change set in review must be executed first"
        )
    if status.startswith(_UNUSABLE):
        raise StackError(
            f"{what} has failed or is deleted: look at its events (aws cloudformation "
            "describe-stack-events), delete it and deploy template.yaml again. A table that it "
            "retained keeps its data: name it in DynamoDBTableConfig, or import it into a new stack"
        )


def _outputs(stack: Mapping[str, Any], what: str) -> dict[str, str]:
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
    version = outputs.get("TemplateVersion", "")
    parts = _VERSION.fullmatch(version)
    # Checked before the missing outputs, because another version may have others.
    if parts and int(parts[1]) > TEMPLATE_MAJOR:
        raise StackError(
            f"{what} has TemplateVersion {version}, and this release reads {TEMPLATE_MAJOR}.x: "
            "upgrade langgraph-checkpoint-amazon-dynamodb"
        )
    missing = [name for name in _OUTPUTS if not outputs.get(name)]
    if missing:
        raise _wrong_template(what, f"its outputs lack {', '.join(missing)}")
    if parts is None:
        raise _wrong_template(what, f"its output TemplateVersion={version!r} is not a version")
    return outputs


def _flag(outputs: Mapping[str, str], name: str, what: str) -> bool:
    value = outputs[name]
    if value not in _FLAGS:
        raise _wrong_template(what, f"its output {name}={value!r} is not 'true' or 'false'")
    return _FLAGS[value]


def _wrong_template(what: str, why: str) -> StackError:
    return StackError(
        f"{what} has another template than this package's template.yaml, or an older version of "
        f"it: {why}. Name another stack, or update this one with the template"
    )
